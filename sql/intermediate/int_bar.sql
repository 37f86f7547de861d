-- Bars of each instrument aligned in time: trades, mark price and open interest at the bar's end.
--
-- Grain: venue, instrument, bar_start_at
-- Materialized: view
-- Known limitation: of several bar lengths in one hour the one that covers most of it is used,
-- the finer one where they cover the same; bars longer than an hour are left out. Rows that no
-- market can have made (a price that is not positive, a high below the open) count as missing
-- here; int_row_audit counts them.

with
instrument as (
    select
        venue,
        instrument,
        asset,
        contract_kind,
        contract_size,
        base_multiplier,
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
        taker_buy_quantity,
    from staging.stg_ohlcv
    where
        bar_seconds <= 3600
        and low > 0
        and low <= least(open, close)
        and high >= greatest(open, close)
        and isfinite(high)
        and volume_quantity >= 0
        and isfinite(volume_quantity)
        -- An hour more, so that a model over bars sees the bar before its first.
        and bar_start_at
        >= coalesce(
            date_trunc('hour', getvariable('window_start')::timestamptz) - interval 1 hour,
            '-infinity'::timestamptz
        )
        and bar_start_at < coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

mark_ohlc as (
    select
        venue,
        instrument,
        bar_start_at,
        bar_seconds,
        mark_high,
        mark_low,
        mark_close,
    from staging.stg_mark_ohlc
    where
        mark_close > 0
        and isfinite(mark_close)
        and coalesce(mark_low > 0 and mark_low <= mark_high and isfinite(mark_high), true)
        and bar_start_at
        >= coalesce(
            date_trunc('hour', getvariable('window_start')::timestamptz) - interval 1 hour,
            '-infinity'::timestamptz
        )
        and bar_start_at < coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

open_interest as (
    select
        venue,
        instrument,
        observed_at,
        open_interest_quantity,
        received_amount,
        received_amount_unit,
        received_value,
        received_value_unit,
        sides_counted,
        -- A snapshot asked for at a bar's end is answered some seconds later.
        observed_at - interval 30 seconds as known_from_at,
    from staging.stg_open_interest
    where
        open_interest_quantity >= 0
        and isfinite(open_interest_quantity)
        and observed_at
        >= coalesce(
            date_trunc('hour', getvariable('window_start')::timestamptz) - interval 1 hour,
            '-infinity'::timestamptz
        )
        and observed_at
        <= coalesce(
            getvariable('window_end')::timestamptz + interval 1 minute, 'infinity'::timestamptz
        )
),

traded_bar as (
    select
        instrument.asset,
        instrument.contract_kind,
        instrument.contract_size,
        instrument.base_multiplier,
        ohlcv.venue,
        ohlcv.instrument,
        ohlcv.bar_start_at,
        ohlcv.bar_start_at + to_seconds(ohlcv.bar_seconds) as bar_end_at,
        ohlcv.bar_seconds,
        ohlcv.open,
        ohlcv.high,
        ohlcv.low,
        ohlcv.close,
        ohlcv.volume_quantity,
        ohlcv.taker_buy_quantity,
        sum(ohlcv.bar_seconds) over (
            partition by
                ohlcv.venue,
                ohlcv.instrument,
                date_trunc('hour', ohlcv.bar_start_at),
                ohlcv.bar_seconds
        ) as covered_seconds,
    from ohlcv
    inner join instrument
        on ohlcv.venue = instrument.venue and ohlcv.instrument = instrument.instrument
    where
        ohlcv.bar_start_at + to_seconds(ohlcv.bar_seconds)
        <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

chosen_bar as (
    select
        asset,
        contract_kind,
        contract_size,
        base_multiplier,
        venue,
        instrument,
        bar_start_at,
        bar_end_at,
        bar_seconds,
        open,
        high,
        low,
        close,
        volume_quantity,
        taker_buy_quantity,
    from traded_bar
    qualify
        bar_seconds = first_value(bar_seconds) over (
            partition by venue, instrument, date_trunc('hour', bar_start_at)
            order by covered_seconds desc, bar_seconds asc
        )
),

bar as (
    select
        chosen_bar.asset,
        chosen_bar.contract_kind,
        chosen_bar.contract_size,
        chosen_bar.base_multiplier,
        chosen_bar.venue,
        chosen_bar.instrument,
        chosen_bar.bar_start_at,
        chosen_bar.bar_end_at,
        chosen_bar.bar_seconds,
        chosen_bar.open,
        chosen_bar.high,
        chosen_bar.low,
        chosen_bar.close,
        mark_ohlc.mark_high,
        mark_ohlc.mark_low,
        mark_ohlc.mark_close,
        chosen_bar.volume_quantity,
        chosen_bar.taker_buy_quantity,
        case
            when open_interest.known_from_at > chosen_bar.bar_start_at
                then open_interest.open_interest_quantity
        end as open_interest_quantity,
        case
            when open_interest.known_from_at > chosen_bar.bar_start_at
                then open_interest.received_amount
        end as received_amount,
        open_interest.received_amount_unit,
        case
            when open_interest.known_from_at > chosen_bar.bar_start_at
                then open_interest.received_value
        end as received_value,
        open_interest.received_value_unit,
        open_interest.sides_counted,
    from chosen_bar
    left join mark_ohlc
        on
            chosen_bar.venue = mark_ohlc.venue
            and chosen_bar.instrument = mark_ohlc.instrument
            and chosen_bar.bar_start_at = mark_ohlc.bar_start_at
            and chosen_bar.bar_seconds = mark_ohlc.bar_seconds
    asof left join open_interest
        on
            chosen_bar.venue = open_interest.venue
            and chosen_bar.instrument = open_interest.instrument
            and chosen_bar.bar_end_at >= open_interest.known_from_at
)

select * from bar
