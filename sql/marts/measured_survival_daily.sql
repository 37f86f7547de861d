-- What became of positions within hours of a map: gone, reached by price, moved, given margin.
--
-- Materialized: table
-- Known limitation: where a change is known to hours only, shares within an hour are blurred. On
-- cross margin a liquidation price also moves with the rest of the account.

select * exclude (run_id)
from derived.measured_survival
