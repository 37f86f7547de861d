-- Pairs of providers' maps of an asset on a venue at an hour, all sides.

select *
from marts.provider_disagreement_hourly
where asset = $asset and as_of = $hour and venue = $venue
order by provider_a, provider_b, side
