-- The map of the newest hour, a row a bin.
--
-- Materialized: view
-- Known limitation: an asset that is held back or no longer followed keeps its last hour;
-- hours_behind in marts.assets says how old that is.

select *
from marts.liquidation_heatmap_hourly
semi join marts.assets using (asset, as_of)
