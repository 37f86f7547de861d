-- Funding, newest row of each payment.
--
-- Grain: venue, instrument, funded_at
-- Materialized: view

-- Rows of one key, source and time taken in are told apart by their values, the larger first: which
-- one counts depends on nothing but the rows.

with
funding_rate as (
    select
        venue,
        instrument,
        funded_at,
        funding_rate_ratio,
        funding_interval_hours,
        source,
        ingested_at,
    from raw.funding_rate
),

newest as (
    select
        venue,
        instrument,
        funded_at,
        funding_rate_ratio,
        funding_interval_hours,
        source,
        ingested_at,
    from funding_rate
    qualify
        row_number() over (
            partition by venue, instrument, funded_at
            order by
                ingested_at desc,
                source,
                funding_rate_ratio desc,
                funding_interval_hours desc
        ) = 1
)

select * from newest
