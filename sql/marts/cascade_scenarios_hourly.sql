-- If price moves x %, what is forced, and how much further it slips; both directions.
--
-- Materialized: table
-- Known limitation: the square-root law of impact with a coefficient of 1 and the depth of an
-- average day; in a crash depth is thinner. Maps that do not count USD forced at a price are left
-- out; ledgers count what would be published, which is less where venues publish only some orders.

select
    asset,
    as_of,
    provider,
    venue,
    shock_ratio,
    if(shock_ratio < 0, 'long', 'short') as side,
    price,
    forced_first_usd,
    forced_usd,
    end_price,
    slip_bps,
    amplification_ratio,
    is_range_exhausted,
    volatility_day_ratio,
    volume_day_usd,
    params_hash,
from derived.cascade_scenario
