-- Instruments that rows came in for while nobody described them: nothing of them is ever shown.
--
-- Grain: kind, venue, instrument
-- Materialized: view

with
landed as (
    select
        'ohlcv' as kind,
        venue,
        instrument,
        bar_start_at as known_at,
    from raw.ohlcv
    union all
    select
        'mark_ohlc' as kind,
        venue,
        instrument,
        bar_start_at as known_at,
    from raw.mark_ohlc
    union all
    select
        'open_interest' as kind,
        venue,
        instrument,
        observed_at as known_at,
    from raw.open_interest
),

unknown as (
    select
        kind,
        venue,
        instrument,
        count(*) as row_count,
    from landed
    -- As their venues describe them: one that a user left out is known.
    anti join raw.instrument using (venue, instrument)
    where known_at >= window_start() and known_at < window_end()
    group by kind, venue, instrument
)

select * from unknown
