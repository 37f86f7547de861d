-- Maps in the published file by asset, provider and venue: their hours, newest parameters and what
-- they count.
-- The mean of all providers is the provider 'consensus'.

select
    asset,
    provider,
    venue,
    min(as_of) as first_at,
    max(as_of) as newest_at,
    arg_max(params_hash, as_of) as params_hash,
    arg_max(semantics, as_of) as semantics,
from marts.liquidation_heatmap_arrays
group by asset, provider, venue
union all by name
select
    asset,
    'consensus' as provider,
    venue,
    min(as_of) as first_at,
    max(as_of) as newest_at,
    arg_max(params_hash, as_of) as params_hash,
    'mean_shape' as semantics,
from marts.consensus_heatmap_arrays
group by asset, venue
order by asset, provider, venue
