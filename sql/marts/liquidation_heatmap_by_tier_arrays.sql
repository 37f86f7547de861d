-- The maps by leverage in compact form: one row a side and tier, with the USD of each price bin.
--
-- Materialized: table
-- Known limitation: as of marts.liquidation_heatmap_by_tier_hourly, which has a row for each bin.

select
    asset,
    as_of,
    provider,
    venue,
    side,
    leverage,
    price,
    first_bin_index,
    len(liquidation_usd)::integer as bin_count,
    liquidation_usd,
    params_hash,
from derived.heatmap_by_tier
