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

outside as (
    select
        as_of,
        provider,
        venue,
    from derived.outside_map
    where asset = $asset and is_fitting
),

-- Of an outside provider that maps no sum of venues, the first venue by name counts.
heatmap as (
    select
        heatmap.as_of,
        heatmap.provider,
        heatmap.side,
        heatmap.first_bin_index,
        heatmap.liquidation_usd,
    from derived.heatmap as heatmap
    left join outside using (as_of, provider, venue)
    where
        heatmap.asset = $asset
        and list_contains($starts::timestamptz[], heatmap.as_of)
        and (heatmap.venue = 'all' or outside.venue is not null)
    qualify
        row_number() over (
            partition by heatmap.as_of, heatmap.provider, heatmap.side
            order by heatmap.venue <> 'all', heatmap.venue
        ) = 1
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
