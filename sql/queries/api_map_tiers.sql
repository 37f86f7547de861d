-- Bins of one map in some hours, of some leverage tiers alone, newest hour first.
--
-- asset, provider, venue, sides, tiers: whose; reach: share of price each way, NULL for all prices
-- from_at, until_at: hours with from_at < as_of <= until_at
-- row_count, first_row: the page

with
chosen as (
    select
        as_of,
        side,
        price,
        generate_subscripts(liquidation_usd, 1)::integer - 1 + first_bin_index as bin_index,
        unnest(liquidation_usd) as liquidation_usd,
    from marts.liquidation_heatmap_by_tier_arrays
    where
        asset = $asset
        and provider = $provider
        and venue = $venue
        and list_contains($sides, side)
        and list_contains($tiers::double[], leverage)
        and as_of > $from_at
        and as_of <= $until_at
),

bin as (
    select
        as_of,
        side,
        bin_index,
        bin_edge(bin_index) as price_low,
        bin_edge(bin_index + 1) as price_high,
        sum(liquidation_usd)::float as liquidation_usd,
        null::float as start_up_usd,
        null::float as liquidation_q10_usd,
        null::float as liquidation_q50_usd,
        null::float as liquidation_q90_usd,
        price,
    from chosen
    where liquidation_usd > 0
    group by as_of, side, bin_index, price
)

select *
from bin
where
    coalesce(
        price_high > price * (1 - $reach::double) and price_low < price * (1 + $reach::double), true
    )
order by as_of desc, side, bin_index
limit $row_count offset $first_row
