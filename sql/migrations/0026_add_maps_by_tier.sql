-- Maps by leverage tier and odds of touch by bin, of the newest hours. Hours stored before have
-- neither: each hour that is built from here on adds its own.

create table derived.heatmap_by_tier (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    venue varchar not null,
    side varchar not null,
    leverage double not null,
    price double not null,
    first_bin_index integer not null,
    liquidation_usd float[] not null,
    params_hash varchar not null,
    run_id varchar not null
);

create table derived.touch_odds (
    asset varchar not null,
    as_of timestamptz not null,
    venue varchar not null,
    price double not null,
    volatility_ahead_ratio double,
    volatility_hour_count integer not null,
    first_bin_index integer not null,
    touch_probability_24h_ratio float[],
    run_id varchar not null
);
