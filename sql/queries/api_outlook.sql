-- What is expected to be published in the 24 hours after each midnight of a window, newest first.
--
-- asset, sides
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

select *
from marts.liquidation_outlook_daily
where
    asset = $asset and list_contains($sides, side) and as_of > $from_at and as_of <= $until_at
order by as_of desc, side
limit $row_count offset $first_row
