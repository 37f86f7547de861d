-- How far providers differ on an asset in some hours, pair by pair, newest hour first.
--
-- asset; provider: pairs with it, or NULL for all; venue: NULL for all
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

select *
from marts.provider_disagreement_hourly
where
    asset = $asset
    and coalesce($provider in (provider_a, provider_b), true)
    and venue = coalesce($venue, venue)
    and as_of > $from_at
    and as_of <= $until_at
order by as_of desc, venue, provider_a, provider_b, side
limit $row_count offset $first_row
