-- The newest hour at which maps of an asset are compared, not later than $as_of if that is given.

select max(as_of) as hour,
from marts.provider_disagreement_hourly
where asset = $asset and as_of <= coalesce($as_of, 'infinity'::timestamp)
