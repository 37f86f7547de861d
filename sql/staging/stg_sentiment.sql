-- Sentiment indices: the newest row of each day.
--
-- Grain: index_name, observed_at
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

select *
from raw.sentiment
qualify
    row_number() over (
        partition by index_name, observed_at
        order by ingested_at desc, source, index_value desc, classification desc
    ) = 1
