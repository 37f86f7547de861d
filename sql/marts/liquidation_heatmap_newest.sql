-- The map of the newest hour, a row a bin.
--
-- Materialized: view
-- Known limitation: an asset that is held back or no longer followed keeps its last hour;
-- hours_behind in marts.assets says how old that is.

with
-- Joined directly, all bins of all hours are made before they are chosen: five times the work.
newest as (
    select
        asset,
        as_of,
    from marts.assets
)

select *
from marts.liquidation_heatmap_hourly
semi join newest using (asset, as_of)
