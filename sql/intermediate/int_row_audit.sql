-- Rows of one instrument as they came in over the hour that ends at as_of: how many no market can
-- have made, and how many came twice in one go.
--
-- Materialized: incremental
-- Known limitation: a row that comes again with a later ingested_at is a correction, not counted.

with
instrument as (
    select
        venue,
        instrument,
        asset,
    from staging.stg_instrument
    where coalesce(list_contains(getvariable('window_assets')::varchar[], asset), true)
),

ohlcv as (
    select
        venue,
        instrument,
        bar_start_at,
        bar_seconds,
        open,
        high,
        low,
        close,
        volume_quantity,
        source,
        ingested_at,
    from raw.ohlcv
    where
        bar_seconds <= 3600
        and bar_start_at
        >= coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        - interval 1 hour
        and bar_start_at < coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

mark_ohlc as (
    select
        venue,
        instrument,
        bar_start_at,
        bar_seconds,
        mark_low,
        mark_high,
        mark_close,
        source,
        ingested_at,
    from raw.mark_ohlc
    where
        bar_seconds <= 3600
        and bar_start_at
        >= coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        - interval 1 hour
        and bar_start_at < coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

open_interest as (
    select
        venue,
        instrument,
        observed_at,
        open_interest_quantity,
        source,
        ingested_at,
    from raw.open_interest
    where
        observed_at > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        and observed_at
        <= coalesce(
            getvariable('window_end')::timestamptz + interval 1 minute, 'infinity'::timestamptz
        )
),

-- Each row with the instant it belongs to; one that belongs to a bar, to the bar's end.
landed_row as (
    select
        'ohlcv' as kind,
        venue,
        instrument,
        bar_start_at + to_seconds(bar_seconds) as stands_at,
        bar_seconds,
        source,
        ingested_at,
        coalesce(
            low > 0
            and low <= least(open, close)
            and high >= greatest(open, close)
            and isfinite(high)
            and volume_quantity >= 0
            and isfinite(volume_quantity),
            false
        ) as is_possible,
    from ohlcv
    union all
    select
        'mark_ohlc' as kind,
        venue,
        instrument,
        bar_start_at + to_seconds(bar_seconds) as stands_at,
        bar_seconds,
        source,
        ingested_at,
        mark_close > 0
        and isfinite(mark_close)
        and coalesce(
            mark_low > 0 and mark_low <= mark_high and isfinite(mark_high), true
        ) as is_possible,
    from mark_ohlc
    union all
    select
        'open_interest' as kind,
        venue,
        instrument,
        -- A snapshot asked for at a bar's end is answered some seconds later.
        observed_at - interval 30 seconds as stands_at,
        0 as bar_seconds,
        source,
        ingested_at,
        open_interest_quantity >= 0 and isfinite(open_interest_quantity) as is_possible,
    from open_interest
),

of_asset as (
    select
        instrument.asset,
        landed_row.kind,
        landed_row.venue,
        landed_row.instrument,
        date_trunc('hour', landed_row.stands_at - interval 1 microsecond)
        + interval 1 hour as as_of,
        landed_row.is_possible,
        row_number() over (
            partition by
                landed_row.kind,
                landed_row.venue,
                landed_row.instrument,
                landed_row.bar_seconds,
                landed_row.stands_at,
                landed_row.source,
                landed_row.ingested_at
        ) > 1 as is_duplicate,
    from landed_row
    inner join instrument
        on
            landed_row.venue = instrument.venue
            and landed_row.instrument = instrument.instrument
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
    where
        as_of > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
    group by venue, instrument, as_of
)

select * from row_audit
