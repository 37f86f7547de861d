-- Bars of the mark price, newest row of each bar.
--
-- Grain: venue, instrument, bar_seconds, bar_start_at
-- Materialized: view

-- Rows of one key, source and time taken in are told apart by their values, the larger first: which
-- one counts depends on nothing but the rows.

with
mark_ohlc as (
    select
        venue,
        instrument,
        bar_start_at,
        bar_seconds,
        mark_open,
        mark_high,
        mark_low,
        mark_close,
        source,
        ingested_at,
    from raw.mark_ohlc
),

newest as (
    select
        venue,
        instrument,
        bar_start_at,
        bar_seconds,
        mark_open,
        mark_high,
        mark_low,
        mark_close,
        source,
        ingested_at,
    from mark_ohlc
    qualify
        row_number() over (
            partition by venue, instrument, bar_seconds, bar_start_at
            order by
                ingested_at desc,
                source,
                mark_open desc,
                mark_high desc,
                mark_low desc,
                mark_close desc
        ) = 1
)

select * from newest
