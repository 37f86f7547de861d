-- Where providers agree: their mean shape, the spread around it, how many call a bin dense.
--
-- Materialized: view
-- Known limitation: every vote weighs the same; providers with similar assumptions share one only
-- where their maps overlap by more than .9.

with
consensus as (
    select
        asset,
        as_of,
        venue,
        side,
        price,
        provider_count,
        params_hash,
        generate_subscripts(mean_ratio, 1)::integer - 1 + first_bin_index as bin_index,
        unnest(mean_ratio) as mean_ratio,
        unnest(min_ratio) as min_ratio,
        unnest(max_ratio) as max_ratio,
        unnest(variation_ratio) as variation_ratio,
        unnest(dense_provider_count) as dense_provider_count,
    from derived.consensus
),

bin as (
    select
        asset,
        as_of,
        venue,
        side,
        bin_index,
        bin_edge(bin_index) as price_low,
        bin_edge(bin_index + 1) as price_high,
        mean_ratio,
        min_ratio,
        max_ratio,
        variation_ratio,
        dense_provider_count,
        provider_count,
        price,
        params_hash,
    from consensus
    where mean_ratio > 0
)

select * from bin
