-- Hours of instruments in the window, for the suite of bars.

select
    asset,
    venue,
    instrument,
    as_of,
    high,
    low,
    close,
    volume_quantity,
    open_interest_quantity,
    bar_count * bar_seconds as covered_seconds,
    epoch(last_bar_end_at - as_of) as ahead_seconds,
from intermediate.int_instrument_hour
where in_window(as_of)
