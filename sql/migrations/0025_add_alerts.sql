-- Alerts that fired, as the alert ledger of the home held them when they landed.

create table raw.alert (
    alert_key varchar not null,
    rule varchar not null,
    asset varchar not null,
    key varchar not null,
    fired_at timestamptz not null,
    cleared_at timestamptz,
    delivered_at timestamptz,
    title varchar not null,
    body varchar not null,
    figures varchar not null,
    is_withdrawn boolean not null,
    correction_count bigint not null,
    revision bigint not null,
    source varchar not null,
    ingested_at timestamptz not null
);
