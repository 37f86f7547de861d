-- Totals of every map that tell whether it can be: its books, its sides, and what it did since the
-- hour before.
--
-- Grain: asset, as_of, provider, venue
-- Materialized: view

with
heatmap as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        price,
        first_bin_index,
        liquidation_usd,
        unit,
        semantics,
        -- Bin j covers exp(0.001 (2 j - 0.5)) to exp(0.001 (2 j + 1.5)): where price stands in the
        -- array, from 1.
        floor((ln(if(price > 0, price, null)) / 0.001 + 0.5) / 2)::bigint
        - first_bin_index
        + 1 as price_position,
    from derived.heatmap
    where
        -- An hour more, to see what has changed.
        as_of
        > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        - interval 1 hour
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

series_hour as (
    select
        asset,
        as_of,
        provider,
        venue,
        price,
        open_interest_base,
        books_error_ratio,
    from derived.series_hour
    where
        as_of
        > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        - interval 1 hour
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

instrument_hour as (
    select
        asset,
        as_of,
        venue,
        volume_usd,
        low,
        high,
    from intermediate.int_instrument_hour
    where
        as_of > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

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
    from heatmap
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
        list_sum(list_sort(list(total))) as total,
        coalesce(sum(total) filter (where side = 'long'), 0) as long_total,
        coalesce(sum(total) filter (where side = 'short'), 0) as short_total,
        min(smallest) as smallest,
        list_sum(list_sort(list(wrong_side_total))) as wrong_side_total,
        count(*) filter (where has_null or not isfinite(total)) as not_finite_side_count,
    from side_total
    group by asset, as_of, provider, venue
),

-- What is set apart is no part of the sum of all venues.
set_apart as (
    select
        asset,
        venue,
        as_of,
    from intermediate.int_set_apart
),

series_scope as (
    select
        series_hour.asset,
        series_hour.as_of,
        series_hour.provider,
        unnest(
            if(set_apart.venue is null, [series_hour.venue, 'all'], [series_hour.venue])
        ) as venue,
        series_hour.open_interest_base * series_hour.price as open_interest_usd,
        series_hour.books_error_ratio,
    from series_hour
    left join set_apart
        on
            series_hour.asset = set_apart.asset
            and series_hour.venue = set_apart.venue
            and series_hour.as_of = set_apart.as_of
),

series_total as (
    select
        asset,
        as_of,
        provider,
        venue,
        list_sum(list_sort(list(open_interest_usd))) as open_interest_usd,
        max(books_error_ratio) as books_error_ratio,
    from series_scope
    group by asset, as_of, provider, venue
),

traded as (
    select
        asset,
        as_of,
        if(grouping(venue) = 1, 'all', venue) as venue,
        list_sum(list_sort(list(volume_usd))) as volume_usd,
        max(ln(if(low > 0 and high > 0, high / low, null))) as range_log_ratio,
    from instrument_hour
    group by grouping sets ((asset, as_of, venue), (asset, as_of))
),

venue_sum as (
    select
        map_total.asset,
        map_total.as_of,
        map_total.provider,
        list_sum(list_sort(list(map_total.total))) as total,
    from map_total
    anti join set_apart
        on
            map_total.asset = set_apart.asset
            and map_total.venue = set_apart.venue
            and map_total.as_of = set_apart.as_of
    where map_total.venue <> 'all'
    group by map_total.asset, map_total.as_of, map_total.provider
),

map_audit as (
    select
        map_total.asset,
        map_total.as_of,
        map_total.provider,
        map_total.venue,
        map_total.unit,
        map_total.semantics,
        series_total.open_interest_usd is not null as is_estimate,
        map_total.price,
        map_total.total,
        map_total.smallest,
        map_total.not_finite_side_count,
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
            map_total.venue = 'all' and series_total.open_interest_usd is not null,
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
    left join series_total
        on
            map_total.asset = series_total.asset
            and map_total.as_of = series_total.as_of
            and map_total.provider = series_total.provider
            and map_total.venue = series_total.venue
    left join venue_sum
        on
            map_total.asset = venue_sum.asset
            and map_total.as_of = venue_sum.as_of
            and map_total.provider = venue_sum.provider
    left join traded
        on
            map_total.asset = traded.asset
            and map_total.as_of = traded.as_of
            and map_total.venue = traded.venue
    left join map_total as previous
        on
            map_total.asset = previous.asset
            and map_total.as_of = previous.as_of + interval 1 hour
            and map_total.provider = previous.provider
            and map_total.venue = previous.venue
    where
        map_total.as_of
        > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
)

select * from map_audit
