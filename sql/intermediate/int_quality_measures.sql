-- Measures of the data behind one asset's maps on one venue, over 24 hours and 7 days.
--
-- Materialized: incremental
-- Known limitation: an hour is here if a row of the venue came in within 7 days before it; a venue
-- that has been silent longer, or never sent any, is added by the job that checks.

-- Of a venue's instruments that hold at least 5 % of its open interest the worst counts, so that
-- neither a large one hides a broken small one nor a tiny one condemns the rest. What is summed
-- over hours is in decimal, whose sums are exact: those of doubles depend on where a window begins.

with
-- Seven days, and a day more for runs that began before them.
instrument_hour as (
    select
        asset,
        venue,
        instrument,
        as_of,
        bar_seconds,
        bar_count,
        last_bar_end_at,
        high,
        low,
        close,
        mark_close,
        largest_price_gap_ratio,
        largest_mark_deviation_ratio,
        repeated_bar_count,
        volume_usd,
        zero_volume_bar_count,
        median_bar_volume_quantity,
        largest_bar_volume_quantity,
        open_interest_observed_count,
        last_open_interest_at,
        open_interest_usd,
        change_observed_count,
        violation_count,
        absolute_change_quantity,
        largest_changes_quantity,
        largest_change_ratio,
        unchanged_traded_bar_count,
        audit_deviation_ratio,
    from intermediate.int_instrument_hour
    where in_window_assets(asset) and in_window(as_of, interval 8 days)
),

row_audit as (
    select
        asset,
        venue,
        instrument,
        as_of,
        ohlcv_row_count + mark_ohlc_row_count + open_interest_row_count as row_count,
        impossible_ohlcv_row_count
        + impossible_mark_ohlc_row_count
        + impossible_open_interest_row_count as impossible_row_count,
        duplicate_row_count,
    from intermediate.int_row_audit
    where in_window_assets(asset) and in_window(as_of, interval 8 days)
),

known_hour as (
    select
        asset,
        venue,
        instrument,
        as_of,
    from instrument_hour
    union
    select
        asset,
        venue,
        instrument,
        as_of,
    from row_audit
),

-- Every hour from the first row on, without holes, until seven days after the last.
spine as (
    select
        asset,
        venue,
        instrument,
        unnest(hours_held(as_of, lead(as_of) over instrument_time, 168)) as as_of,
    from known_hour
    window instrument_time as (partition by asset, venue, instrument order by as_of)
),

asset_price as (
    select
        asset,
        as_of,
        count(distinct venue) as venue_count,
        median(high) as high,
        median(low) as low,
        median(close) as close,
    from instrument_hour
    group by asset, as_of
),

hourly as (
    select
        spine.*,
        instrument_hour.* exclude (asset, venue, instrument, as_of) replace (
            exact(instrument_hour.volume_usd) as volume_usd,
            exact(instrument_hour.absolute_change_quantity) as absolute_change_quantity
        ),
        instrument_hour.bar_count * instrument_hour.bar_seconds as covered_seconds,
        abs(instrument_hour.mark_close / instrument_hour.close - 1) as mark_deviation_ratio,
        nullif(instrument_hour.open_interest_observed_count, 0) as observed_if_any,
        coalesce(
            instrument_hour.unchanged_traded_bar_count > 0
            and instrument_hour.absolute_change_quantity = 0,
            false
        ) as is_frozen,
        if(
            asset_price.venue_count > 1,
            abs(instrument_hour.close / asset_price.close - 1),
            null
        ) as price_deviation_ratio,
        if(
            asset_price.venue_count > 1,
            greatest(
                abs(instrument_hour.high / asset_price.high - 1),
                abs(instrument_hour.low / asset_price.low - 1)
            ),
            null
        ) as wick_deviation_ratio,
        row_audit.* exclude (asset, venue, instrument, as_of),
    from spine
    left join instrument_hour using (venue, instrument, as_of)
    left join row_audit using (venue, instrument, as_of)
    left join asset_price
        on spine.asset = asset_price.asset and spine.as_of = asset_price.as_of
),

-- How long open interest has not changed while the instrument traded, a day at most.
frozen as (
    select
        venue,
        instrument,
        as_of,
        least(
            coalesce(epoch(as_of - max(as_of) filter (where not is_frozen) over day), 86400),
            86400
        ) as frozen_run_seconds,
    from hourly
    window day as (
        partition by venue, instrument
        order by as_of
        range between interval 23 hours preceding and current row
    )
),

change as (
    select
        spine.venue,
        spine.instrument,
        spine.as_of,
        unnest(
            coalesce(nullif(instrument_hour.largest_changes_quantity, []), [null::double])
        ) as change_quantity,
    from spine
    left join instrument_hour using (venue, instrument, as_of)
),

