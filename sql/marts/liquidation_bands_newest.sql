-- Bands of the newest hour.
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
    from marts.liquidation_bands_hourly
    semi join newest using (asset, as_of)
)

select * from hour
