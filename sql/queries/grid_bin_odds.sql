-- Odds that price reaches each bin within 24 hours, by distance of its nearer edge from price.
--
-- asset, venue, as_of: the hour

select
    greatest(ln(price_low / price), ln(price / price_high), 0) as distance,
    touch_probability_24h_ratio as odds,
from marts.touch_odds_hourly
where asset = $asset and venue = $venue and as_of = $as_of
order by distance
