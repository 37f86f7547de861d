-- What each model predicted for an hour, to be held against what was liquidated in it.

create table intermediate.int_prediction_hour (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    venue varchar not null,
    side varchar not null,
    method varchar not null,
    consumed_usd double,
    swept_usd double,
    move_usd double,
    constant_usd double,
    exposure double,
    capture_ratio double,
    capture_hour_count integer,
    reference_venue varchar,
    params_hash varchar not null
);

-- The hours stored before have none: they are built again.
insert into meta.pending_build
select distinct
    asset,
    '-infinity'::timestamptz
from meta.built_asset;
