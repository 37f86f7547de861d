-- The map of a ledger at an instant, longs first, with fit and capture.
--
-- asset, as_of, provider: whose map

with
heatmap as (
    select
        asset,
        as_of,
        provider,
        side,
        price,
        first_bin_index,
        liquidation_usd,
        params_hash,
    from derived.heatmap
    where asset = $asset and as_of = $as_of and provider = $provider and venue = 'all'
),

path_exposure as (
    select
        asset,
        as_of,
        provider,
        side,
        capture_ratio,
    from derived.path_exposure
    where asset = $asset and as_of = $as_of and provider = $provider
)

select
    price,
    first_bin_index,
    liquidation_usd,
    params_hash,
    path_exposure.capture_ratio,
from heatmap
left join path_exposure using (asset, as_of, provider, side)
order by side
