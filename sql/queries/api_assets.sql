-- Every asset in its newest published hour, the largest first.
--
-- row_count, first_row: the page

select *
from marts.assets
order by open_interest_usd desc nulls last, asset
limit $row_count offset $first_row
