-- What is missing from feeds, the newest gap first.
--
-- asset, venue: NULL for all
-- row_count, first_row: the page

select *
from marts.data_gaps
where asset is not distinct from coalesce($asset, asset) and venue = coalesce($venue, venue)
order by gap_from desc, venue, instrument, kind
limit $row_count offset $first_row
