-- Bars of some hours, and what venues published as liquidated in them.
--
-- asset: whose
-- from_at, until_at: hours with from_at < as_of <= until_at

select
    epoch(as_of) as as_of,
    open,
    high,
    low,
    price as close,
    realised_long_liquidation_usd as realised_long_usd,
    realised_short_liquidation_usd as realised_short_usd,
    not coalesce(is_realised_liquidation_complete, false) as is_lower_bound,
from marts.market_context_hourly
where
    asset = $asset
    and as_of > $from_at
    and as_of <= $until_at
order by as_of
