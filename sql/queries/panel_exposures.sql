-- What each model was exposed to, in the window of hours and assets that is set: rows in order of
-- asset, model, hour and side.
--
-- venues: venues whose positions count, but where they are set apart

with
path_exposure as (
    select
        asset,
        provider,
        as_of,
        side,
        exposure,
        log_age,
        map_usd,
    from derived.path_exposure
    where in_window_assets(asset) and in_window(as_of)
),

of_positions as (
    select
        asset,
        provider,
        as_of,
        side,
        [sorted_sum(list_sum(consumed_usd) + list_sum(swept_usd))] as exposure,
    from derived.leverage_exposure
    anti join intermediate.int_set_apart using (asset, venue, as_of)
    where
        in_window_assets(asset)
        and in_window(as_of)
        and list_contains($venues, venue)
        and consumed_usd is not null
    group by asset, provider, as_of, side
),

of_map as (
    select
        asset,
        provider,
        as_of,
        side,
        [sorted_sum(consumed_usd)] as exposure,
    from intermediate.int_prediction_hour
    where
        in_window_assets(asset)
        and in_window(as_of)
        and list_contains($venues, venue)
        and method = 'map of the hour before'
    group by asset, provider, as_of, side
),

exposure as (
    select * from of_positions
    union all by name
    select * from of_map
    union all by name
    select * from path_exposure
)

select
    asset,
    provider,
    epoch_us(as_of) as span_end,
    if(side = 'long', 0, 1) as side,
    exposure,
    log_age,
    map_usd,
from exposure
order by asset, provider, as_of, side
