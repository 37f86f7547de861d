-- One row a map and side with $from_at < as_of <= $until_at, of some assets, in the order of maps.
--
-- A map of an outside provider has the prices that it covers, and whether its own price fits.

select
    asset,
    venue,
    epoch_us(as_of) as hour,
    provider,
    side = 'short' as is_short,
    price,
    first_bin_index,
    liquidation_usd,
    coalesce(start_up_usd, []::float[]) as start_up_usd,
    heatmap.unit,
    heatmap.semantics,
    heatmap.params_hash,
    is_fitting is not null as is_outside,
    coalesce(is_fitting, true) as is_fitting,
    coalesce(ln(covered_price_low), '-infinity'::double) as covered_low,
    coalesce(ln(covered_price_high), 'infinity'::double) as covered_high,
from derived.heatmap as heatmap
left join derived.outside_map using (asset, as_of, provider, venue)
where as_of > $from_at and as_of <= $until_at and list_contains($assets, asset)
order by asset, venue, hour, provider, is_short
