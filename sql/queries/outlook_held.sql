-- How often the interval of the outlook held what was published, over the days of an asset that
-- have both, not later than $as_of where that is given: of the venues of the newest such day alone.

with
known as (
    select
        as_of,
        expected_usd,
        expected_q10_usd,
        expected_q90_usd,
        realised_usd,
        completeness,
        is_in_interval,
    from marts.liquidation_outlook_daily
    where
        asset = $asset
        and as_of <= coalesce($as_of, 'infinity'::timestamp)
        and is_in_interval is not null
    qualify realised_venues = arg_max(realised_venues, as_of) over ()
),

held as (
    select
        count(distinct as_of) as day_count,
        count(*) as amount_count,
        count(*) filter (where is_in_interval) as in_interval_count,
        count(*) filter (where realised_usd < expected_q10_usd) as below_count,
        count(*) filter (where realised_usd > expected_q90_usd) as above_count,
        sum(expected_usd) / nullif(sum(realised_usd), 0) as expected_ratio,
        bool_or(completeness = 'lower_bound') as is_lower_bound,
    from known
)

select * from held
where day_count > 0
