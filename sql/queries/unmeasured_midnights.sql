-- Midnights whose map of all venues has no sensitivities since it was made.
--
-- from_at, until_at: hours with from_at < as_of <= until_at
-- all_venues: name of the sum over venues
-- estimators: params_hash of those in use

with
known as (
    select
        asset,
        as_of,
        provider,
        params_hash,
        map_run_id as run_id,
    from derived.assumption_sensitivity
)

select distinct
    asset,
    epoch_us(as_of) as midnight,
    provider,
    run_id,
from derived.heatmap
anti join known using (asset, as_of, provider, params_hash, run_id)
where
    as_of > $from_at
    and as_of <= $until_at
    and list_contains($estimators, params_hash)
    and hour(as_of) = 0
    and venue = $all_venues
    and side = 'long'
order by asset, midnight, provider, run_id
