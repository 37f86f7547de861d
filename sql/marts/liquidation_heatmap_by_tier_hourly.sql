-- The map by leverage: USD of positions that would be force-closed in each price bin, tier by tier.
--
-- Materialized: view
-- Known limitation: how positions are spread over leverages is assumed, not observed.

with
-- Only the index is unnested, as in marts.liquidation_heatmap_hourly.
heatmap as (
    select
        *,
        unnest(range(1, bin_count + 1)) as place,
    from marts.liquidation_heatmap_by_tier_arrays
),

bin as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        leverage,
        (first_bin_index + place - 1)::integer as bin_index,
        bin_edge(first_bin_index + place - 1) as price_low,
        bin_edge(first_bin_index + place) as price_high,
        liquidation_usd[place] as liquidation_usd,
        price,
        params_hash,
    from heatmap
)

select * from bin
