-- One instrument over the hour that ends at as_of: price, volume, open interest, and its books.
--
-- Materialized: incremental
-- Known limitation: a change of open interest is known between observations at most an hour apart
-- with all bars between them there.

with
bar as (
    select
        *,
        hour_end(bar_end_at) as as_of,
        -- What one position unit is worth: USD for linear contracts, 1 for inverse ones.
        if(contract_kind = 'inverse', 1, close) as quantity_usd,
        if(contract_kind = 'inverse', close, 1) as quantity_per_base,
    from intermediate.int_bar
),

with_previous_bar as (
    select
        *,
        -- What was received over what was made of it: how many sides of a contract it counts,
        -- where the source did not say.
        case
            when received_amount_unit in ('contracts', 'base') and received_amount > 0
                then
                    received_amount
                    * unit_size(received_amount_unit, contract_size, base_multiplier)
                    * if(received_amount_unit = 'base', quantity_per_base, 1)
                    / nullif(open_interest_quantity, 0)
            when received_value_unit = 'usd' and received_value > 0
                then received_value / quantity_usd / nullif(open_interest_quantity, 0)
        end as received_ratio,
        if(
            lag(bar_end_at) over instrument_time = bar_start_at,
            lag(close) over instrument_time,
            null
        ) as previous_close,
        coalesce(
            open = lag(open) over instrument_time
            and high = lag(high) over instrument_time
            and low = lag(low) over instrument_time
            and close = lag(close) over instrument_time
            and volume_quantity = lag(volume_quantity) over instrument_time
            and volume_quantity > 0,
            false
        ) as is_repeated,
        sum(volume_quantity) over instrument_time as running_volume_quantity,
        if(
            open_interest_quantity is null,
            null,
            {
                'bar_end_at': bar_end_at,
                'open_interest_quantity': open_interest_quantity,
                'running_volume_quantity': running_volume_quantity,
                'running_seconds': sum(bar_seconds) over instrument_time
            }
        ) as observation,
    from bar
    window instrument_time as (partition by venue, instrument order by bar_start_at)
),

with_previous_observation as (
    select
        * replace (
            -- Between the two nothing is known; price moves between a figure and its bar's close.
            case
                when open_interest_quantity is null then null
                when sides_counted is not null then sides_counted
                when received_ratio between 0.8 and 1.25 then 1
                when received_ratio between 1.6 and 2.5 then 2
            end as sides_counted
        ),
        lag(observation ignore nulls) over instrument_time as previous,
    from with_previous_bar
    window instrument_time as (partition by venue, instrument order by bar_start_at)
),

with_change as (
    select
        *,
        ln(close / previous_close) as log_return,
        abs(open / previous_close - 1) as price_gap_ratio,
        greatest(
            abs(mark_close / close - 1), mark_high / high - 1, 1 - mark_low / low
        ) as mark_deviation_ratio,
        -- The normalised amount against the value that came with it.
        case
            when received_amount is not null and received_value > 0
                then
                    abs(
                        open_interest_quantity
                        * coalesce(sides_counted, 1)
                        * if(received_value_unit = 'usd', quantity_usd, 1 / quantity_per_base)
                        / received_value
                        - 1
                    )
        end as audit_deviation_ratio,
        previous.open_interest_quantity as previous_open_interest_quantity,
        if(
            previous.bar_end_at >= bar_end_at - interval 1 hour
            -- All bars between the two are there.
            and to_seconds(observation.running_seconds - previous.running_seconds)
            = bar_end_at - previous.bar_end_at,
            abs(open_interest_quantity - previous.open_interest_quantity),
            null
        ) as absolute_change,
        -- A difference of running sums carries their rounding: not used where one bar suffices.
        if(
            previous.bar_end_at = bar_start_at,
            volume_quantity,
            running_volume_quantity - previous.running_volume_quantity
        ) as change_volume_quantity,
    from with_previous_observation
    where in_window(as_of)
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
        max(bar_end_at) as last_bar_end_at,
        arg_min(open, bar_start_at) as open,
        max(high) as high,
        min(low) as low,
        arg_max(close, bar_start_at) as close,
        arg_max(mark_close, bar_start_at) as mark_close,
        sorted_sum(log_return * log_return) as squared_log_return,
        max(price_gap_ratio) as largest_price_gap_ratio,
        max(mark_deviation_ratio) as largest_mark_deviation_ratio,
        count(*) filter (where is_repeated) as repeated_bar_count,
        sorted_sum(volume_quantity) as volume_quantity,
        sorted_sum(volume_quantity / quantity_per_base) as volume_base,
        sorted_sum(volume_quantity * quantity_usd) as volume_usd,
        sorted_sum(taker_buy_quantity / quantity_per_base) as taker_buy_base,
        count(*) filter (where volume_quantity = 0) as zero_volume_bar_count,
        median(volume_quantity) as median_bar_volume_quantity,
        max(volume_quantity) as largest_bar_volume_quantity,
        count(open_interest_quantity) as open_interest_observed_count,
        max(bar_end_at) filter (
            where open_interest_quantity is not null
        ) as last_open_interest_at,
        arg_max(open_interest_quantity, bar_start_at) as open_interest_quantity,
        arg_max(open_interest_quantity / quantity_per_base, bar_start_at) as open_interest_base,
        arg_max(open_interest_quantity * quantity_usd, bar_start_at) as open_interest_usd,
        count(absolute_change) as change_observed_count,
        -- A millionth more than the volume is rounding.
        count(*) filter (
            where absolute_change > change_volume_quantity * (1 + 1e-6)
        ) as violation_count,
        sorted_sum(absolute_change) as absolute_change_quantity,
        max(absolute_change, 3) as largest_changes_quantity,
        max(absolute_change / nullif(previous_open_interest_quantity, 0)) as largest_change_ratio,
        count(*) filter (
            where absolute_change = 0 and change_volume_quantity > 0
        ) as unchanged_traded_bar_count,
        median(audit_deviation_ratio) as audit_deviation_ratio,
        arg_max(sides_counted, bar_start_at) as sides_counted,
    from with_change
    group by venue, instrument, as_of
)

select * from instrument_hour
