-- Liquidations that happened: the newest row of each order or period.
--
-- Grain: venue, instrument, period_start_at, period_seconds, side, order_key
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone. An amount that is
-- negative or no number is not known.

with
newest as (
    select *
    from raw.realised_liquidation
    qualify
        row_number() over (
            partition by venue, instrument, period_start_at, period_seconds, side, order_key
            order by
                ingested_at desc, source, price desc, liquidated_quantity desc,
                liquidated_usd desc, is_complete_feed desc
        ) = 1
)

select
    * replace (
        if(isfinite(liquidated_usd) and liquidated_usd >= 0, liquidated_usd, null) as liquidated_usd
    ),
from newest
