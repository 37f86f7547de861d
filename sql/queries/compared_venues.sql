-- Venues on which maps of an asset are compared at an hour.

select list_sort(list(distinct venue)) as venues,
from marts.provider_disagreement_hourly
where asset = $asset and as_of = $hour
