-- Grades of an asset with their reasons and measures in some hours, newest hour first.
--
-- asset; venue: NULL for all
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

select *
from marts.asset_quality_hourly
where
    asset = $asset
    and venue = coalesce($venue, venue)
    and as_of > $from_at
    and as_of <= $until_at
order by as_of desc, venue <> 'all', venue
limit $row_count offset $first_row
