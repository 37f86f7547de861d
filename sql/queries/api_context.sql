-- The market around the maps of an asset in some hours, newest hour first.
--
-- asset
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

select *
from marts.market_context_hourly
where asset = $asset and as_of > $from_at and as_of <= $until_at
order by as_of desc
limit $row_count offset $first_row
