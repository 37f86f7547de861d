-- Skill of each model, out of sample, against null models that are hard to beat.
--
-- Materialized: table
-- Known limitation: the models are fitted once before each window; hours whose figure is a lower
-- bound say how well a model follows what is published, not what happened. An order carries its own
-- price, which is moved into the range of the bar in which it came: with bars of an hour much of it
-- ends at the extremes of the hour.

with
estimator_skill as (
    select
        asset,
        as_of,
        provider,
        null_model,
        window_days,
        status,
        reason,
        realised_venues,
        realised_feeds,
        is_lower_bound,
        hour_count,
        realised_usd,
        predicted_usd,
        predicted_ratio,
        deviance_removed_ratio,
        deviance_removed_low_ratio,
        deviance_removed_high_ratio,
        gamma_deviance_removed_ratio,
        gain_nats_per_hour,
        gain_low_nats_per_hour,
        gain_high_nats_per_hour,
        calibration_slope,
        number_test_quantile,
        t_test_p_value,
        w_test_p_value,
        within_factor_7d_ratio,
        fitted_from_at,
        fitted_until_at,
        fitted_hour_count,
        is_short_fit,
        place_cells,
        place_status,
        place_reason,
        place_span_count,
        place_usd,
        misplaced_removed_ratio,
        misplaced_removed_low_ratio,
        misplaced_removed_high_ratio,
        place_test_quantile,
        top_quarter_status,
        top_quarter_reason,
        top_quarter_span_count,
        top_quarter_usd,
        top_quarter_ratio,
        top_quarter_low_ratio,
        top_quarter_high_ratio,
        top_quarter_gain_ratio,
        top_quarter_gain_low_ratio,
        top_quarter_gain_high_ratio,
        run_id,
    from derived.estimator_skill
),

-- Lists in words, for tools that know no lists.
in_words as (
    select
        *,
        array_to_string(realised_venues, ', ') as realised_venues_text,
        array_to_string(realised_feeds, ', ') as realised_feeds_text,
    from estimator_skill
)

select * from in_words
