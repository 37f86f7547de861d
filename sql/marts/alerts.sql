-- What alerts fired, for which hour, when they cleared, and what they said.
--
-- Materialized: table
-- Known limitation: an alert is here from the publication after the one that it fired on.

select
    * exclude (alert_key, revision, source, ingested_at),
    alert_key,
from staging.stg_alert
