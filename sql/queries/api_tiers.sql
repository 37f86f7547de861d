-- Leverage tiers that a map is published by, and since when.
--
-- asset, provider: whose map

select
    leverage,
    min(as_of) as first_at,
from marts.liquidation_heatmap_by_tier_arrays
where asset = $asset and provider = $provider
group by leverage
order by leverage
