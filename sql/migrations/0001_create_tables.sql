-- Every stored table of the first release.

create schema meta;
create schema raw;
create schema staging;
create schema intermediate;
create schema derived;
create schema quality;
create schema marts;

create table meta.schema_migrations (
    name varchar not null,
    sha256 varchar not null,
    applied_at timestamptz not null
);

create table meta.landing_file (
    file_name varchar not null,
    sha256 varchar not null,
    kind varchar not null,
    row_count bigint not null,
    loaded_at timestamptz not null,
    run_id varchar not null
);

create table meta.pending_build (
    asset varchar not null,
    from_at timestamptz not null
);

create table meta.built_asset (
    asset varchar not null,
    provider varchar not null,
    params_hash varchar not null,
    built_until_at timestamptz not null,
    last_bar_end_at timestamptz not null
);

create table meta.pipeline_run (
    run_id varchar not null,
    job varchar not null,
    as_of timestamptz,
    started_at timestamptz not null,
    finished_at timestamptz,
    status varchar not null,
    row_count bigint,
    detail varchar,
    error varchar
);

create table meta.pending_publish (
    published_day date not null
);

create table raw.instrument (
    venue varchar not null,
    instrument varchar not null,
    asset varchar not null,
    quote varchar not null,
    contract_kind varchar not null,
    contract_size double not null,
    base_multiplier double not null,
    tick_size double,
    is_active boolean not null,
    observed_at timestamptz not null,
    source varchar not null,
    ingested_at timestamptz not null
);

create table raw.ohlcv (
    venue varchar not null,
    instrument varchar not null,
    bar_start_at timestamptz not null,
    bar_seconds integer not null,
    open double not null,
    high double not null,
    low double not null,
    close double not null,
    volume_quantity double not null,
    taker_buy_quantity double,
    trade_count bigint,
    source varchar not null,
    ingested_at timestamptz not null
);

create table raw.mark_ohlc (
    venue varchar not null,
    instrument varchar not null,
    bar_start_at timestamptz not null,
    bar_seconds integer not null,
    mark_open double,
    mark_high double,
    mark_low double,
    mark_close double not null,
    source varchar not null,
    ingested_at timestamptz not null
);

create table raw.open_interest (
    venue varchar not null,
    instrument varchar not null,
    observed_at timestamptz not null,
    open_interest_quantity double not null,
    received_amount double,
    received_amount_unit varchar,
    received_value double,
    received_value_unit varchar,
    source varchar not null,
    ingested_at timestamptz not null
);

create table raw.funding_rate (
    venue varchar not null,
    instrument varchar not null,
    funded_at timestamptz not null,
    funding_rate_ratio double not null,
    funding_interval_hours double,
    source varchar not null,
    ingested_at timestamptz not null
);

create table raw.realised_liquidation (
    venue varchar not null,
    instrument varchar not null,
    period_start_at timestamptz not null,
    period_seconds integer not null,
    side varchar not null,
    price double,
    liquidated_quantity double,
    liquidated_usd double,
    is_complete_feed boolean not null,
    order_key varchar not null,
    source varchar not null,
    ingested_at timestamptz not null
);

create table raw.long_short_ratio (
    venue varchar not null,
    instrument varchar not null,
    observed_at timestamptz not null,
    measure varchar not null,
    long_short_ratio double not null,
    source varchar not null,
    ingested_at timestamptz not null
);

create table raw.sentiment (
    index_name varchar not null,
    observed_at timestamptz not null,
    index_value double not null,
    classification varchar,
    source varchar not null,
    ingested_at timestamptz not null
);

create table raw.leverage_bracket (
    venue varchar not null,
    instrument varchar not null,
    valid_from_at timestamptz not null,
    bracket integer not null,
    notional_floor_usd double not null,
    notional_cap_usd double,
    maintenance_margin_ratio double not null,
    maintenance_deduction_usd double not null,
    max_leverage double not null,
    source varchar not null,
    ingested_at timestamptz not null
);

create table raw.provider_map (
    provider varchar not null,
    model varchar not null,
    venue_scope varchar not null,
    asset varchar not null,
    as_of timestamptz not null,
    "window" varchar,
    price_low double not null,
    price_high double not null,
    side varchar not null,
    leverage double,
    value double not null,
    unit varchar not null,
    semantics varchar not null,
    reference_price double,
    observed_open_interest_ratio double,
    raw_sha256 varchar not null,
    source varchar not null,
    ingested_at timestamptz not null
);

create table intermediate.int_instrument_hour (
    venue varchar not null,
    instrument varchar not null,
    asset varchar not null,
    contract_kind varchar not null,
    as_of timestamptz not null,
    bar_seconds integer not null,
    bar_count bigint not null,
    open double not null,
    high double not null,
    low double not null,
    close double not null,
    mark_close double,
    squared_log_return double,
    volume_quantity double not null,
    volume_base double not null,
    volume_usd double not null,
    taker_buy_base double,
    zero_volume_bar_count bigint not null,
    open_interest_observed_count bigint not null,
    open_interest_quantity double,
    open_interest_base double,
    open_interest_usd double,
    change_observed_count bigint not null,
    violation_count bigint not null,
    absolute_change_quantity double,
    largest_changes_quantity double[],
    largest_change_ratio double,
    unchanged_traded_bar_count bigint not null,
    audit_deviation_ratio double
);

create table derived.heatmap (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    venue varchar not null,
    side varchar not null,
    price double not null,
    first_bin_index integer not null,
    liquidation_usd float[] not null,
    unit varchar not null,
    semantics varchar not null,
    params_hash varchar not null,
    run_id varchar not null
);

create table derived.leverage_exposure (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    venue varchar not null,
    instrument varchar not null,
    side varchar not null,
    tier varchar[] not null,
    position_base double[] not null,
    position_usd double[] not null,
    near_base double[] not null,
    near_usd double[] not null,
    params_hash varchar not null,
    run_id varchar not null
);

create table derived.series_hour (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    venue varchar not null,
    instrument varchar not null,
    price double not null,
    open_interest_base double not null,
    long_base double not null,
    short_base double not null,
    consumed_long_base double,
    consumed_short_base double,
    excess_long_base double,
    excess_short_base double,
    balance_factor_min double,
    balance_factor_max double,
    books_error_ratio double not null,
    bar_count bigint not null,
    violation_count bigint not null,
    imputed_count bigint not null,
    liquidation_price_source varchar not null,
    is_warm_up boolean not null,
    params_hash varchar not null,
    run_id varchar not null
);

create table derived.model_checkpoint (
    asset varchar not null,
    checkpoint_at timestamptz not null,
    provider varchar not null,
    venue varchar not null,
    instrument varchar not null,
    first_bar_at timestamptz not null,
    last_bar_end_at timestamptz not null,
    observed_bar_end_at timestamptz not null,
    state blob not null,
    params_hash varchar not null,
    run_id varchar not null
);

create table derived.estimator_parameter (
    params_hash varchar not null,
    provider varchar not null,
    parameter varchar not null,
    value varchar not null,
    unit varchar not null,
    reason varchar not null
);

create table quality.quarantine (
    kind varchar not null,
    venue varchar,
    instrument varchar,
    input_name varchar not null,
    row_number bigint,
    column_name varchar,
    reason varchar not null,
    received varchar not null,
    source varchar not null,
    ingested_at timestamptz not null
);
