-- Odds that price reaches each bin within 24 hours in compact form: one row a venue.
--
-- Materialized: table
-- Known limitation: as of marts.touch_odds_hourly, which has a row for each bin.

select
    asset,
    as_of,
    venue,
    price,
    volatility_ahead_ratio,
    volatility_hour_count,
    first_bin_index,
    coalesce(len(touch_probability_24h_ratio), 0)::integer as bin_count,
    touch_probability_24h_ratio,
from derived.touch_odds
