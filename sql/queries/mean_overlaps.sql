-- Mean overlap of each provider's map with those of the others.
--
-- asset, venue, as_of: the maps

with
of_provider as (
    select
        unnest([provider_a, provider_b]) as provider,
        overlap_ratio,
    from marts.provider_disagreement_hourly
    where asset = $asset and venue = $venue and as_of = $as_of and side = 'both'
)

select
    provider,
    avg(overlap_ratio) as overlap_ratio,
from of_provider
group by provider
