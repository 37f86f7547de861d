-- The maps in compact form: one row a side, with the USD of each price bin as an array.
--
-- Materialized: table
-- Known limitation: as of marts.liquidation_heatmap_hourly, which has a row for each bin.

select
    asset,
    as_of,
    provider,
    venue,
    side,
    price,
    first_bin_index,
    len(liquidation_usd)::integer as bin_count,
    liquidation_usd,
    start_up_usd,
    liquidation_q10_usd,
    liquidation_q50_usd,
    liquidation_q90_usd,
    unit,
    semantics,
    params_hash,
from derived.heatmap
