-- Mean shape of all providers' maps of an asset in some hours, newest hour first.
--
-- asset, venue, sides: whose; reach: share of price each way, or NULL for all prices
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

select *
from marts.consensus_heatmap_hourly
where
    asset = $asset
    and venue = $venue
    and list_contains($sides, side)
    and as_of > $from_at
    and as_of <= $until_at
    and coalesce(
        price_high > price * (1 - $reach::double) and price_low < price * (1 + $reach::double), true
    )
order by as_of desc, side, bin_index
limit $row_count offset $first_row
