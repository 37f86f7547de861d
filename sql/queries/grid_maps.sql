-- Maps of some hours in compact form, one row a side and hour, the newest hours last.
--
-- asset, provider, venue: whose map
-- from_at, until_at: hours with from_at < as_of <= until_at

select
    epoch(as_of) as as_of,
    columns(name -> name in (
        'side', 'price', 'first_bin_index', 'liquidation_usd', 'start_up_usd', 'unit', 'semantics'
    )),
from marts.liquidation_heatmap_arrays
where
    asset = $asset
    and provider = $provider
    and venue = $venue
    and as_of > $from_at
    and as_of <= $until_at
order by as_of
