-- Prices of stablecoins, newest row of each instant.
--
-- Grain: venue, pair, observed_at
-- Materialized: view

-- Rows of one key, source and time taken in are told apart by their values, the larger first: which
-- one counts depends on nothing but the rows.

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
            order by
                ingested_at desc,
                source,
                price desc
        ) = 1
)

select * from newest
