-- Whether the model's books agree with the market, hour by hour.
--
-- Materialized: table

with
series_hour as (
    select
        asset,
        as_of,
        provider,
        venue,
        instrument,
        price,
        open_interest_base,
        long_base,
        short_base,
        consumed_long_base,
        consumed_short_base,
        swept_long_base,
        swept_short_base,
        excess_long_base,
        excess_short_base,
        balance_factor_min,
        balance_factor_max,
        books_error_ratio,
        bar_count,
        violation_count,
        imputed_count,
        liquidation_price_source,
        start_up_long_ratio,
        start_up_short_ratio,
        start_up_in_range_ratio,
        is_warm_up,
        brackets_source,
        brackets_valid_from_at,
        default_ladder,
        liquidation_fee_ratio,
        has_maintenance_deduction,
        reference_bracket,
        reference_floor_usd,
        reference_cap_usd,
        reference_max_leverage,
        reference_maintenance_margin_ratio,
        params_hash,
    from derived.series_hour
)

select * from series_hour
