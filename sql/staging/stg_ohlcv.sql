-- Bars of trades: the newest row of each bar.
--
-- Grain: venue, instrument, bar_seconds, bar_start_at
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

select *
from raw.ohlcv
qualify
    row_number() over (
        partition by venue, instrument, bar_seconds, bar_start_at
        order by
            ingested_at desc, source, open desc, high desc, low desc, close desc,
            volume_quantity desc, taker_buy_quantity desc, trade_count desc
    ) = 1
