-- Bands of one map in some hours, newest hour first.
--
-- asset, provider, venue, sides: whose
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

select *
from marts.liquidation_bands_hourly
where
    asset = $asset
    and provider = $provider
    and venue = $venue
    and list_contains($sides, side)
    and as_of > $from_at
    and as_of <= $until_at
order by as_of desc, side desc, rank
limit $row_count offset $first_row
