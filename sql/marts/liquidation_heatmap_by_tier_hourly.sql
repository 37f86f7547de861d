-- The map by leverage: USD of positions that would be force-closed in each price bin, tier by tier.
--
-- Materialized: view
-- Known limitation: how positions are spread over leverages is assumed, not observed.

with
heatmap as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        leverage,
        price,
        params_hash,
        generate_subscripts(liquidation_usd, 1)::integer - 1 + first_bin_index as bin_index,
        unnest(liquidation_usd) as liquidation_usd,
    from derived.heatmap_by_tier
),

bin as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        leverage,
        bin_index,
        bin_edge(bin_index) as price_low,
        bin_edge(bin_index + 1) as price_high,
        liquidation_usd,
        price,
        params_hash,
    from heatmap
    where liquidation_usd > 0
)

select * from bin
