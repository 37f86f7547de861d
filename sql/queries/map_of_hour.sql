-- Bins of one map at an hour, from the lowest price.
--
-- asset, provider, venue, as_of: the map

select
    side,
    price_low,
    price_high,
    price,
    liquidation_usd,
    unit,
    semantics,
from marts.liquidation_heatmap_hourly
where asset = $asset and provider = $provider and venue = $venue and as_of = $as_of
order by price_low
