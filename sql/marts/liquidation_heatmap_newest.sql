-- The map of the newest hour, a row a bin.
--
-- Materialized: view
-- Known limitation: an asset that is held back or no longer followed keeps its last hour;
-- hours_behind in marts.assets says how old that is.

with
newest as (
    select
        asset,
        as_of,
    from marts.assets
),

hour as (
    select *
    from marts.liquidation_heatmap_hourly
    semi join newest using (asset, as_of)
)

select * from hour
