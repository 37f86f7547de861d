-- Odds that price touches a level within 24 hours, as published for the bands of an hour, by
-- distance from price. They follow from distance and volatility alone,
-- whichever provider shows the band.
--
-- asset, venue, as_of: the hour

select
    abs(distance_bps) / 1e4 as distance,
    min(touch_probability_24h_ratio) as odds,
    any_value(volatility_day_ratio) as volatility_day_ratio,
from marts.liquidation_bands_hourly
where
    asset = $asset
    and venue = $venue
    and as_of = $as_of
    and touch_probability_24h_ratio is not null
group by distance
order by distance
