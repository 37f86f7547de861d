-- Alerts: the newest state of each.
--
-- Grain: alert_key
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

with
newest as (
    select *
    from raw.alert
    qualify
        row_number() over (
            partition by alert_key
            order by revision desc, ingested_at desc, source
        ) = 1
)

select * from newest
