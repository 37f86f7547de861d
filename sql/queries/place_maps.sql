-- What published maps hold on the levels that price went through after them, bin by bin, in order
-- of provider, span and side.
--
-- asset: whose maps
-- starts: instants of the maps, one a span
-- low_bins, high_bins: bins of the extremes of each span

with
span as (
    select
        unnest(range(len($starts))) as span,
        unnest($starts::timestamptz[]) as as_of,
        unnest($low_bins::bigint[]) as low_bin,
        unnest($high_bins::bigint[]) as high_bin,
),

heatmap as (
    select
        as_of,
        provider,
        side,
        first_bin_index,
        liquidation_usd,
    from derived.heatmap
    where asset = $asset and venue = 'all'
)

select
    heatmap.provider,
    span.span,
    if(heatmap.side = 'long', 0, 1) as side,
    greatest(heatmap.first_bin_index, span.low_bin) as first_bin,
    heatmap.liquidation_usd[
        greatest(span.low_bin - heatmap.first_bin_index, 0) + 1
        :greatest(span.high_bin - heatmap.first_bin_index + 1, 0)
    ] as usd,
from span
inner join heatmap using (as_of)
order by heatmap.provider, span.span, heatmap.side
