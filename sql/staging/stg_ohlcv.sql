-- Bars of trades, newest row of each bar.
--
-- Grain: venue, instrument, bar_seconds, bar_start_at
-- Materialized: view

with
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
        taker_buy_quantity,
        trade_count,
        source,
        ingested_at,
    from raw.ohlcv
),

newest as (
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
        taker_buy_quantity,
        trade_count,
        source,
        ingested_at,
    from ohlcv
    qualify
        row_number() over (
            partition by venue, instrument, bar_seconds, bar_start_at
            order by ingested_at desc, source
        ) = 1
)

select * from newest
