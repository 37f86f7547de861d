-- One map in some hours as arrays by bin, newest hour first.
--
-- asset, provider, venue, sides: whose
-- from_at, until_at: hours with from_at < as_of <= until_at

select
    as_of,
    side,
    first_bin_index,
    liquidation_usd,
    start_up_usd,
    liquidation_q10_usd,
    liquidation_q50_usd,
    liquidation_q90_usd,
    price,
from marts.liquidation_heatmap_arrays
where
    asset = $asset
    and provider = $provider
    and venue = $venue
    and list_contains($sides, side)
    and as_of > $from_at
    and as_of <= $until_at
order by as_of desc, side