largest_change as (
    select
        venue,
        instrument,
        as_of,
        max(change_quantity, 3) over (
            partition by venue, instrument
            order by as_of
            range between interval 23 hours preceding and current row
        ) as largest_24h_quantity,
        max(change_quantity, 3) over (
            partition by venue, instrument
            order by as_of
            range between interval 167 hours preceding and current row
        ) as largest_7d_quantity,
    from change
    qualify row_number() over (partition by venue, instrument, as_of) = 1
),

rolling as (
    select
        asset,
        venue,
        instrument,
        as_of,
        least(coalesce(sum(covered_seconds) over day, 0) / 86400, 1) as bar_coverage_24h_ratio,
        least(coalesce(sum(covered_seconds) over week, 0) / 604800, 1) as bar_coverage_7d_ratio,
        -- What a feed sends in most hours is what it is expected to send in each.
        least(
            coalesce(
                sum(open_interest_observed_count) over day
                / (24 * quantile_disc(observed_if_any, 0.75) over day),
                0
            ),
            1
        ) as open_interest_coverage_24h_ratio,
        least(
            coalesce(
                sum(open_interest_observed_count) over week
                / (168 * quantile_disc(observed_if_any, 0.75) over week),
                0
            ),
            1
        ) as open_interest_coverage_7d_ratio,
        epoch(as_of - max(last_bar_end_at) over week) as newest_bar_age_seconds,
        epoch(as_of - max(last_open_interest_at) over week) as newest_open_interest_age_seconds,
        last_value(open_interest_usd ignore nulls) over day as open_interest_usd,
        median(open_interest_usd) over day as open_interest_median_24h_usd,
        median(open_interest_usd) over week as open_interest_median_7d_usd,
        (sum(volume_usd) over day)::double
        / nullif(sum(covered_seconds) over day, 0)
        * 86400 as traded_24h_usd,
        (sum(volume_usd) over week)::double
        / nullif(sum(covered_seconds) over week, 0)
        * 86400 as traded_daily_7d_usd,
        sum(columns('_count$')) over day as "\0_24h",
        sum(columns('_count$')) over week as "\0_7d",
        max(frozen_run_seconds) over day as frozen_run_24h_seconds,
        max(frozen_run_seconds) over week as frozen_run_7d_seconds,
        max(largest_change_ratio) over day as single_bar_change_24h_ratio,
        max(largest_change_ratio) over week as single_bar_change_7d_ratio,
        list_sum(largest_24h_quantity)
        / nullif(
            (sum(absolute_change_quantity) over day)::double, 0
        ) as three_largest_changes_24h_ratio,
        list_sum(largest_7d_quantity)
        / nullif(
            (sum(absolute_change_quantity) over week)::double, 0
        ) as three_largest_changes_7d_ratio,
        max(audit_deviation_ratio) over day as unit_audit_24h_ratio,
        max(audit_deviation_ratio) over week as unit_audit_7d_ratio,
        max(largest_bar_volume_quantity) over day
        / nullif(median(median_bar_volume_quantity) over week, 0) as volume_jump_24h_ratio,
        max(largest_price_gap_ratio) over day as price_gap_24h_ratio,
        max(largest_price_gap_ratio) over week as price_gap_7d_ratio,
        median(mark_deviation_ratio) over day as mark_deviation_24h_ratio,
        max(largest_mark_deviation_ratio) over day as largest_mark_deviation_24h_ratio,
        max(columns('^(price|wick)_deviation_ratio$')) over day as "\1_deviation_24h_ratio",
        max(columns('^(price|wick)_deviation_ratio$')) over week as "\1_deviation_7d_ratio",
    from hourly
    inner join frozen using (venue, instrument, as_of)
    inner join largest_change using (venue, instrument, as_of)
    window
        day as (
            partition by venue, instrument
            order by as_of
            range between interval 23 hours preceding and current row
        ),
        week as (
            partition by venue, instrument
            order by as_of
            range between interval 167 hours preceding and current row
        )
),

