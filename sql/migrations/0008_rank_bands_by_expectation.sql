-- Bands by zone, ranked by what is expected to be forced of them; start-up mass left out.

drop table derived.band;

create table derived.band (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    venue varchar not null,
    side varchar not null,
    "rank" integer not null,
    size_rank integer not null,
    "zone" varchar not null,
    price double not null,
    first_bin_index integer not null,
    last_bin_index integer not null,
    peak_bin_index integer not null,
    liquidation_usd double,
    expected_forced_usd_24h double,
    side_expected_forced_usd_24h double,
    side_share_ratio double not null,
    start_up_ratio double,
    volatility_day_ratio double,
    volatility_month_ratio double,
    volatility_hour_count integer not null,
    touch_probability_24h_ratio double,
    agreeing_provider_count integer not null,
    provider_count integer not null,
    params_hash varchar not null,
    run_id varchar not null
);

-- Bands are found anew from the maps that are there.
insert into meta.pending_build
select distinct
    asset,
    '-infinity'::timestamptz as from_at,
from meta.built_asset;
