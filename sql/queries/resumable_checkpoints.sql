-- States of the last checkpoint of each series at which every model of its asset has one.
--
-- The reference path of an asset is a series of venue 'all', with models of its own.

with
complete as (
    select
        asset,
        venue,
        instrument,
        checkpoint_at,
    from derived.model_checkpoint
    inner join batch_from_at using (asset)
    where
        epoch_us(checkpoint_at) <= from_at
        and list_contains(if(venue = 'all', path_hashes, params_hashes), params_hash)
    group by asset, venue, instrument, checkpoint_at
    having count(*) = any_value(len(if(venue = 'all', path_hashes, params_hashes)))
),

newest as (
    select
        asset,
        venue,
        instrument,
        max(checkpoint_at) as checkpoint_at,
    from complete
    group by asset, venue, instrument
)

select
    asset,
    venue,
    instrument,
    provider,
    epoch_us(columns(['checkpoint_at', 'first_bar_at', 'last_bar_end_at', 'observed_bar_end_at'])),
    state,
from derived.model_checkpoint
semi join newest using (asset, venue, instrument, checkpoint_at)
inner join batch_from_at using (asset)
where list_contains(if(venue = 'all', path_hashes, params_hashes), params_hash)
