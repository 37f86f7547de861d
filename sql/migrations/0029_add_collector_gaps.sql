-- What other collectors miss of what they follow, as they last said.

create table meta.collector_gap (
    collector varchar not null,
    venue varchar not null,
    instrument varchar not null,
    kind varchar not null,
    asset varchar not null,
    gap_from timestamptz not null,
    gap_to timestamptz not null,
    missing_count bigint not null,
    is_lost boolean not null,
    lost_since timestamptz,
    lost_reason varchar,
    available_until_at timestamptz,
    answer_count bigint not null,
    answered_at timestamptz,
    checked_at timestamptz not null
);
