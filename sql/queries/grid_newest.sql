-- What is known by bin of the newest hour of a map beside its USD: the 80 % interval of the fit,
-- and how many providers call a bin dense.
--
-- asset, provider, venue, as_of: the map

with
consensus as (
    select
        side,
        first_bin_index as first_agreeing_bin,
        dense_provider_count,
        provider_count,
    from marts.consensus_heatmap_arrays
    where asset = $asset and venue = $venue and as_of = $as_of
),

interval_of_fit as (
    select
        side,
        first_bin_index as first_interval_bin,
        liquidation_q10_usd,
        liquidation_q90_usd,
    from marts.liquidation_heatmap_arrays
    where asset = $asset and provider = $provider and venue = $venue and as_of = $as_of
)

select
    side,
    first_interval_bin,
    liquidation_q10_usd,
    liquidation_q90_usd,
    first_agreeing_bin,
    dense_provider_count,
    provider_count,
from interval_of_fit
full join consensus using (side)
