-- Liquidations that happened, newest row of each order or period.
--
-- Grain: venue, instrument, period_start_at, period_seconds, side, order_key
-- Materialized: view

with
realised_liquidation as (
    select
        venue,
        instrument,
        period_start_at,
        period_seconds,
        side,
        price,
        liquidated_quantity,
        liquidated_usd,
        is_complete_feed,
        order_key,
        source,
        ingested_at,
    from raw.realised_liquidation
),

newest as (
    select
        venue,
        instrument,
        period_start_at,
        period_seconds,
        side,
        price,
        liquidated_quantity,
        liquidated_usd,
        is_complete_feed,
        order_key,
        source,
        ingested_at,
    from realised_liquidation
    qualify
        row_number() over (
            partition by venue, instrument, period_start_at, period_seconds, side, order_key
            order by ingested_at desc, source
        ) = 1
)

select * from newest
