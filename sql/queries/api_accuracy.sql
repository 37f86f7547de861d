-- Skill of an asset's models at the midnights of a window, newest first.
--
-- asset; provider: NULL for all
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

select *
from marts.estimator_skill_daily
where
    asset = $asset
    and provider = coalesce($provider, provider)
    and as_of > $from_at
    and as_of <= $until_at
order by as_of desc, window_days desc, provider, null_model
limit $row_count offset $first_row
