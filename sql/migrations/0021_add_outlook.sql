-- Regressions of published liquidations hour by hour, and what a ledger expects of the next day.

create table derived.forecast_prediction (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    side varchar not null,
    predicted_usd double,
    reason varchar,
    fitted_from_at timestamptz,
    fitted_until_at timestamptz,
    params_hash varchar not null,
    run_id varchar not null
);

create table derived.liquidation_outlook (
    asset varchar not null,
    as_of timestamptz not null,
    side varchar not null,
    provider varchar not null,
    expected_usd double,
    expected_q10_usd double,
    expected_q50_usd double,
    expected_q90_usd double,
    expected_map_usd double,
    expected_move_usd double,
    expected_constant_usd double,
    price double,
    volatility_ahead_ratio double,
    path_count integer not null,
    capture_ratio double,
    reason varchar,
    params_hash varchar,
    run_id varchar not null
);
