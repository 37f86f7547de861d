-- Outlooks of an asset over its newest days, beside what was published in each.
--
-- asset
-- as_of: not later than
-- days: how many

select
    as_of,
    side,
    expected_usd,
    expected_q10_usd,
    expected_q90_usd,
    capture_ratio,
    realised_usd,
    completeness,
    is_in_interval,
    reason,
    realised_reason,
from marts.liquidation_outlook_daily
where asset = $asset and as_of <= $as_of
qualify dense_rank() over (order by as_of desc) <= $days
order by as_of desc, side
