-- How far one provider's maps of two venues differ.
--
-- Materialized: table

select
    asset,
    as_of,
    provider_a as provider,
    venue_a,
    venue_b,
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
    unit_a as unit,
    semantics_a as semantics,
    params_hash_a as params_hash,
from derived.map_disagreement
where venue_a <> venue_b
