-- The consensus in compact form: one row a side, with the shares of each price bin as arrays.
--
-- Materialized: table
-- Known limitation: as of marts.consensus_heatmap_hourly, which has a row for each bin.

select
    asset,
    as_of,
    venue,
    side,
    price,
    first_bin_index,
    len(mean_ratio)::integer as bin_count,
    mean_ratio,
    min_ratio,
    max_ratio,
    variation_ratio,
    dense_provider_count,
    provider_count,
    params_hash,
from derived.consensus