of_window as (
    select
        columns(lambda name: not regexp_matches(name, '_count_(24h|7d)$')),
        impossible_row_count_24h / nullif(row_count_24h, 0) as impossible_row_24h_ratio,
        impossible_row_count_7d / nullif(row_count_7d, 0) as impossible_row_7d_ratio,
        duplicate_row_count_24h / nullif(row_count_24h, 0) as duplicate_row_24h_ratio,
        duplicate_row_count_7d / nullif(row_count_7d, 0) as duplicate_row_7d_ratio,
        repeated_bar_count_24h / nullif(bar_count_24h, 0) as repeated_bar_24h_ratio,
        repeated_bar_count_7d / nullif(bar_count_7d, 0) as repeated_bar_7d_ratio,
        zero_volume_bar_count_24h / nullif(bar_count_24h, 0) as zero_volume_24h_ratio,
        zero_volume_bar_count_7d / nullif(bar_count_7d, 0) as zero_volume_7d_ratio,
        violation_count_24h / nullif(change_observed_count_24h, 0) as violation_24h_ratio,
        violation_count_7d / nullif(change_observed_count_7d, 0) as violation_7d_ratio,
        unchanged_traded_bar_count_24h
        / nullif(change_observed_count_24h, 0) as frozen_change_24h_ratio,
        unchanged_traded_bar_count_7d
        / nullif(change_observed_count_7d, 0) as frozen_change_7d_ratio,
        -- Of n changes that are exponentially distributed, mean 1, the k-th largest is a sum of
        -- independent ones of mean 1/k ... 1/n (Renyi, 1953). So the three largest come to
        -- 3 H - 2.5 on average, H the n-th harmonic number, with a standard deviation of at most
        -- 2.36. Up to two of those above it is usual; few changes show nothing about whales.
        if(
            columns('^change_observed_count_(24h|7d)$') >= 16,
            (
                3
                * (
                    ln(columns('^change_observed_count_(24h|7d)$'))
                    + 0.5772
                    + 0.5 / columns('^change_observed_count_(24h|7d)$')
                )
                + 2.2
            )
            / columns('^change_observed_count_(24h|7d)$'),
            null
        ) as "usual_three_\1",
        if(
            usual_three_24h is null,
            null,
            greatest((three_largest_changes_24h_ratio - usual_three_24h) / (1 - usual_three_24h), 0)
        ) as whale_concentration_24h_ratio,
        if(
            usual_three_7d is null,
            null,
            greatest((three_largest_changes_7d_ratio - usual_three_7d) / (1 - usual_three_7d), 0)
        ) as whale_concentration_7d_ratio,
        coalesce(
            open_interest_median_7d_usd
            >= 0.05 * list_sum(list_sort(list(open_interest_median_7d_usd) over of_venue)),
            count(open_interest_median_7d_usd) over of_venue = 0
        ) as is_large,
    from rolling
    where as_of > window_start()
    window of_venue as (partition by asset, venue, as_of)
),

venue_hour as (
    select
        asset,
        venue,
        as_of,
        count(*) as instrument_count,
        sorted_sum(columns('_usd$')),
        min(columns('_coverage_(24h|7d)_ratio$')) filter (where is_large),
        max(
            columns(
                lambda name: regexp_matches(name, '_(ratio|seconds)$')
                and name not like '%_coverage_%'
            )
        ) filter (where is_large),
    from of_window
    group by asset, venue, as_of
),

-- The estimator whose books agree best shows how far the data is from all of them.
excess_by_provider as (
    select
        asset,
        venue,
        as_of,
        provider,
        sorted_sum(
            coalesce(excess_long_base, 0) + coalesce(excess_short_base, 0)
        ) as excess_base,
        sorted_sum(open_interest_base) as open_interest_base,
        sorted_sum(start_up_in_range_ratio * open_interest_base)
        / nullif(
            sorted_sum(if(start_up_in_range_ratio is null, null, open_interest_base)), 0
        ) as start_up_in_range_ratio,
        bool_or(is_warm_up) as is_warm_up,
    from derived.series_hour
    where in_window_assets(asset) and in_window(as_of, interval 1 day)
    group by asset, venue, as_of, provider
),

rolling_excess as (
    select
        asset,
        venue,
        as_of,
        (sum(exact(excess_base)) over day)::double
        / nullif(avg(exact(open_interest_base)) over day, 0) as excess_ratio,
        start_up_in_range_ratio,
        is_warm_up,
    from excess_by_provider
    window day as (
        partition by asset, venue, provider
        order by as_of
        range between interval 23 hours preceding and current row
    )
),

least_excess as (
    select
        asset,
        venue,
        as_of,
        min(excess_ratio) as consumed_excess_24h_ratio,
        min(start_up_in_range_ratio) as start_up_in_range_ratio,
        bool_and(is_warm_up) as is_warm_up,
    from rolling_excess
    group by asset, venue, as_of
),

-- Venues that are set apart have no share, and count themselves among all venues.
measures as (
    select
        venue_hour.*,
        least_excess.* exclude (asset, venue, as_of),
        set_apart.price_ratio as set_apart_price_ratio,
        if(
            set_apart.price_ratio is null,
            count(*) filter (
                where bar_coverage_24h_ratio > 0 and set_apart.price_ratio is null
            ) over asset_hour,
            count(*) filter (where bar_coverage_24h_ratio > 0) over asset_hour
        ) as venue_count,
        if(
            set_apart.price_ratio is null,
            open_interest_usd
            / nullif(
                list_sum(
                    list_sort(
                        list(open_interest_usd) filter (
                            where set_apart.price_ratio is null
                        ) over asset_hour
                    )
                ),
                0
            ),
            null
        ) as open_interest_share_ratio,
    from venue_hour
    left join intermediate.int_set_apart as set_apart using (asset, venue, as_of)
    left join least_excess using (asset, venue, as_of)
    window asset_hour as (partition by asset, as_of)
)

select * from measures
