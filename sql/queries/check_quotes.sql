-- How far stablecoins are from one USD in the window, for the suite of bars.

select
    asset,
    'all' as venue,
    as_of,
    quote_deviation_bps,
from marts.market_context_hourly
where in_window(as_of)
