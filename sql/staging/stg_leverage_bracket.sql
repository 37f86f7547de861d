-- Margin brackets, newest row of each bracket and validity.
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
        source,
        ingested_at,
    from raw.leverage_bracket
),

newest as (
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
        source,
        ingested_at,
    from leverage_bracket
    qualify
        row_number() over (
            partition by venue, instrument, valid_from_at, bracket
            order by ingested_at desc, source
        ) = 1
)

select * from newest
