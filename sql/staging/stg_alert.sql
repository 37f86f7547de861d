-- Alerts: the newest state of each.
--
-- Grain: alert_key
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

select *
from raw.alert
qualify
    row_number() over (
        partition by alert_key
        order by
            revision desc, ingested_at desc, source, rule desc, asset desc, key desc,
            fired_at desc, cleared_at desc, delivered_at desc, title desc, body desc,
            figures desc, is_withdrawn desc, correction_count desc
    ) = 1
