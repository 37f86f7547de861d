-- Maps by tier of venues that are not set apart, in hours in which some are (table set_apart).
--
-- all_venues: name of the sum over venues

select
    asset,
    provider,
    venue,
    epoch_us(as_of) as hour,
    leverage,
    price,
    first_bin_index,
    liquidation_usd,
    params_hash,
from derived.heatmap_by_tier
semi join set_apart using (asset, as_of)
anti join set_apart as apart using (asset, venue, as_of)
where venue <> $all_venues
order by asset, provider, venue, hour, side, leverage
