-- Open interest: the newest row of each instant.
--
-- Grain: venue, instrument, observed_at
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

select *
from raw.open_interest
qualify
    row_number() over (
        partition by venue, instrument, observed_at
        order by
            ingested_at desc, source, open_interest_quantity desc, received_amount desc,
            received_amount_unit desc, received_value desc, received_value_unit desc,
            sides_counted desc
    ) = 1
