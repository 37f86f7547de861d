-- Bars of trades, newest row of each bar.
--
-- Grain: venue, instrument, bar_seconds, bar_start_at
-- Materialized: view

-- Rows of one key, source and time taken in are told apart by their values, the larger first: which
-- one counts depends on nothing but the rows.

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
            order by
                ingested_at desc,
                source,
                open desc,
                high desc,
                low desc,
                close desc,
                volume_quantity desc,
                taker_buy_quantity desc,
                trade_count desc
        ) = 1
)

select * from newest
