-- One instrument over the hour that ends at as_of: price, volume, open interest, and its books.
--
-- Grain: venue, instrument, as_of
-- Materialized: incremental

with
bar as (
    select
        venue,
        instrument,
        asset,
        contract_kind,
        bar_start_at,
        bar_end_at,
        bar_seconds,
        open,
        high,
        low,
        close,
        mark_close,
        volume_quantity,
        taker_buy_quantity,
        open_interest_quantity,
        received_amount,
        received_amount_unit,
        received_value,
        received_value_unit,
    from intermediate.int_bar
),

with_previous as (
    select
        venue,
        instrument,
        asset,
        contract_kind,
        date_trunc('hour', bar_end_at - interval 1 microsecond) + interval 1 hour as as_of,
        bar_start_at,
        bar_seconds,
        open,
        high,
        low,
        close,
        mark_close,
        volume_quantity,
        taker_buy_quantity,
        -- What one position unit is worth: USD for linear contracts, 1 for inverse ones.
        if(contract_kind = 'inverse', 1, close) as quantity_usd,
        if(contract_kind = 'inverse', close, 1) as quantity_per_base,
        open_interest_quantity,
        if(
            lag(bar_end_at) over instrument_time = bar_start_at,
            lag(open_interest_quantity) over instrument_time,
            null
        ) as previous_open_interest_quantity,
        if(
            lag(bar_end_at) over instrument_time = bar_start_at,
            ln(close / lag(close) over instrument_time),
            null
        ) as log_return,
        if(
            received_amount_unit = 'base' and received_value_unit = 'usd' and received_value > 0,
            abs(received_amount * close / received_value - 1),
            null
        ) as audit_deviation_ratio,
    from bar
    window
        instrument_time as (partition by venue, instrument order by bar_start_at)
),

with_change as (
    select
        venue,
        instrument,
        asset,
        contract_kind,
        as_of,
        bar_start_at,
        bar_seconds,
        open,
        high,
        low,
        close,
        mark_close,
        volume_quantity,
        taker_buy_quantity,
        quantity_usd,
        quantity_per_base,
        open_interest_quantity,
        previous_open_interest_quantity,
        log_return,
        audit_deviation_ratio,
        abs(open_interest_quantity - previous_open_interest_quantity) as absolute_change,
    from with_previous
    where
        as_of > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

instrument_hour as (
    select
        venue,
        instrument,
        any_value(asset) as asset,
        any_value(contract_kind) as contract_kind,
        as_of,
        any_value(bar_seconds) as bar_seconds,
        count(*) as bar_count,
        arg_min(open, bar_start_at) as open,
        max(high) as high,
        min(low) as low,
        arg_max(close, bar_start_at) as close,
        arg_max(mark_close, bar_start_at) as mark_close,
        sum(log_return * log_return) as squared_log_return,
        sum(volume_quantity) as volume_quantity,
        sum(volume_quantity / quantity_per_base) as volume_base,
        sum(volume_quantity * quantity_usd) as volume_usd,
        sum(taker_buy_quantity / quantity_per_base) as taker_buy_base,
        count(*) filter (where volume_quantity = 0) as zero_volume_bar_count,
        count(open_interest_quantity) as open_interest_observed_count,
        arg_max(open_interest_quantity, bar_start_at) as open_interest_quantity,
        arg_max(open_interest_quantity / quantity_per_base, bar_start_at) as open_interest_base,
        arg_max(open_interest_quantity * quantity_usd, bar_start_at) as open_interest_usd,
        count(absolute_change) as change_observed_count,
        -- A billionth more than the volume is rounding.
        count(*) filter (where absolute_change > volume_quantity * (1 + 1e-9)) as violation_count,
        sum(absolute_change) as absolute_change_quantity,
        max(absolute_change, 3) as largest_changes_quantity,
        max(absolute_change / nullif(previous_open_interest_quantity, 0)) as largest_change_ratio,
        count(*) filter (
            where absolute_change = 0 and volume_quantity > 0
        ) as unchanged_traded_bar_count,
        median(audit_deviation_ratio) as audit_deviation_ratio,
    from with_change
    group by venue, instrument, as_of
)

select * from instrument_hour
