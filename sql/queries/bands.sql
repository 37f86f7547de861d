-- Bands of one provider, asset and venue: the newest hour,
-- not later than $as_of and not before $earliest where they are given.

with
newest as (
    select max(as_of) as as_of
    from marts.liquidation_bands_hourly
    where
        asset = $asset
        and provider = $provider
        and venue = $venue
        and as_of <= coalesce($as_of, 'infinity'::timestamp)
        and as_of >= coalesce($earliest, '-infinity'::timestamp)
)

select band.*
from marts.liquidation_bands_hourly as band
where
    band.asset = $asset
    and band.provider = $provider
    and band.venue = $venue
    -- A known hour is read alone, which a join does not do.
    and band.as_of = (select newest.as_of from newest)
order by band.side desc, band.rank
