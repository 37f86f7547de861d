-- Shapes of two maps: share of each by distance from price, in steps of one percent of log price
-- within 20 %. Longs are below price, shorts above.
--
-- asset, venue, as_of: the maps
-- providers: whose

with
by_step as (
    select
        provider,
        floor(100 * ln(sqrt(price_low * price_high) / price))::integer as step,
        sum(liquidation_usd) as held,
    from marts.liquidation_heatmap_hourly
    where
        asset = $asset
        and venue = $venue
        and as_of = $as_of
        and list_contains($providers::varchar[], provider)
        and liquidation_usd > 0
        and step between -20 and 19
    group by provider, step
)

select
    provider,
    step,
    held / sum(held) over (partition by provider) as share_ratio,
from by_step
order by provider, step
