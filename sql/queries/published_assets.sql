-- Assets in the published file: hours in which they have bars or maps, and their newest grade and
-- open interest.

with
hour as (
    select distinct
        asset,
        as_of,
    from marts.liquidation_heatmap_arrays
    union
    select
        asset,
        as_of,
    from marts.market_context_hourly
),

hours as (
    select
        asset,
        list(epoch_us(as_of) order by as_of) as hours,
    from hour
    group by asset
),

grade as (
    select
        asset,
        arg_max(grade, as_of) as grade,
    from marts.asset_quality_hourly
    where venue = 'all'
    group by asset
),

market as (
    select
        asset,
        arg_max(open_interest_usd, as_of) as open_interest_usd,
    from marts.market_context_hourly
    group by asset
)

select
    hours.asset,
    hours.hours,
    grade.grade,
    market.open_interest_usd,
from hours
left join grade using (asset)
left join market using (asset)
order by market.open_interest_usd desc nulls last, hours.asset
