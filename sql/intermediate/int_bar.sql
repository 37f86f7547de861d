-- Bars of each instrument aligned in time: trades, mark price and open interest at the bar's end.
--
-- Grain: venue, instrument, bar_start_at
-- Materialized: view
-- Known limitation: of several bar lengths in one hour the one that covers most of it is used,
-- the finer one where they cover the same; bars longer than an hour are left out. Rows that no
-- market can have made (a price that is not positive, a high below the open) count as missing
-- here; int_row_audit counts them.

with
-- An hour more, so that a model over bars sees the bar before its first.
ohlcv as (
    select
        venue,
        instrument,
        bar_start_at,
        bar_start_at + to_seconds(bar_seconds) as bar_end_at,
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
        and is_possible_bar(open, high, low, close)
        and volume_quantity >= 0
        and isfinite(volume_quantity)
        and bar_start_at >= date_trunc('hour', window_start()) - interval 1 hour
        and bar_start_at < window_end()
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
        is_possible_mark(mark_high, mark_low, mark_close)
        and bar_start_at >= date_trunc('hour', window_start()) - interval 1 hour
        and bar_start_at < window_end()
),

open_interest as (
    select
        venue,
        instrument,
        open_interest_quantity,
        received_amount,
        received_amount_unit,
        received_value,
        received_value_unit,
        sides_counted,
        -- The answer to a snapshot requested at a bar's end arrives some seconds later.
        observed_at - interval 30 seconds as known_from_at,
    from staging.stg_open_interest
    where
        open_interest_quantity >= 0
        and isfinite(open_interest_quantity)
        and observed_at >= date_trunc('hour', window_start()) - interval 1 hour
        and observed_at <= window_end() + interval 1 minute
),

traded_bar as (
    select
        ohlcv.*,
        instrument.asset,
        instrument.contract_kind,
        instrument.contract_size,
        instrument.base_multiplier,
        sum(ohlcv.bar_seconds) over (
            partition by venue, instrument, date_trunc('hour', bar_start_at), bar_seconds
        ) as covered_seconds,
    from ohlcv
    inner join staging.stg_instrument as instrument using (venue, instrument)
    where in_window_assets(instrument.asset) and ohlcv.bar_end_at <= window_end()
),

chosen_bar as (
    select * exclude (covered_seconds)
    from traded_bar
    qualify
        bar_seconds = first_value(bar_seconds) over (
            partition by venue, instrument, date_trunc('hour', bar_start_at)
            order by covered_seconds desc, bar_seconds asc
        )
),

bar as (
    select
        chosen_bar.*,
        mark_ohlc.mark_high,
        mark_ohlc.mark_low,
        mark_ohlc.mark_close,
        if(
            open_interest.known_from_at > chosen_bar.bar_start_at,
            columns(open_interest.* exclude (venue, instrument, known_from_at)),
            null
        ),
    from chosen_bar
    left join mark_ohlc using (venue, instrument, bar_start_at, bar_seconds)
    asof left join open_interest
        on
            chosen_bar.venue = open_interest.venue
            and chosen_bar.instrument = open_interest.instrument
            and chosen_bar.bar_end_at >= open_interest.known_from_at
)

select * from bar
