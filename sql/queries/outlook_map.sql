-- The map of a ledger at an instant, longs first, with fit and capture.
--
-- asset, as_of, provider: whose map

select
    heatmap.price,
    heatmap.first_bin_index,
    heatmap.liquidation_usd,
    heatmap.params_hash,
    path_exposure.capture_ratio,
from derived.heatmap as heatmap
left join derived.path_exposure as path_exposure using (asset, as_of, provider, side)
where asset = $asset and as_of = $as_of and provider = $provider and heatmap.venue = 'all'
order by side
