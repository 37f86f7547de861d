-- Margin brackets, newest set of each validity.
--
-- Grain: venue, instrument, valid_from_at, bracket
-- Materialized: view

-- Rows of one key, source and time taken in are told apart by their values, the smaller first:
-- which one counts depends on nothing but the rows.

with
leverage_bracket as (
    select
        venue,
        instrument,
        valid_from_at,
        bracket,
        notional_floor_usd,
        notional_cap_usd,
        maintenance_margin_ratio,
        maintenance_deduction_usd,
        max_leverage,
        liquidation_fee_ratio,
        source,
        ingested_at,
    from raw.leverage_bracket
),

-- A set counts whole: brackets of an older one with more of them would not fit its newer rows.
newest_set as (
    select *
    from leverage_bracket
    qualify
        dense_rank() over (
            partition by venue, instrument, valid_from_at
            order by ingested_at desc, source
        ) = 1
),

newest as (
    select *
    from newest_set
    qualify
        row_number() over (
            partition by venue, instrument, valid_from_at, bracket
            order by
                notional_floor_usd,
                notional_cap_usd,
                max_leverage,
                maintenance_margin_ratio,
                maintenance_deduction_usd,
                liquidation_fee_ratio
        ) = 1
)

select * from newest
