-- Funding payments: the newest row of each.
--
-- Grain: venue, instrument, funded_at
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

select *
from raw.funding_rate
qualify
    row_number() over (
        partition by venue, instrument, funded_at
        order by ingested_at desc, source, funding_rate_ratio desc, funding_interval_hours desc
    ) = 1
