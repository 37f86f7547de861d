-- What is followed of each instrument, since when, and how far it has come.
--
-- Materialized: table

select
    venue,
    instrument,
    kind,
    asset,
    if(period_seconds > 0, period_seconds, null) as period_seconds,
    reach_seconds,
    expected_from_at,
    expected_until_at,
    coalesce(newest_at, complete_until_at) as newest_at,
    checked_at,
from meta.feed
