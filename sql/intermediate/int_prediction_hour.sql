-- What each model predicts to be liquidated in the hour that ends at as_of, given the path of price
-- in it and what was known before it.
--
-- Materialized: incremental

-- Models of positions liquidated them; the profile of volume keeps none, so what its map of the
-- hour before holds between the close and the hour's extreme counts instead. A venue that is set
-- apart has no prediction: those of venues are only ever added. A path has no hour in which the
-- venue that it follows is set apart.

with
heatmap as (
    select
        asset,
        as_of + interval 1 hour as as_of,
        provider,
        venue,
        side,
        first_bin_index,
        liquidation_usd,
        params_hash,
    from derived.heatmap
    where
        in_window_assets(asset)
        and in_window(as_of + interval 1 hour)
        and provider = 'volume_profile'
        and venue <> 'all'
),

venue_hour as (
    select
        asset,
        as_of,
        venue,
        min(low) as low,
        max(high) as high,
    from intermediate.int_instrument_hour
    anti join intermediate.int_set_apart using (asset, venue, as_of)
    where in_window_assets(asset) and in_window(as_of)
    group by asset, as_of, venue
),

by_positions as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        'positions' as method,
        sorted_sum(list_sum(consumed_usd)) as consumed_usd,
        sorted_sum(list_sum(swept_usd)) as swept_usd,
        any_value(params_hash) as params_hash,
    from derived.leverage_exposure
    anti join intermediate.int_set_apart using (asset, venue, as_of)
    where in_window_assets(asset) and in_window(as_of) and consumed_usd is not null
    group by asset, as_of, provider, venue, side
),

by_map as (
    select
        heatmap.asset,
        heatmap.as_of,
        heatmap.provider,
        heatmap.venue,
        heatmap.side,
        'map of the hour before' as method,
        coalesce(
            list_sum(
                if(
                    heatmap.side = 'long',
                    list_slice(
                        heatmap.liquidation_usd,
                        greatest(bin_of(venue_hour.low) - heatmap.first_bin_index + 1, 1),
                        len(heatmap.liquidation_usd)
                    ),
                    list_slice(
                        heatmap.liquidation_usd,
                        1,
                        greatest(bin_of(venue_hour.high) - heatmap.first_bin_index + 1, 0)
                    )
                )
            ),
            0
        )::double as consumed_usd,
        heatmap.params_hash,
    from heatmap
    inner join venue_hour using (asset, as_of, venue)
),

by_path as (
    select
        asset,
        as_of,
        provider,
        'all' as venue,
        side,
        if(provider = 'path_only', 'path of price', 'fitted ledger') as method,
        map_usd as consumed_usd,
        move_usd,
        constant_usd,
        if(provider = 'path_only', list_sum(exposure), null) as exposure,
        capture_ratio,
        capture_hour_count,
        reference_venue,
        params_hash,
    from derived.path_exposure
    where in_window_assets(asset) and in_window(as_of)
),

prediction as (
    select * from by_positions
    union all by name
    select * from by_map
    union all by name
    select * from by_path
),

prediction_hour as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        method,
        consumed_usd,
        swept_usd,
        move_usd,
        constant_usd,
        exposure,
        capture_ratio,
        capture_hour_count,
        reference_venue,
        params_hash,
    from prediction
)

select * from prediction_hour
