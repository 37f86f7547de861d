-- Whether bands on which many providers agree behave differently from lone ones, day by day.
--
-- Materialized: table
-- Known limitation: one place counts once for each hour and provider that shows it; the blocks of
-- the intervals carry that dependence, the counts do not.

select * exclude (run_id)
from derived.crowding
