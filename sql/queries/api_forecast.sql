-- What models predicted of some hours beside what venues published, newest hour first.
--
-- asset; provider: NULL for all; sides
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

select *
from marts.liquidation_forecast_hourly
where
    asset = $asset
    and provider = coalesce($provider, provider)
    and list_contains($sides, side)
    and as_of > $from_at
    and as_of <= $until_at
order by as_of desc, provider, venue_scope, side, tier
limit $row_count offset $first_row
