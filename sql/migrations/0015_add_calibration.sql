-- What models were fitted to: every parameter with its span, and why there is no fit where there
-- is none.

create table derived.calibration (
    asset varchar not null,
    provider varchar not null,
    valid_from_at timestamptz not null,
    parameter varchar not null,
    parameter_index integer not null,
    value double,
    low double,
    high double,
    log_sd double,
    is_identified boolean,
    unit varchar not null,
    params_hash varchar,
    structure_hash varchar,
    fitted_on varchar not null,
    realised_feeds varchar[] not null,
    realised_venues varchar[] not null,
    is_realised_complete boolean,
    fitted_from_at timestamptz,
    fitted_until_at timestamptz,
    hour_count bigint not null,
    volume_usd double,
    is_short_fit boolean not null,
    is_pooled boolean not null,
    status varchar not null,
    reason varchar,
    run_id varchar not null
);
