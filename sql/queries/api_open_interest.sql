-- Open interest of an asset by venue, as counted and as reported, newest hour first.
--
-- asset; venue: NULL for all
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

select *
from marts.venue_open_interest_hourly
where
    asset = $asset
    and venue = coalesce($venue, venue)
    and as_of > $from_at
    and as_of <= $until_at
order by as_of desc, open_interest_usd desc, venue
limit $row_count offset $first_row
