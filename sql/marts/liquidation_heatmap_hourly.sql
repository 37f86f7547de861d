-- The map: USD of positions that would be force-closed in each price bin.
--
-- Materialized: view
-- Known limitation: an estimate from volume, open interest and assumed leverage, not a register
-- of positions; contracts without known margin brackets use a default
-- ladder by size (marts.series_books_hourly).

with
heatmap as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        price,
        unit,
        semantics,
        params_hash,
        generate_subscripts(liquidation_usd, 1)::integer - 1 + first_bin_index as bin_index,
        unnest(liquidation_usd) as liquidation_usd,
        unnest(start_up_usd) as start_up_usd,
        unnest(liquidation_q10_usd) as liquidation_q10_usd,
        unnest(liquidation_q50_usd) as liquidation_q50_usd,
        unnest(liquidation_q90_usd) as liquidation_q90_usd,
    from derived.heatmap
),

bin as (
    select
        asset,
        as_of,
        provider,
        venue,
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
        unit,
        semantics,
        params_hash,
    from heatmap
    where liquidation_usd > 0
)

select * from bin
