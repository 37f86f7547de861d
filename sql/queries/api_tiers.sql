-- Leverage tiers that a map is published by, and since when.
--
-- asset, provider: whose map

select
    leverage,
    min(as_of) as first_at,
from derived.heatmap_by_tier
where asset = $asset and provider = $provider
group by leverage
order by leverage
