-- Bands of one provider, asset and venue: the newest hour,
-- not later than $as_of where that is given.

with
chosen as (
    select *
    from marts.liquidation_bands_hourly
    where
        asset = $asset
        and provider = $provider
        and venue = $venue
        and as_of <= coalesce($as_of, 'infinity'::timestamptz)
)

select *
from chosen
qualify as_of = max(as_of) over ()
order by side desc, rank
