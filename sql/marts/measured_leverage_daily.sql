-- What leverage followed accounts use: of positions held at midnight, and of those opened before.
--
-- Materialized: table
-- Known limitation: a position that adds to an older one counts at its opening only; the effective
-- leverage takes the maintenance margin of the smallest positions.

select * exclude (run_id)
from derived.measured_leverage
