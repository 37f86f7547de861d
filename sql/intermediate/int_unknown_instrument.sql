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
        bar_start_at as stands_at,
    from raw.ohlcv
    union all
    select
        'mark_ohlc' as kind,
        venue,
        instrument,
        bar_start_at as stands_at,
    from raw.mark_ohlc
    union all
    select
        'open_interest' as kind,
        venue,
        instrument,
        observed_at as stands_at,
    from raw.open_interest
),

-- As their venues describe them: one that a person left out is known.
instrument as (
    select distinct
        venue,
        instrument,
    from raw.instrument
),

unknown as (
    select
        landed.kind,
        landed.venue,
        landed.instrument,
        count(*) as row_count,
    from landed
    anti join instrument
        on
            landed.venue = instrument.venue
            and landed.instrument = instrument.instrument
    where
        landed.stands_at
        >= coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        and landed.stands_at
        < coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
    group by landed.kind, landed.venue, landed.instrument
)

select * from unknown
