-- What each asset traded at after the last published hour: the median of its contracts.
--
-- since: the last published hour
--
-- Grain: asset

with
bar as (
    select
        instrument.asset,
        ohlcv.venue,
        ohlcv.instrument,
        ohlcv.bar_start_at + to_seconds(ohlcv.bar_seconds) as bar_end_at,
        ohlcv.high,
        ohlcv.low,
        ohlcv.close,
    from staging.stg_ohlcv as ohlcv
    inner join staging.stg_instrument as instrument using (venue, instrument)
    where
        ohlcv.bar_start_at >= $since
        and ohlcv.bar_seconds <= 3600
        and is_possible_bar(ohlcv.open, ohlcv.high, ohlcv.low, ohlcv.close)
),

contract as (
    select
        asset,
        max(bar_end_at) as newest_at,
        max(high) as high,
        min(low) as low,
        arg_max(close, bar_end_at) as price,
    from bar
    group by asset, venue, instrument
),

-- Contracts whose newest bar ends 10 minutes or more before the asset's newest are left out.
current_contract as (
    select *
    from contract
    qualify newest_at > max(newest_at) over (partition by asset) - interval 10 minutes
)

select
    asset,
    date_trunc('hour', max(newest_at) - interval 1 microsecond) + interval 1 hour as hour,
    median(high) as high,
    median(low) as low,
    median(price) as price,
from current_contract
group by asset
order by asset
