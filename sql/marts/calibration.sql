-- Every fitted parameter with its interval and span, and why there is no fit where there is none.
--
-- Materialized: table
-- Known limitation: rows of a ledger resemble one another, so hardly any is identified by itself;
-- their sums are.

with
calibration as (
    select
        asset,
        provider,
        valid_from_at,
        parameter,
        parameter_index,
        value,
        low,
        high,
        log_sd,
        is_identified,
        unit,
        params_hash,
        fitted_on,
        realised_feeds,
        realised_venues,
        is_realised_complete,
        fitted_from_at,
        fitted_until_at,
        hour_count,
        volume_usd,
        is_short_fit,
        is_pooled,
        status,
        reason,
        run_id,
    from derived.calibration
),

-- Lists in words, for tools that know no lists.
in_words as (
    select
        *,
        array_to_string(realised_feeds, ', ') as realised_feeds_text,
        array_to_string(realised_venues, ', ') as realised_venues_text,
    from calibration
)

select * from in_words
