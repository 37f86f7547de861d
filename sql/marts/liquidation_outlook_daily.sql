-- What a ledger expects to be liquidated and published in the 24 hours after each midnight, over
-- simulated paths of the recent volatility, beside what was published of them.
--
-- Materialized: table
-- Known limitation: the standing map is that of midnight; positions opened later are not on it. The
-- interval is that of paths alone, not of fit or capture. One hour without a figure leaves the day
-- without one.

with
outlook as (
    select * exclude (run_id)
    from derived.liquidation_outlook
),

realised_liquidation as (
    select
        asset,
        as_of,
        realised_long_liquidation_usd as long_usd,
        realised_short_liquidation_usd as short_usd,
        realised_liquidation_venues as realised_venues,
        is_realised_liquidation_complete as is_complete,
        is_realised_liquidation_partial as is_partial,
    from intermediate.int_realised_liquidation_hour
    where as_of > window_start() - interval 72 hours
),

-- Three days without a liquidation look like a feed that is down.
judged as (
    select
        *,
        long_usd is not null
        and short_usd is not null
        and not is_partial
        and not coalesce(
            count(*) over three_days = 72
            and max(coalesce(long_usd, 0) + coalesce(short_usd, 0)) over three_days = 0,
            false
        ) as has_figure,
    from realised_liquidation
    window
        three_days as (
            partition by asset
            order by as_of
            range between interval 71 hours preceding and current row
        )
),

-- The hour that ends at a midnight is the last of the day before.
of_day as (
    select
        asset,
        date_trunc('day', as_of - interval 1 hour) as as_of,
        count(*) filter (where has_figure) as realised_hour_count,
        count(distinct array_to_string(realised_venues, '+')) as scope_count,
        any_value(realised_venues) as realised_venues,
        bool_and(is_complete) as is_complete,
        sum(exact(long_usd))::double as long_usd,
        sum(exact(short_usd))::double as short_usd,
    from judged
    group by asset, date_trunc('day', as_of - interval 1 hour)
),

with_reason as (
    select
        outlook.*,
        coalesce(of_day.realised_hour_count, 0) as realised_hour_count,
        case
            when of_day.asset is null then 'nothing was published of these hours'
            when of_day.realised_hour_count < 24
                then 'hours without a figure: ' || (24 - of_day.realised_hour_count)
            when of_day.scope_count > 1 then 'the venues that publish changed within the day'
        end as realised_reason,
        of_day.realised_venues as published_venues,
        of_day.is_complete,
        if(outlook.side = 'long', of_day.long_usd, of_day.short_usd) as published_usd,
    from outlook
    left join of_day using (asset, as_of)
),

with_realised as (
    select
        * exclude (published_venues, published_usd, is_complete, realised_reason),
        if(realised_reason is null, published_usd, null) as realised_usd,
        if(realised_reason is null, published_venues, null) as realised_venues,
        case
            when realised_usd is null then 'unknown'
            when is_complete then 'complete'
            else 'lower_bound'
        end as completeness,
        realised_usd between expected_q10_usd and expected_q90_usd as is_in_interval,
        realised_reason,
        -- Lists in words, for tools that know no lists.
        array_to_string(realised_venues, ', ') as realised_venues_text,
    from with_reason
)

select * from with_realised
