-- Bars of the mark price: the newest row of each bar.
--
-- Grain: venue, instrument, bar_seconds, bar_start_at
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

select *
from raw.mark_ohlc
qualify
    row_number() over (
        partition by venue, instrument, bar_seconds, bar_start_at
        order by
            ingested_at desc, source, mark_open desc, mark_high desc, mark_low desc,
            mark_close desc
    ) = 1
