-- Every asset in its newest published hour, the largest first.
--
-- asset: NULL for all
-- row_count, first_row: the page

select *
from marts.assets
where asset = coalesce($asset, asset)
order by open_interest_usd desc nulls last, asset
limit $row_count offset $first_row
