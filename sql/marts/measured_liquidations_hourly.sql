-- Measured positions whose liquidation price was reached in an hour, beside liquidations confirmed.
--
-- Materialized: table
-- Known limitation: only liquidations of followed accounts that were looked up are confirmed: a
-- lower bound. A position that was closed or given margin in the hour counts as reached.

-- Prices of the hour are those traded on the venue; without its bars, the mark prices at both ends,
-- between which price went further.

with
position_coverage as (
    select
        asset,
        as_of,
        provider,
        venue_scope as venue,
        side,
        mark_price,
        observed_quantity / nullif(open_interest_quantity, 0) as observed_open_interest_ratio,
    from staging.stg_position_coverage
    where in_window(as_of, interval 1 hour) and in_window_assets(asset)
),

realised_liquidation as (
    select
        venue,
        instrument,
        side,
        liquidated_usd,
        end_of_hour_begun(period_start_at) as as_of,
    from staging.stg_realised_liquidation
    where
        period_seconds <= 3600
        and in_window(end_of_hour_begun(period_start_at))
),

-- The map at the start of each hour.
map as (
    select
        asset,
        heatmap.as_of + interval 1 hour as as_of,
        provider,
        venue,
        side,
        heatmap.first_bin_index,
        heatmap.liquidation_usd,
        heatmap.as_of as map_at,
        position_coverage.mark_price,
        position_coverage.observed_open_interest_ratio,
    from derived.heatmap as heatmap
    inner join position_coverage using (asset, as_of, provider, venue, side)
    where is_measured(provider) and in_window(heatmap.as_of + interval 1 hour)
),

traded as (
    select
        asset,
        as_of,
        venue,
        min(low) as low,
        max(high) as high,
    from intermediate.int_instrument_hour
    where in_window(as_of) and in_window_assets(asset)
    group by asset, as_of, venue
),

-- With the state of the book at its end the hour is over, and liquidations in it were looked for.
hour as (
    select
        map.*,
        traded.low is not null as is_traded,
        coalesce(traded.low, least(map.mark_price, position_coverage.mark_price)) as low,
        coalesce(traded.high, greatest(map.mark_price, position_coverage.mark_price)) as high,
    from map
    inner join position_coverage using (asset, as_of, provider, venue, side)
    left join traded using (asset, as_of, venue)
),

realised as (
    select
        coalesce(instrument.asset, split_part(realised_liquidation.instrument, '/', 1)) as asset,
        realised_liquidation.as_of,
        realised_liquidation.venue,
        realised_liquidation.side,
        count(*) as order_count,
        sorted_sum(realised_liquidation.liquidated_usd) as realised_usd,
    from realised_liquidation
    left join staging.stg_instrument as instrument using (venue, instrument)
    group by all
),

-- Places of the bins that the hour reached, from the side of price on; the bin of the extreme too.
reached as (
    select
        *,
        if(
            side = 'long', greatest(bin_of(low) - first_bin_index, 0), 0
        ) as first_place,
        if(
            side = 'long', len(liquidation_usd), bin_of(high) - first_bin_index
        ) as last_place,
    from hour
),

liquidations as (
    select
        reached.asset,
        reached.as_of,
        reached.provider,
        reached.venue,
        reached.side,
        reached.map_at,
        list_sum(reached.liquidation_usd)::double as map_usd,
        if(
            reached.last_place < 0,
            0,
            coalesce(
                sum_of_bins(reached.liquidation_usd, reached.first_place, reached.last_place), 0
            )
        ) as reached_usd,
        coalesce(realised.realised_usd, 0) as realised_usd,
        coalesce(realised.order_count, 0) as order_count,
        reached.observed_open_interest_ratio,
        reached.low,
        reached.high,
        if(reached.is_traded, 'traded', 'mark at both ends') as price_source,
    from reached
    left join realised using (asset, as_of, venue, side)
)

select * from liquidations
