-- Sides of the maps of a provider in some hours, by bin.
--
-- asset, provider, venue: whose maps
-- hours: instants

select
    epoch_us(as_of) as hour,
    price,
    first_bin_index,
    liquidation_usd,
from derived.heatmap
where
    asset = $asset
    and provider = $provider
    and venue = $venue
    and list_contains($hours, as_of)
order by as_of, side
