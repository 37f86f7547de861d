-- How far two providers' maps of one asset and hour differ, and in what.
--
-- Materialized: table
-- Known limitation: prices that a provider does not cover count as empty; see the covered ratios.

with
map_disagreement as (
    select
        asset,
        as_of,
        venue_a as venue,
        provider_a,
        provider_b,
        side,
        is_comparable,
        reason,
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
        covered_a_ratio,
        covered_b_ratio,
        common_overlap_ratio,
        unit_a,
        unit_b,
        semantics_a,
        semantics_b,
        params_hash_a,
        params_hash_b,
    from derived.map_disagreement
    where venue_a = venue_b
)

select * from map_disagreement
