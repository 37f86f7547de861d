-- What is followed, and what of it is missing.

create table meta.feed (
    venue varchar not null,
    instrument varchar not null,
    kind varchar not null,
    asset varchar not null,
    period_seconds integer not null,
    rows_per_slot integer not null,
    tolerance_seconds integer not null,
    lag_seconds integer not null,
    reach_seconds double,
    expected_from_at timestamptz not null,
    expected_until_at timestamptz,
    complete_until_at timestamptz,
    newest_at timestamptz,
    checked_at timestamptz not null
);

create table meta.feed_gap (
    venue varchar not null,
    instrument varchar not null,
    kind varchar not null,
    gap_from timestamptz not null,
    gap_to timestamptz not null
);

create table meta.gap_answer (
    venue varchar not null,
    instrument varchar not null,
    kind varchar not null,
    asked_from_at timestamptz not null,
    asked_to_at timestamptz not null,
    answered_at timestamptz not null
);
