-- Funding, newest row of each payment.
--
-- Grain: venue, instrument, funded_at
-- Materialized: view

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
            order by ingested_at desc, source
        ) = 1
)

select * from newest
