-- Hourly prices of every asset: close, high and low, medians of venues, as on the maps.

select
    asset,
    epoch_us(as_of) as hour,
    high,
    low,
    price as close,
from marts.market_context_hourly
where as_of > $from_at and as_of <= $until_at
order by asset, hour
