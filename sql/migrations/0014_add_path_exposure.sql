-- What price reached on an asset's reference path, hour by hour, and which hours' capture is out of
-- date.

create table derived.path_exposure (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    side varchar not null,
    exposure double[] not null,
    move_log double not null,
    log_age double,
    map_usd double,
    move_usd double,
    constant_usd double,
    capture_ratio double,
    capture_hour_count integer not null,
    reference_venue varchar not null,
    reference_instrument varchar not null,
    path_from_at timestamptz not null,
    params_hash varchar not null,
    run_id varchar not null
);

create table meta.pending_capture (
    asset varchar not null,
    from_at timestamptz not null,
    until_at timestamptz not null
);

-- The hours stored before have no ledger: they are built again.
insert into meta.pending_build
select distinct
    asset,
    '-infinity'::timestamptz
from meta.built_asset;
