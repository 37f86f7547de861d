-- Open interest of an asset by venue at an hour, the largest first.

select *
from marts.venue_open_interest_hourly
where asset = $asset and as_of = $as_of
order by open_interest_usd desc, venue
