-- Skill of each model, out of sample, against null models that are hard to beat.
--
-- Materialized: table
-- Known limitation: the models are fitted once before each window; hours whose figure is a lower
-- bound say how well a model follows what is published, not what happened.

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
        run_id,
    from derived.estimator_skill
)

select * from estimator_skill
