-- What each hourly map of measured positions rests on, by side.
--
-- Materialized: table
-- Known limitation: the states of an hour are of different instants; a position may have changed
-- since its own.

select
    asset,
    as_of,
    provider,
    venue_scope as venue,
    side,
    accounts as account_count,
    positions as position_count,
    observed_quantity as observed_base,
    open_interest_quantity as open_interest_base,
    mark_price,
    observed_quantity / nullif(open_interest_quantity, 0) as observed_open_interest_ratio,
    mapped_quantity / nullif(open_interest_quantity, 0) as mapped_open_interest_ratio,
    without_price_quantity / nullif(observed_quantity, 0) as without_price_ratio,
    beyond_reach_quantity / nullif(observed_quantity, 0) as beyond_reach_ratio,
    passed_quantity / nullif(observed_quantity, 0) as passed_ratio,
    stale_quantity / nullif(observed_quantity + stale_quantity, 0) as stale_ratio,
    cross_quantity / nullif(observed_quantity, 0) as cross_ratio,
    traded_since_quantity / nullif(observed_quantity, 0) as traded_since_ratio,
    within_hour_ratio,
    is_fresh(within_hour_ratio) as is_fresh,
    age_p50_seconds,
    age_p90_seconds,
    age_max_seconds,
    up_to_3x_quantity / nullif(observed_quantity, 0) as up_to_3x_ratio,
    up_to_5x_quantity / nullif(observed_quantity, 0) as up_to_5x_ratio,
    up_to_10x_quantity / nullif(observed_quantity, 0) as up_to_10x_ratio,
    up_to_20x_quantity / nullif(observed_quantity, 0) as up_to_20x_ratio,
    above_20x_quantity / nullif(observed_quantity, 0) as above_20x_ratio,
    collecting_seconds,
from staging.stg_position_coverage
where in_window(as_of) and in_window_assets(asset)
