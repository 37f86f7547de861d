-- Providers with bands of an asset in its newest published hour.

with
newest as (
    select provider
    from marts.liquidation_bands_hourly
    where asset = $asset and venue = 'all' and as_of <= coalesce($as_of, 'infinity'::timestamp)
    qualify as_of = max(as_of) over ()
)

select distinct provider from newest
order by provider
