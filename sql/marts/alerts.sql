-- What alerts fired, for which hour, when they cleared, and what they said.
--
-- Materialized: table
-- Known limitation: an alert is here from the publication after the one that it fired on.

with
alert as (
    select
        rule,
        asset,
        key,
        fired_at,
        cleared_at,
        delivered_at,
        title,
        body,
        figures,
        is_withdrawn,
        correction_count,
        alert_key,
    from staging.stg_alert
)

select * from alert
