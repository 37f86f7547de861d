-- Totals of every map that show whether it is possible: its books, its sides, and its change since
-- the hour before.
--
-- Grain: asset, as_of, provider, venue
-- Materialized: view

with
-- Venues that are set apart are left out of the sum of all venues.
set_apart as (
    select
        asset,
        venue,
        as_of,
        true as is_set_apart,
    from intermediate.int_set_apart
),

-- An hour more, to see what has changed.
side_total as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        price,
        unit,
        semantics,
        -- The element of the array that holds the price's bin, from 1.
        bin_of(price) - first_bin_index + 1 as price_position,
        coalesce(list_sum(liquidation_usd::double[]), 0) as total,
        list_count(liquidation_usd) < len(liquidation_usd) as has_null,
        coalesce(list_min(liquidation_usd), 0) as smallest,
        coalesce(
            list_sum(
                if(
                    side = 'long',
                    list_slice(
                        liquidation_usd, greatest(price_position + 1, 1), len(liquidation_usd)
                    ),
                    list_slice(liquidation_usd, 1, greatest(price_position - 1, 0))
                )::double[]
            ),
            0
        ) as wrong_side_total,
    from derived.heatmap
    where in_window(as_of, interval 1 hour)
),

map_total as (
    select
        asset,
        as_of,
        provider,
        venue,
        any_value(price) as price,
        any_value(unit) as unit,
        any_value(semantics) as semantics,
        sorted_sum(total) as total,
        coalesce(sum(total) filter (where side = 'long'), 0) as long_total,
        coalesce(sum(total) filter (where side = 'short'), 0) as short_total,
        min(smallest) as smallest,
        sorted_sum(wrong_side_total) as wrong_side_total,
        count(*) filter (where has_null or not isfinite(total)) as not_finite_side_count,
    from side_total
    group by asset, as_of, provider, venue
),

series_scope as (
    select
        asset,
        as_of,
        series_hour.provider,
        unnest(if(is_set_apart, [venue], [venue, 'all'])) as venue,
        series_hour.open_interest_base * series_hour.price as open_interest_usd,
        series_hour.books_error_ratio,
    from derived.series_hour as series_hour
    left join set_apart using (asset, venue, as_of)
    where in_window(as_of, interval 1 hour)
),

series_total as (
    select
        asset,
        as_of,
        provider,
        venue,
        sorted_sum(open_interest_usd) as open_interest_usd,
        max(books_error_ratio) as books_error_ratio,
    from series_scope
    group by asset, as_of, provider, venue
),

traded as (
    select
        asset,
        as_of,
        if(grouping(venue) = 1, 'all', venue) as venue,
        sorted_sum(volume_usd) as volume_usd,
        max(ln(if(low > 0 and high > 0, high / low, null))) as range_log_ratio,
    from intermediate.int_instrument_hour
    where in_window(as_of)
    group by grouping sets ((asset, as_of, venue), (asset, as_of))
),

venue_sum as (
    select
        asset,
        as_of,
        provider,
        sorted_sum(total) as total,
    from map_total
    anti join set_apart using (asset, venue, as_of)
    where venue <> 'all'
    group by asset, as_of, provider
),

previous as (
    select
        asset,
        as_of + interval 1 hour as as_of,
        provider,
        venue,
        total,
    from map_total
),

map_audit as (
    select
        map_total.* exclude (long_total, short_total, wrong_side_total),
        series_total.open_interest_usd is not null as is_estimate,
        map_total.wrong_side_total / nullif(map_total.total, 0) as wrong_side_ratio,
        series_total.open_interest_usd,
        series_total.books_error_ratio,
        -- Longs are closed below the price they are valued at in open interest, shorts above it by
        -- no more than the map reaches.
        greatest(
            map_total.long_total / nullif(series_total.open_interest_usd, 0),
            map_total.short_total / nullif(series_total.open_interest_usd * exp(0.5), 0)
        ) as range_ratio,
        if(
            venue = 'all' and series_total.open_interest_usd is not null,
            abs(map_total.total / nullif(venue_sum.total, 0) - 1),
            null
        ) as sum_deviation_ratio,
        abs(map_total.total - previous.total)
        / greatest(map_total.total, previous.total, 1e-9) as change_ratio,
        -- What can have moved: positions by trade, the window around price by price.
        coalesce(
            traded.volume_usd / nullif(series_total.open_interest_usd, 0), 0
        ) + coalesce(traded.range_log_ratio, 0) as explained_ratio,
    from map_total
    left join series_total using (asset, as_of, provider, venue)
    left join venue_sum using (asset, as_of, provider)
    left join traded using (asset, as_of, venue)
    left join previous using (asset, as_of, provider, venue)
    where map_total.as_of > window_start()
)

select * from map_audit
