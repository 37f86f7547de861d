-- Pairs of providers' maps of an asset on a venue at an hour, by side, the least alike last.

select *
from marts.provider_disagreement_hourly
where asset = $asset and as_of = $hour and side = $side and venue = $venue
order by overlap_ratio nulls last, provider_a, provider_b
