-- Which capture of each outside provider represents an hour, and what can be compared in it.
--
-- Materialized: table

with
outside_map as (
    select
        asset,
        as_of,
        provider,
        venue,
        captured_at,
        "window",
        unit,
        semantics,
        reference_price,
        covered_price_low,
        covered_price_high,
        cell_count,
        observed_long_ratio,
        observed_short_ratio,
        is_fitting,
        raw_sha256,
        params_hash,
    from derived.outside_map
),

-- Lists in words, for tools that know no lists.
in_words as (
    select
        *,
        array_to_string(raw_sha256, ', ') as raw_sha256_text,
    from outside_map
)

select * from in_words
