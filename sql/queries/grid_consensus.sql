-- Mean shape of the providers' maps in some hours, as share of each side; with the arrays of
-- `grid_maps`.
--
-- asset, venue: whose maps
-- from_at, until_at: hours with from_at < as_of <= until_at

select
    epoch(as_of) as as_of,
    side,
    price,
    first_bin_index,
    mean_ratio::float[] as liquidation_usd,
    'relative' as unit,
    'mean share of each side' as semantics,
from marts.consensus_heatmap_arrays
where
    asset = $asset
    and venue = $venue
    and as_of > $from_at
    and as_of <= $until_at
order by as_of
