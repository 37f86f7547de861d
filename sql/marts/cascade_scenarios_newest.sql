-- Shocks of the newest hour: what each would force.
--
-- Materialized: view
-- Known limitation: an asset that is held back or no longer followed keeps its last hour;
-- hours_behind in marts.assets says how old that is.

select *
from marts.cascade_scenarios_hourly
semi join marts.assets using (asset, as_of)
