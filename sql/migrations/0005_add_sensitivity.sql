-- What maps hang on: how far they change when one assumption is swapped.

create table derived.assumption_sensitivity (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    assumption varchar not null,
    baseline varchar not null,
    variant varchar not null,
    side varchar not null,
    is_comparable boolean not null,
    scale_log_ratio double,
    overlap_ratio double,
    jensen_shannon_bits double,
    wasserstein_bps double,
    cosine double,
    pearson double,
    spearman double,
    peak_distance_bps double,
    band_match_ratio double,
    reach_ratio double,
    placement_ratio double,
    replayed_from_at timestamptz not null,
    map_run_id varchar not null,
    params_hash varchar not null,
    variant_params_hash varchar not null,
    run_id varchar not null
);
