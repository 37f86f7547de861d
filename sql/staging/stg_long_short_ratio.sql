-- Long/short ratios: the newest row of each instant.
--
-- Grain: venue, instrument, measure, observed_at
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

select *
from raw.long_short_ratio
qualify
    row_number() over (
        partition by venue, instrument, measure, observed_at
        order by ingested_at desc, source, long_short_ratio desc
    ) = 1
