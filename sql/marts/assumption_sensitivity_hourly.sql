-- Which guess a map hangs on: how far it changes when one assumption is swapped, at midnight.
--
-- Materialized: table
-- Known limitation: both maps are replayed from the start of the month before, not from the first
-- bar; assumption 'history' says how much that alone changes.

with
assumption_sensitivity as (
    select
        asset,
        as_of,
        provider,
        assumption,
        baseline,
        variant,
        side,
        is_comparable,
        scale_log_ratio,
        overlap_ratio,
        jensen_shannon_bits,
        wasserstein_bps,
        cosine,
        pearson,
        spearman,
        peak_distance_bps,
        band_match_ratio,
        reach_ratio,
        placement_ratio,
        replayed_from_at,
        params_hash,
        variant_params_hash,
    from derived.assumption_sensitivity
)

select * from assumption_sensitivity
