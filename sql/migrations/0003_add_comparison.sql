-- What comes of maps when they are set side by side: bands, disagreement, consensus, cascades.

create table derived.outside_map (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    venue varchar not null,
    captured_at timestamptz not null,
    "window" varchar,
    unit varchar not null,
    semantics varchar not null,
    reference_price double,
    covered_price_low double not null,
    covered_price_high double not null,
    cell_count bigint not null,
    observed_long_ratio double,
    observed_short_ratio double,
    is_fitting boolean not null,
    raw_sha256 varchar[] not null,
    params_hash varchar not null,
    run_id varchar not null
);

create table derived.band (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    venue varchar not null,
    side varchar not null,
    "rank" integer not null,
    price double not null,
    first_bin_index integer not null,
    last_bin_index integer not null,
    peak_bin_index integer not null,
    liquidation_usd double,
    side_share_ratio double not null,
    volatility_day_ratio double,
    touch_probability_24h_ratio double,
    agreeing_provider_count integer not null,
    provider_count integer not null,
    params_hash varchar not null,
    run_id varchar not null
);

create table derived.map_disagreement (
    asset varchar not null,
    as_of timestamptz not null,
    provider_a varchar not null,
    venue_a varchar not null,
    provider_b varchar not null,
    venue_b varchar not null,
    side varchar not null,
    is_comparable boolean not null,
    reason varchar,
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
    covered_a_ratio double not null,
    covered_b_ratio double not null,
    common_overlap_ratio double,
    unit_a varchar not null,
    unit_b varchar not null,
    semantics_a varchar not null,
    semantics_b varchar not null,
    params_hash_a varchar not null,
    params_hash_b varchar not null,
    run_id varchar not null
);

create table derived.asset_disagreement (
    asset varchar not null,
    as_of timestamptz not null,
    venue varchar not null,
    side varchar not null,
    provider_count integer not null,
    overlap_mean_ratio double,
    overlap_std_ratio double,
    overlap_min_ratio double,
    scale_spread_log_ratio double,
    reach_mean_ratio double,
    placement_mean_ratio double,
    reach_share_ratio double,
    furthest_provider_a varchar,
    furthest_provider_b varchar,
    run_id varchar not null
);

create table derived.consensus (
    asset varchar not null,
    as_of timestamptz not null,
    venue varchar not null,
    side varchar not null,
    price double not null,
    provider_count integer not null,
    first_bin_index integer not null,
    mean_ratio float[] not null,
    min_ratio float[] not null,
    max_ratio float[] not null,
    variation_ratio float[] not null,
    dense_provider_count integer[] not null,
    params_hash varchar not null,
    run_id varchar not null
);

create table derived.cascade_scenario (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    venue varchar not null,
    shock_ratio double not null,
    price double not null,
    volatility_day_ratio double,
    volume_day_usd double,
    forced_first_usd double,
    forced_usd double,
    end_price double,
    slip_bps double,
    amplification_ratio double,
    is_range_exhausted boolean not null,
    params_hash varchar not null,
    run_id varchar not null
);

-- Maps that are there already have not been compared: build them again.
insert into meta.pending_build
select distinct
    asset,
    '-infinity'::timestamptz as from_at,
from meta.built_asset;
