-- Long/short ratios, newest row of each instant.
--
-- Grain: venue, instrument, measure, observed_at
-- Materialized: view

-- Rows of one key, source and time taken in are told apart by their values, the larger first: which
-- one counts depends on nothing but the rows.

with
long_short_ratio as (
    select
        venue,
        instrument,
        observed_at,
        measure,
        long_short_ratio,
        source,
        ingested_at,
    from raw.long_short_ratio
),

newest as (
    select
        venue,
        instrument,
        observed_at,
        measure,
        long_short_ratio,
        source,
        ingested_at,
    from long_short_ratio
    qualify
        row_number() over (
            partition by venue, instrument, measure, observed_at
            order by
                ingested_at desc,
                source,
                long_short_ratio desc
        ) = 1
)

select * from newest
