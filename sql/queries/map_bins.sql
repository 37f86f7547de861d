-- Bins of a map in some hours; without the 80 % interval where an earlier release published them.
--
-- asset, provider, venue: whose map
-- from_at, until_at: hours with from_at < as_of <= until_at

select
    columns(name -> name in (
        'as_of', 'side', 'bin_index', 'price_low', 'price_high', 'liquidation_usd', 'start_up_usd',
        'liquidation_q10_usd', 'liquidation_q90_usd', 'unit', 'semantics'
    )),
from marts.liquidation_heatmap_hourly
where
    asset = $asset
    and provider = $provider
    and venue = $venue
    and as_of > $from_at
    and as_of <= $until_at
