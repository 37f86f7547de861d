-- Prices of stablecoins, newest row of each instant.
--
-- Grain: venue, pair, observed_at
-- Materialized: view

with
quote_rate as (
    select
        venue,
        pair,
        observed_at,
        price,
        source,
        ingested_at,
    from raw.quote_rate
),

newest as (
    select
        venue,
        pair,
        observed_at,
        price,
        source,
        ingested_at,
    from quote_rate
    qualify
        row_number() over (
            partition by venue, pair, observed_at
            order by ingested_at desc, source
        ) = 1
)

select * from newest
