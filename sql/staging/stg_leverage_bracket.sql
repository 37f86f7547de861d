-- Margin brackets, newest set of each validity.
--
-- Grain: venue, instrument, valid_from_at, bracket
-- Materialized: view

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
            order by notional_floor_usd, notional_cap_usd, max_leverage
        ) = 1
)

select * from newest
