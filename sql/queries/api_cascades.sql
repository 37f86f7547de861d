-- What a move of price would force on one map in some hours, newest hour first.
--
-- asset, provider, venue, sides: whose
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

select *
from marts.cascade_scenarios_hourly
where
    asset = $asset
    and provider = $provider
    and venue = $venue
    and list_contains($sides, side)
    and as_of > $from_at
    and as_of <= $until_at
order by as_of desc, shock_ratio
limit $row_count offset $first_row
