-- Bins of one map in some hours, newest hour first. What is the same in every row is left out.
--
-- Reads arrays, which unfold after hours and sides are chosen.
--
-- asset, provider, venue, sides: whose; reach: share of price each way, or NULL for all prices
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

with
chosen as (
    select
        as_of,
        side,
        price,
        first_bin_index,
        liquidation_usd,
        start_up_usd,
        liquidation_q10_usd,
        liquidation_q50_usd,
        liquidation_q90_usd,
    from marts.liquidation_heatmap_arrays
    where
        asset = $asset
        and provider = $provider
        and venue = $venue
        and list_contains($sides, side)
        and as_of > $from_at
        and as_of <= $until_at
),

unfolded as (
    select
        as_of,
        side,
        price,
        generate_subscripts(liquidation_usd, 1)::integer - 1 + first_bin_index as bin_index,
        unnest(liquidation_usd) as liquidation_usd,
        unnest(start_up_usd) as start_up_usd,
        unnest(liquidation_q10_usd) as liquidation_q10_usd,
        unnest(liquidation_q50_usd) as liquidation_q50_usd,
        unnest(liquidation_q90_usd) as liquidation_q90_usd,
    from chosen
),

bin as (
    select
        as_of,
        side,
        bin_index,
        bin_edge(bin_index) as price_low,
        bin_edge(bin_index + 1) as price_high,
        liquidation_usd,
        start_up_usd,
        liquidation_q10_usd,
        liquidation_q50_usd,
        liquidation_q90_usd,
        price,
    from unfolded
    where liquidation_usd > 0
)

select *
from bin
where
    coalesce(
        price_high > price * (1 - $reach::double) and price_low < price * (1 + $reach::double), true
    )
order by as_of desc, side, bin_index
limit $row_count offset $first_row
