-- Maps of some hours by leverage tier, one row a side, hour and leverage.
--
-- asset, provider, venue: whose map
-- from_at, until_at: hours with from_at < as_of <= until_at

select
    epoch(as_of) as as_of,
    side,
    leverage,
    price,
    first_bin_index,
    liquidation_usd,
from marts.liquidation_heatmap_by_tier_arrays
where
    asset = $asset
    and provider = $provider
    and venue = $venue
    and as_of > $from_at
    and as_of <= $until_at
order by as_of, side, leverage
