-- Sentiment, newest row of each day.
--
-- Grain: index_name, observed_at
-- Materialized: view

with
sentiment as (
    select
        index_name,
        observed_at,
        index_value,
        classification,
        source,
        ingested_at,
    from raw.sentiment
),

newest as (
    select
        index_name,
        observed_at,
        index_value,
        classification,
        source,
        ingested_at,
    from sentiment
    qualify
        row_number() over (
            partition by index_name, observed_at
            order by ingested_at desc, source
        ) = 1
)

select * from newest
