-- Where providers agree: their mean shape, the spread around it, how many call a bin dense.
--
-- Materialized: view
-- Known limitation: every vote weighs the same; providers with similar assumptions share one only
-- where their maps overlap by more than .9.

with
-- Only the index is unnested, as in marts.liquidation_heatmap_hourly.
consensus as (
    select
        *,
        unnest(range(1, bin_count + 1)) as place,
    from marts.consensus_heatmap_arrays
),

bin as (
    select
        asset,
        as_of,
        venue,
        side,
        (first_bin_index + place - 1)::integer as bin_index,
        bin_edge(first_bin_index + place - 1) as price_low,
        bin_edge(first_bin_index + place) as price_high,
        mean_ratio[place] as mean_ratio,
        min_ratio[place] as min_ratio,
        max_ratio[place] as max_ratio,
        variation_ratio[place] as variation_ratio,
        dense_provider_count[place] as dense_provider_count,
        provider_count,
        price,
        params_hash,
    from consensus
)

select * from bin
