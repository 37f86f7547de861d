-- Maps of venues that are not set apart, in hours in which some are (temporary table set_apart).
--
-- all_venues: name of the sum over venues
-- providers: which maps

select
    asset,
    provider,
    venue,
    epoch_us(as_of) as hour,
    price,
    first_bin_index,
    liquidation_usd,
    start_up_usd,
    params_hash,
from derived.heatmap
semi join set_apart using (asset, as_of)
anti join set_apart as apart using (asset, venue, as_of)
where venue <> $all_venues and list_contains($providers, provider)
order by asset, provider, venue, hour, side
