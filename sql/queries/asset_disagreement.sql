-- How far providers differ on an asset at an hour overall.

select *
from marts.asset_disagreement_hourly
where asset = $asset and as_of = $hour
