-- Long/short ratios, newest row of each instant.
--
-- Grain: venue, instrument, measure, observed_at
-- Materialized: view

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
            order by ingested_at desc, source
        ) = 1
)

select * from newest
