-- Prices of stablecoins: the newest row of each instant.
--
-- Grain: venue, pair, observed_at
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

select *
from raw.quote_rate
qualify
    row_number() over (
        partition by venue, pair, observed_at
        order by ingested_at desc, source, price desc
    ) = 1
