-- Liquidations that happened, newest row of each order or period.
--
-- Grain: venue, instrument, period_start_at, period_seconds, side, order_key
-- Materialized: view

-- Rows of one key, source and time taken in are told apart by their values, the larger first: which
-- one counts depends on nothing but the rows.

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
            order by
                ingested_at desc,
                source,
                price desc,
                liquidated_quantity desc,
                liquidated_usd desc,
                is_complete_feed desc
        ) = 1
)

select * from newest
