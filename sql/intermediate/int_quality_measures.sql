-- What can be measured of the data behind one asset's maps on one venue, over 24 hours and 7 days.
--
-- Materialized: incremental
-- Known limitation: an hour stands here as long as a row of the venue came in within 7 days; a
-- venue that has been silent longer, or never spoke, is added by the job that checks.

-- Of a venue's instruments that hold at least 5 % of its open interest the worst counts, so that
-- neither a large one hides a broken small one nor a tiny one condemns the rest. What is summed
-- over hours is in decimal, whose sums are exact: those of doubles depend on where a window begins.

with
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
    where
        coalesce(list_contains(getvariable('window_assets')::varchar[], asset), true)
        -- Seven days, and a day more for what has lasted up to then.
        and as_of
        > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        - interval 8 days
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
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
    where
        coalesce(list_contains(getvariable('window_assets')::varchar[], asset), true)
        and as_of
        > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        - interval 8 days
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

series_hour as (
    select
        asset,
        venue,
        as_of,
        provider,
        open_interest_base,
        coalesce(excess_long_base, 0) + coalesce(excess_short_base, 0) as excess_base,
        start_up_in_range_ratio,
        is_warm_up,
    from derived.series_hour
    where
        coalesce(list_contains(getvariable('window_assets')::varchar[], asset), true)
        and as_of
        > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        - interval 1 day
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

set_apart as (
    select
        asset,
        venue,
        as_of,
        price_ratio,
    from intermediate.int_set_apart
),

-- Every hour from the first row on, without holes, until seven days after the last.
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

known_until as (
    select
        asset,
        venue,
        instrument,
        as_of,
        least(
            coalesce(
                lead(as_of) over (partition by asset, venue, instrument order by as_of)
                - interval 1 hour,
                'infinity'::timestamptz
            ),
            as_of + interval 167 hours,
            coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
        ) as until_at,
    from known_hour
),

spine as (
    select
        asset,
        venue,
        instrument,
        unnest(generate_series(as_of, until_at, interval 1 hour)) as as_of,
    from known_until
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
        spine.asset,
        spine.venue,
        spine.instrument,
        spine.as_of,
        instrument_hour.bar_count,
        instrument_hour.bar_count * instrument_hour.bar_seconds as covered_seconds,
        instrument_hour.last_bar_end_at,
        instrument_hour.largest_price_gap_ratio,
        abs(instrument_hour.mark_close / instrument_hour.close - 1) as mark_deviation_ratio,
        instrument_hour.largest_mark_deviation_ratio,
        instrument_hour.repeated_bar_count,
        -- Not least(): it passes over NULL, so an hour without bars would have traded 1e25 USD.
        if(
            instrument_hour.volume_usd > 1e25, 1e25, instrument_hour.volume_usd
        )::decimal(38, 10) as volume_usd,
        instrument_hour.zero_volume_bar_count,
        instrument_hour.median_bar_volume_quantity,
        instrument_hour.largest_bar_volume_quantity,
        instrument_hour.open_interest_observed_count,
        nullif(instrument_hour.open_interest_observed_count, 0) as some_observed_count,
        instrument_hour.last_open_interest_at,
        instrument_hour.open_interest_usd,
        instrument_hour.change_observed_count,
        instrument_hour.violation_count,
        if(
            instrument_hour.absolute_change_quantity > 1e25,
            1e25,
            instrument_hour.absolute_change_quantity
        )::decimal(38, 10) as absolute_change_quantity,
        instrument_hour.largest_change_ratio,
        instrument_hour.unchanged_traded_bar_count,
        instrument_hour.audit_deviation_ratio,
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
        row_audit.row_count,
        row_audit.impossible_row_count,
        row_audit.duplicate_row_count,
    from spine
    left join instrument_hour
        on
            spine.venue = instrument_hour.venue
            and spine.instrument = instrument_hour.instrument
            and spine.as_of = instrument_hour.as_of
    left join row_audit
        on
            spine.venue = row_audit.venue
            and spine.instrument = row_audit.instrument
            and spine.as_of = row_audit.as_of
    left join asset_price
        on spine.asset = asset_price.asset and spine.as_of = asset_price.as_of
),

-- How long open interest has stood still while it traded, a day at most.
frozen as (
    select
        venue,
        instrument,
        as_of,
        least(
            coalesce(
                epoch(
                    as_of - max(as_of) filter (where not is_frozen) over (
                        partition by venue, instrument
                        order by as_of
                        range between interval 23 hours preceding and current row
                    )
                ),
                86400
            ),
            86400
        ) as frozen_run_seconds,
    from hourly
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
    left join instrument_hour
        on
            spine.venue = instrument_hour.venue
            and spine.instrument = instrument_hour.instrument
            and spine.as_of = instrument_hour.as_of
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
        hourly.asset,
        hourly.venue,
        hourly.instrument,
        hourly.as_of,
        least(
            coalesce(sum(hourly.covered_seconds) over day, 0) / 86400, 1
        ) as bar_coverage_24h_ratio,
        least(
            coalesce(sum(hourly.covered_seconds) over week, 0) / 604800, 1
        ) as bar_coverage_7d_ratio,
        -- What a feed sends in most hours is what it is expected to send in each.
        least(
            coalesce(
                sum(hourly.open_interest_observed_count) over day
                / (24 * quantile_disc(hourly.some_observed_count, 0.75) over day),
                0
            ),
            1
        ) as open_interest_coverage_24h_ratio,
        least(
            coalesce(
                sum(hourly.open_interest_observed_count) over week
                / (168 * quantile_disc(hourly.some_observed_count, 0.75) over week),
                0
            ),
            1
        ) as open_interest_coverage_7d_ratio,
        epoch(
            hourly.as_of - max(hourly.last_bar_end_at) over week
        ) as newest_bar_age_seconds,
        epoch(
            hourly.as_of - max(hourly.last_open_interest_at) over week
        ) as newest_open_interest_age_seconds,
        last_value(hourly.open_interest_usd ignore nulls) over day as open_interest_usd,
        median(hourly.open_interest_usd) over day as open_interest_median_24h_usd,
        median(hourly.open_interest_usd) over week as open_interest_median_7d_usd,
        (sum(hourly.volume_usd) over day)::double
        / nullif(sum(hourly.covered_seconds) over day, 0)
        * 86400 as traded_24h_usd,
        (sum(hourly.volume_usd) over week)::double
        / nullif(sum(hourly.covered_seconds) over week, 0)
        * 86400 as traded_daily_7d_usd,
        sum(hourly.row_count) over day as rows_24h,
        sum(hourly.row_count) over week as rows_7d,
        sum(hourly.impossible_row_count) over day as impossible_rows_24h,
        sum(hourly.impossible_row_count) over week as impossible_rows_7d,
        sum(hourly.duplicate_row_count) over day as duplicate_rows_24h,
        sum(hourly.duplicate_row_count) over week as duplicate_rows_7d,
        sum(hourly.bar_count) over day as bars_24h,
        sum(hourly.bar_count) over week as bars_7d,
        sum(hourly.repeated_bar_count) over day as repeated_bars_24h,
        sum(hourly.repeated_bar_count) over week as repeated_bars_7d,
        sum(hourly.zero_volume_bar_count) over day as zero_volume_bars_24h,
        sum(hourly.zero_volume_bar_count) over week as zero_volume_bars_7d,
        sum(hourly.change_observed_count) over day as changes_24h,
        sum(hourly.change_observed_count) over week as changes_7d,
        sum(hourly.violation_count) over day as violations_24h,
        sum(hourly.violation_count) over week as violations_7d,
        sum(hourly.unchanged_traded_bar_count) over day as frozen_changes_24h,
        sum(hourly.unchanged_traded_bar_count) over week as frozen_changes_7d,
        max(frozen.frozen_run_seconds) over day as frozen_run_24h_seconds,
        max(frozen.frozen_run_seconds) over week as frozen_run_7d_seconds,
        max(hourly.largest_change_ratio) over day as single_bar_change_24h_ratio,
        max(hourly.largest_change_ratio) over week as single_bar_change_7d_ratio,
        (sum(hourly.absolute_change_quantity) over day)::double as change_quantity_24h,
        (sum(hourly.absolute_change_quantity) over week)::double as change_quantity_7d,
        list_sum(largest_change.largest_24h_quantity) as three_changes_quantity_24h,
        list_sum(largest_change.largest_7d_quantity) as three_changes_quantity_7d,
        max(hourly.audit_deviation_ratio) over day as unit_audit_24h_ratio,
        max(hourly.audit_deviation_ratio) over week as unit_audit_7d_ratio,
        max(hourly.largest_bar_volume_quantity) over day
        / nullif(
            median(hourly.median_bar_volume_quantity) over week, 0
        ) as volume_jump_24h_ratio,
        max(hourly.largest_price_gap_ratio) over day as price_gap_24h_ratio,
        max(hourly.largest_price_gap_ratio) over week as price_gap_7d_ratio,
        median(hourly.mark_deviation_ratio) over day as mark_deviation_24h_ratio,
        max(hourly.largest_mark_deviation_ratio) over day as largest_mark_deviation_24h_ratio,
        max(hourly.price_deviation_ratio) over day as price_deviation_24h_ratio,
        max(hourly.price_deviation_ratio) over week as price_deviation_7d_ratio,
        max(hourly.wick_deviation_ratio) over day as wick_deviation_24h_ratio,
        max(hourly.wick_deviation_ratio) over week as wick_deviation_7d_ratio,
    from hourly
    inner join frozen
        on
            hourly.venue = frozen.venue
            and hourly.instrument = frozen.instrument
            and hourly.as_of = frozen.as_of
    inner join largest_change
        on
            hourly.venue = largest_change.venue
            and hourly.instrument = largest_change.instrument
            and hourly.as_of = largest_change.as_of
    window
        day as (
            partition by hourly.venue, hourly.instrument
            order by hourly.as_of
            range between interval 23 hours preceding and current row
        ),
        week as (
            partition by hourly.venue, hourly.instrument
            order by hourly.as_of
            range between interval 167 hours preceding and current row
        )
),

of_window as (
    select
        asset,
        venue,
        instrument,
        as_of,
        bar_coverage_24h_ratio,
        bar_coverage_7d_ratio,
        open_interest_coverage_24h_ratio,
        open_interest_coverage_7d_ratio,
        newest_bar_age_seconds,
        newest_open_interest_age_seconds,
        open_interest_usd,
        open_interest_median_24h_usd,
        open_interest_median_7d_usd,
        traded_24h_usd,
        traded_daily_7d_usd,
        impossible_rows_24h / nullif(rows_24h, 0) as impossible_row_24h_ratio,
        impossible_rows_7d / nullif(rows_7d, 0) as impossible_row_7d_ratio,
        duplicate_rows_24h / nullif(rows_24h, 0) as duplicate_row_24h_ratio,
        duplicate_rows_7d / nullif(rows_7d, 0) as duplicate_row_7d_ratio,
        repeated_bars_24h / nullif(bars_24h, 0) as repeated_bar_24h_ratio,
        repeated_bars_7d / nullif(bars_7d, 0) as repeated_bar_7d_ratio,
        zero_volume_bars_24h / nullif(bars_24h, 0) as zero_volume_24h_ratio,
        zero_volume_bars_7d / nullif(bars_7d, 0) as zero_volume_7d_ratio,
        violations_24h / nullif(changes_24h, 0) as violation_24h_ratio,
        violations_7d / nullif(changes_7d, 0) as violation_7d_ratio,
        frozen_changes_24h / nullif(changes_24h, 0) as frozen_change_24h_ratio,
        frozen_changes_7d / nullif(changes_7d, 0) as frozen_change_7d_ratio,
        frozen_run_24h_seconds,
        frozen_run_7d_seconds,
        single_bar_change_24h_ratio,
        single_bar_change_7d_ratio,
        three_changes_quantity_24h
        / nullif(change_quantity_24h, 0) as three_largest_changes_24h_ratio,
        three_changes_quantity_7d
        / nullif(change_quantity_7d, 0) as three_largest_changes_7d_ratio,
        -- Of n changes that are exponentially distributed, mean 1, the k-th largest is a sum of
        -- independent ones of mean 1/k ... 1/n (Renyi, 1953). So the three largest come to
        -- 3 H - 2.5 on average, H the n-th harmonic number, with a standard deviation of at most
        -- 2.36; two of those above it is still as usual, and few changes tell little of whales.
        if(
            changes_24h >= 16,
            (3 * (ln(changes_24h) + 0.5772 + 0.5 / changes_24h) + 2.2) / changes_24h,
            null
        ) as usual_three_24h_ratio,
        if(
            changes_7d >= 16,
            (3 * (ln(changes_7d) + 0.5772 + 0.5 / changes_7d) + 2.2) / changes_7d,
            null
        ) as usual_three_7d_ratio,
        unit_audit_24h_ratio,
        unit_audit_7d_ratio,
        volume_jump_24h_ratio,
        price_gap_24h_ratio,
        price_gap_7d_ratio,
        mark_deviation_24h_ratio,
        largest_mark_deviation_24h_ratio,
        price_deviation_24h_ratio,
        price_deviation_7d_ratio,
        wick_deviation_24h_ratio,
        wick_deviation_7d_ratio,
        coalesce(
            open_interest_median_7d_usd
            >= 0.05 * list_sum(list_sort(list(open_interest_median_7d_usd) over of_venue)),
            count(open_interest_median_7d_usd) over of_venue = 0
        ) as is_large,
    from rolling
    where
        as_of > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
    window
        of_venue as (partition by asset, venue, as_of)
),

venue_hour as (
    select
        asset,
        venue,
        as_of,
        count(*) as instrument_count,
        list_sum(list_sort(list(open_interest_usd))) as open_interest_usd,
        list_sum(list_sort(list(open_interest_median_24h_usd))) as open_interest_median_24h_usd,
        list_sum(list_sort(list(open_interest_median_7d_usd))) as open_interest_median_7d_usd,
        list_sum(list_sort(list(traded_24h_usd))) as traded_24h_usd,
        list_sum(list_sort(list(traded_daily_7d_usd))) as traded_daily_7d_usd,
        min(bar_coverage_24h_ratio) filter (where is_large) as bar_coverage_24h_ratio,
        min(bar_coverage_7d_ratio) filter (where is_large) as bar_coverage_7d_ratio,
        min(open_interest_coverage_24h_ratio) filter (
            where is_large
        ) as open_interest_coverage_24h_ratio,
        min(open_interest_coverage_7d_ratio) filter (
            where is_large
        ) as open_interest_coverage_7d_ratio,
        max(newest_bar_age_seconds) filter (where is_large) as newest_bar_age_seconds,
        max(newest_open_interest_age_seconds) filter (
            where is_large
        ) as newest_open_interest_age_seconds,
        max(impossible_row_24h_ratio) filter (where is_large) as impossible_row_24h_ratio,
        max(impossible_row_7d_ratio) filter (where is_large) as impossible_row_7d_ratio,
        max(duplicate_row_24h_ratio) filter (where is_large) as duplicate_row_24h_ratio,
        max(duplicate_row_7d_ratio) filter (where is_large) as duplicate_row_7d_ratio,
        max(repeated_bar_24h_ratio) filter (where is_large) as repeated_bar_24h_ratio,
        max(repeated_bar_7d_ratio) filter (where is_large) as repeated_bar_7d_ratio,
        max(zero_volume_24h_ratio) filter (where is_large) as zero_volume_24h_ratio,
        max(zero_volume_7d_ratio) filter (where is_large) as zero_volume_7d_ratio,
        max(violation_24h_ratio) filter (where is_large) as violation_24h_ratio,
        max(violation_7d_ratio) filter (where is_large) as violation_7d_ratio,
        max(frozen_change_24h_ratio) filter (where is_large) as frozen_change_24h_ratio,
        max(frozen_change_7d_ratio) filter (where is_large) as frozen_change_7d_ratio,
        max(frozen_run_24h_seconds) filter (where is_large) as frozen_run_24h_seconds,
        max(frozen_run_7d_seconds) filter (where is_large) as frozen_run_7d_seconds,
        max(single_bar_change_24h_ratio) filter (where is_large) as single_bar_change_24h_ratio,
        max(single_bar_change_7d_ratio) filter (where is_large) as single_bar_change_7d_ratio,
        max(three_largest_changes_24h_ratio) filter (
            where is_large
        ) as three_largest_changes_24h_ratio,
        max(three_largest_changes_7d_ratio) filter (
            where is_large
        ) as three_largest_changes_7d_ratio,
        max(
            greatest(
                (three_largest_changes_24h_ratio - usual_three_24h_ratio)
                / (1 - usual_three_24h_ratio),
                0
            )
        ) filter (
            where is_large and usual_three_24h_ratio is not null
        ) as whale_concentration_24h_ratio,
        max(
            greatest(
                (three_largest_changes_7d_ratio - usual_three_7d_ratio)
                / (1 - usual_three_7d_ratio),
                0
            )
        ) filter (
            where is_large and usual_three_7d_ratio is not null
        ) as whale_concentration_7d_ratio,
        max(unit_audit_24h_ratio) filter (where is_large) as unit_audit_24h_ratio,
        max(unit_audit_7d_ratio) filter (where is_large) as unit_audit_7d_ratio,
        max(volume_jump_24h_ratio) filter (where is_large) as volume_jump_24h_ratio,
        max(price_gap_24h_ratio) filter (where is_large) as price_gap_24h_ratio,
        max(price_gap_7d_ratio) filter (where is_large) as price_gap_7d_ratio,
        max(mark_deviation_24h_ratio) filter (where is_large) as mark_deviation_24h_ratio,
        max(largest_mark_deviation_24h_ratio) filter (
            where is_large
        ) as largest_mark_deviation_24h_ratio,
        max(price_deviation_24h_ratio) filter (where is_large) as price_deviation_24h_ratio,
        max(price_deviation_7d_ratio) filter (where is_large) as price_deviation_7d_ratio,
        max(wick_deviation_24h_ratio) filter (where is_large) as wick_deviation_24h_ratio,
        max(wick_deviation_7d_ratio) filter (where is_large) as wick_deviation_7d_ratio,
    from of_window
    group by asset, venue, as_of
),

-- The estimator whose books agree best tells how far the data is from all of them.
excess_by_provider as (
    select
        asset,
        venue,
        as_of,
        provider,
        list_sum(list_sort(list(excess_base))) as excess_base,
        list_sum(list_sort(list(open_interest_base))) as open_interest_base,
        list_sum(list_sort(list(start_up_in_range_ratio * open_interest_base)))
        / nullif(
            list_sum(
                list_sort(
                    list(open_interest_base) filter (where start_up_in_range_ratio is not null)
                )
            ),
            0
        ) as start_up_in_range_ratio,
        bool_or(is_warm_up) as is_warm_up,
    from series_hour
    group by asset, venue, as_of, provider
),

rolling_excess as (
    select
        asset,
        venue,
        as_of,
        (
            sum(if(excess_base > 1e25, 1e25, excess_base)::decimal(38, 10)) over day
        )::double
        / nullif(
            avg(
                if(open_interest_base > 1e25, 1e25, open_interest_base)::decimal(38, 10)
            ) over day,
            0
        ) as excess_ratio,
        start_up_in_range_ratio,
        is_warm_up,
    from excess_by_provider
    window
        day as (
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

measures as (
    select
        venue_hour.asset,
        venue_hour.venue,
        venue_hour.as_of,
        if(
            set_apart.venue is null,
            count(*) filter (
                where venue_hour.bar_coverage_24h_ratio > 0 and set_apart.venue is null
            ) over asset_hour,
            count(*) filter (where venue_hour.bar_coverage_24h_ratio > 0) over asset_hour
        ) as venue_count,
        venue_hour.instrument_count,
        venue_hour.open_interest_usd,
        if(
            set_apart.venue is null,
            venue_hour.open_interest_usd
            / nullif(
                list_sum(
                    list_sort(
                        list(venue_hour.open_interest_usd) filter (
                            where set_apart.venue is null
                        ) over asset_hour
                    )
                ),
                0
            ),
            null
        ) as open_interest_share_ratio,
        venue_hour.open_interest_median_24h_usd,
        venue_hour.open_interest_median_7d_usd,
        venue_hour.traded_24h_usd,
        venue_hour.traded_daily_7d_usd,
        venue_hour.bar_coverage_24h_ratio,
        venue_hour.bar_coverage_7d_ratio,
        venue_hour.open_interest_coverage_24h_ratio,
        venue_hour.open_interest_coverage_7d_ratio,
        venue_hour.newest_bar_age_seconds,
        venue_hour.newest_open_interest_age_seconds,
        venue_hour.impossible_row_24h_ratio,
        venue_hour.impossible_row_7d_ratio,
        venue_hour.duplicate_row_24h_ratio,
        venue_hour.duplicate_row_7d_ratio,
        venue_hour.repeated_bar_24h_ratio,
        venue_hour.repeated_bar_7d_ratio,
        venue_hour.zero_volume_24h_ratio,
        venue_hour.zero_volume_7d_ratio,
        venue_hour.violation_24h_ratio,
        venue_hour.violation_7d_ratio,
        venue_hour.unit_audit_24h_ratio,
        venue_hour.unit_audit_7d_ratio,
        venue_hour.frozen_change_24h_ratio,
        venue_hour.frozen_change_7d_ratio,
        venue_hour.frozen_run_24h_seconds,
        venue_hour.frozen_run_7d_seconds,
        venue_hour.single_bar_change_24h_ratio,
        venue_hour.single_bar_change_7d_ratio,
        venue_hour.three_largest_changes_24h_ratio,
        venue_hour.three_largest_changes_7d_ratio,
        venue_hour.whale_concentration_24h_ratio,
        venue_hour.whale_concentration_7d_ratio,
        venue_hour.volume_jump_24h_ratio,
        venue_hour.price_gap_24h_ratio,
        venue_hour.price_gap_7d_ratio,
        venue_hour.mark_deviation_24h_ratio,
        venue_hour.largest_mark_deviation_24h_ratio,
        venue_hour.price_deviation_24h_ratio,
        venue_hour.price_deviation_7d_ratio,
        venue_hour.wick_deviation_24h_ratio,
        venue_hour.wick_deviation_7d_ratio,
        least_excess.consumed_excess_24h_ratio,
        least_excess.is_warm_up,
        least_excess.start_up_in_range_ratio,
        set_apart.price_ratio as set_apart_price_ratio,
    from venue_hour
    left join set_apart
        on
            venue_hour.asset = set_apart.asset
            and venue_hour.venue = set_apart.venue
            and venue_hour.as_of = set_apart.as_of
    left join least_excess
        on
            venue_hour.asset = least_excess.asset
            and venue_hour.venue = least_excess.venue
            and venue_hour.as_of = least_excess.as_of
    window
        asset_hour as (partition by venue_hour.asset, venue_hour.as_of)
)

select * from measures
