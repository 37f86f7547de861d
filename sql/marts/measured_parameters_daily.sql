-- Parameters of the estimators as followed accounts show them, beside those that ship.
--
-- Materialized: table
-- Known limitation: positions found at the first state of their account show how long they last,
-- not how they were opened; values for venues without measured positions are assumptions.

select * exclude (run_id)
from derived.measured_parameter
