-- Bars of the window that a replay reads, by contract in order of time [us].
--
-- from_at: bars end after it

select
    venue,
    instrument,
    epoch_us(bar_start_at) as bar_start,
    epoch_us(bar_end_at) as bar_end,
    open,
    high,
    low,
    close,
    mark_high,
    mark_low,
    volume_quantity,
    taker_buy_quantity,
    open_interest_quantity,
from intermediate.int_bar
where bar_end_at > $from_at
order by venue, instrument, bar_start_at
