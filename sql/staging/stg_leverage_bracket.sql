-- Margin brackets: the newest set of each validity.
--
-- Grain: venue, instrument, valid_from_at, bracket
-- Materialized: view

-- Smaller values break ties, so that the result depends on the rows alone.

with
-- A set counts whole: brackets of an older set with more brackets would not fit the newer rows.
newest_set as (
    select *
    from raw.leverage_bracket
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
                notional_floor_usd, notional_cap_usd, max_leverage, maintenance_margin_ratio,
                maintenance_deduction_usd, liquidation_fee_ratio
        ) = 1
)

select * from newest
