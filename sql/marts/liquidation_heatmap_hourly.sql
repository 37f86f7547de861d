-- The map: USD of positions that would be force-closed in each price bin.
--
-- Materialized: view
-- Known limitation: an estimate from volume, open interest and assumed leverage, not a register
-- of positions; contracts without known margin brackets use a default
-- ladder by size (marts.series_books_hourly).

with
-- The index alone is unnested. DuckDB repeats every list that is unnested, whether a query reads it
-- or not; without that, a query of keys alone, as tools send for lists of filters, takes a tenth of
-- the time. Bins without USD are rows for the same reason: a condition on USD needs every list.
heatmap as (
    select
        *,
        unnest(range(1, bin_count + 1)) as place,
    from marts.liquidation_heatmap_arrays
),

bin as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        (first_bin_index + place - 1)::integer as bin_index,
        bin_edge(first_bin_index + place - 1) as price_low,
        bin_edge(first_bin_index + place) as price_high,
        liquidation_usd[place] as liquidation_usd,
        start_up_usd[place] as start_up_usd,
        liquidation_q10_usd[place] as liquidation_q10_usd,
        liquidation_q50_usd[place] as liquidation_q50_usd,
        liquidation_q90_usd[place] as liquidation_q90_usd,
        price,
        unit,
        semantics,
        params_hash,
    from heatmap
)

select * from bin
