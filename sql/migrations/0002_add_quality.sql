-- Rows as they came in, measures of quality, gates, and the results of checks.

alter table intermediate.int_instrument_hour add column last_bar_end_at timestamptz;
alter table intermediate.int_instrument_hour add column largest_price_gap_ratio double;
alter table intermediate.int_instrument_hour add column largest_mark_deviation_ratio double;
alter table intermediate.int_instrument_hour add column repeated_bar_count bigint;
alter table intermediate.int_instrument_hour add column median_bar_volume_quantity double;
alter table intermediate.int_instrument_hour add column largest_bar_volume_quantity double;
alter table intermediate.int_instrument_hour add column last_open_interest_at timestamptz;

create table intermediate.int_row_audit (
    venue varchar not null,
    instrument varchar not null,
    asset varchar not null,
    as_of timestamptz not null,
    ohlcv_row_count bigint not null,
    mark_ohlc_row_count bigint not null,
    open_interest_row_count bigint not null,
    impossible_ohlcv_row_count bigint not null,
    impossible_mark_ohlc_row_count bigint not null,
    impossible_open_interest_row_count bigint not null,
    duplicate_row_count bigint not null
);

create table intermediate.int_quality_measures (
    asset varchar not null,
    venue varchar not null,
    as_of timestamptz not null,
    venue_count bigint not null,
    instrument_count bigint not null,
    open_interest_usd double,
    open_interest_share_ratio double,
    open_interest_median_24h_usd double,
    open_interest_median_7d_usd double,
    traded_24h_usd double,
    traded_daily_7d_usd double,
    bar_coverage_24h_ratio double not null,
    bar_coverage_7d_ratio double not null,
    open_interest_coverage_24h_ratio double not null,
    open_interest_coverage_7d_ratio double not null,
    newest_bar_age_seconds double,
    newest_open_interest_age_seconds double,
    impossible_row_24h_ratio double,
    impossible_row_7d_ratio double,
    duplicate_row_24h_ratio double,
    duplicate_row_7d_ratio double,
    repeated_bar_24h_ratio double,
    repeated_bar_7d_ratio double,
    zero_volume_24h_ratio double,
    zero_volume_7d_ratio double,
    violation_24h_ratio double,
    violation_7d_ratio double,
    unit_audit_24h_ratio double,
    unit_audit_7d_ratio double,
    frozen_change_24h_ratio double,
    frozen_change_7d_ratio double,
    frozen_run_24h_seconds double,
    frozen_run_7d_seconds double,
    single_bar_change_24h_ratio double,
    single_bar_change_7d_ratio double,
    three_largest_changes_24h_ratio double,
    three_largest_changes_7d_ratio double,
    whale_concentration_24h_ratio double,
    whale_concentration_7d_ratio double,
    volume_jump_24h_ratio double,
    price_gap_24h_ratio double,
    price_gap_7d_ratio double,
    mark_deviation_24h_ratio double,
    largest_mark_deviation_24h_ratio double,
    price_deviation_24h_ratio double,
    price_deviation_7d_ratio double,
    wick_deviation_24h_ratio double,
    wick_deviation_7d_ratio double,
    consumed_excess_24h_ratio double,
    is_warm_up boolean
);

create table quality.threshold (
    gate varchar not null,
    "position" integer not null,
    measure varchar not null,
    unit varchar not null,
    direction varchar not null,
    "role" varchar not null,
    soft_level double,
    hard_level double,
    is_required boolean not null,
    reason varchar not null
);

create table quality.check_results (
    suite varchar not null,
    check_name varchar not null,
    severity varchar not null,
    scope varchar not null,
    asset varchar,
    venue varchar,
    as_of timestamptz not null,
    success boolean not null,
    observed double,
    threshold double,
    row_count bigint not null,
    unexpected_count bigint not null,
    sample varchar[] not null,
    description varchar not null,
    run_id varchar not null
);
