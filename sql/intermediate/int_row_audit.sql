-- Rows of one instrument as they came in over the hour that ends at as_of: how many no market can
-- have made, and how many came twice in one go.
--
-- Materialized: incremental
-- Known limitation: a row that comes again with a later ingested_at is a correction, not counted.

with
-- Each row with the instant at which it is known; a bar at its end.
landed_row as (
    select
        'ohlcv' as kind,
        venue,
        instrument,
        bar_start_at + to_seconds(bar_seconds) as known_at,
        bar_seconds,
        source,
        ingested_at,
        coalesce(
            is_possible_bar(open, high, low, close)
            and volume_quantity >= 0
            and isfinite(volume_quantity),
            false
        ) as is_possible,
    from raw.ohlcv
    where
        bar_seconds <= 3600
        and bar_start_at >= window_start() - interval 1 hour
        and bar_start_at < window_end()
    union all
    select
        'mark_ohlc' as kind,
        venue,
        instrument,
        bar_start_at + to_seconds(bar_seconds) as known_at,
        bar_seconds,
        source,
        ingested_at,
        is_possible_mark(mark_high, mark_low, mark_close) as is_possible,
    from raw.mark_ohlc
    where
        bar_seconds <= 3600
        and bar_start_at >= window_start() - interval 1 hour
        and bar_start_at < window_end()
    union all
    select
        'open_interest' as kind,
        venue,
        instrument,
        -- The answer to a snapshot requested at a bar's end arrives some seconds later.
        observed_at - interval 30 seconds as known_at,
        0 as bar_seconds,
        source,
        ingested_at,
        open_interest_quantity >= 0 and isfinite(open_interest_quantity) as is_possible,
    from raw.open_interest
    where observed_at > window_start() and observed_at <= window_end() + interval 1 minute
),

of_asset as (
    select
        landed_row.*,
        instrument.asset,
        hour_end(landed_row.known_at) as as_of,
        row_number() over (
            partition by
                kind, venue, instrument, bar_seconds, known_at, landed_row.source,
                landed_row.ingested_at
        ) > 1 as is_duplicate,
    from landed_row
    inner join staging.stg_instrument as instrument using (venue, instrument)
    where in_window_assets(instrument.asset)
),

row_audit as (
    select
        venue,
        instrument,
        any_value(asset) as asset,
        as_of,
        count(*) filter (where kind = 'ohlcv') as ohlcv_row_count,
        count(*) filter (where kind = 'mark_ohlc') as mark_ohlc_row_count,
        count(*) filter (where kind = 'open_interest') as open_interest_row_count,
        count(*) filter (
            where kind = 'ohlcv' and not is_possible
        ) as impossible_ohlcv_row_count,
        count(*) filter (
            where kind = 'mark_ohlc' and not is_possible
        ) as impossible_mark_ohlc_row_count,
        count(*) filter (
            where kind = 'open_interest' and not is_possible
        ) as impossible_open_interest_row_count,
        count(*) filter (where is_duplicate) as duplicate_row_count,
    from of_asset
    where in_window(as_of)
    group by venue, instrument, as_of
)

select * from row_audit
