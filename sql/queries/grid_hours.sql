-- Bars of some hours, what venues published as liquidated in them, and between which prices a
-- provider's map is known, where it is not everywhere.
--
-- asset, provider, venue: whose map
-- from_at, until_at: hours with from_at < as_of <= until_at

with
covered as (
    select
        as_of,
        covered_price_low,
        covered_price_high,
    from marts.outside_maps_hourly
    where asset = $asset and provider = $provider and venue = $venue
)

select
    epoch(as_of) as as_of,
    open,
    high,
    low,
    price as close,
    realised_long_liquidation_usd as realised_long_usd,
    realised_short_liquidation_usd as realised_short_usd,
    not coalesce(is_realised_liquidation_complete, false) as is_lower_bound,
    covered_price_low as covered_low,
    covered_price_high as covered_high,
from marts.market_context_hourly
left join covered using (as_of)
where
    asset = $asset
    and as_of > $from_at
    and as_of <= $until_at
order by as_of
