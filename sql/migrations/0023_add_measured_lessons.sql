-- What followed accounts teach: leverage they use, what becomes of their positions, parameters.

create table derived.measured_leverage (
    asset varchar not null,
    as_of timestamptz not null,
    venue varchar not null,
    size varchar not null,
    kind varchar not null,
    basis varchar not null,
    leverage double not null,
    quantity_ratio double,
    quantity_low_ratio double,
    quantity_high_ratio double,
    count_ratio double,
    count_low_ratio double,
    count_high_ratio double,
    position_count bigint not null,
    account_count bigint not null,
    sampled_account_ratio double not null,
    reason varchar,
    run_id varchar not null
);

create table derived.measured_survival (
    asset varchar not null,
    as_of timestamptz not null,
    venue varchar not null,
    leverage_class varchar not null,
    distance varchar not null,
    horizon_hours integer not null,
    outcome varchar not null,
    quantity_ratio double,
    quantity_low_ratio double,
    quantity_high_ratio double,
    count_ratio double,
    count_low_ratio double,
    count_high_ratio double,
    position_count bigint not null,
    account_count bigint not null,
    sampled_account_ratio double not null,
    reason varchar,
    run_id varchar not null
);

create table derived.measured_parameter (
    as_of timestamptz not null,
    venue varchar not null,
    parameter varchar not null,
    leverage double not null,
    weighting varchar not null,
    value double,
    low double,
    high double,
    latest_value double,
    shipped_value double,
    unit varchar not null,
    position_count bigint not null,
    account_count bigint not null,
    sampled_account_ratio double not null,
    is_assumption boolean not null,
    reason varchar,
    run_id varchar not null
);
