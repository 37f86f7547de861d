-- Sentiment, newest row of each day.
--
-- Grain: index_name, observed_at
-- Materialized: view

-- Rows of one key, source and time taken in are told apart by their values, the larger first: which
-- one counts depends on nothing but the rows.

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
            order by
                ingested_at desc,
                source,
                index_value desc,
                classification desc
        ) = 1
)

select * from newest
