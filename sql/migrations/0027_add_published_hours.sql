-- When each hour of an asset was first published, and which publication changed it since.

create table meta.published_hour (
    asset varchar not null,
    as_of timestamptz not null,
    first_published_at timestamptz,
    publication_id varchar
);

create table meta.published_change (
    publication_id varchar not null,
    published_at timestamptz not null,
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    reason varchar not null,
    evidence varchar not null,
    relations varchar not null,
    replaced_row_count bigint not null,
    removed_row_count bigint not null,
    added_row_count bigint not null,
    not_kept varchar,
    map_before_usd double,
    map_after_usd double,
    moved_usd double,
    near_long_change_usd double,
    near_short_change_usd double,
    grade_before varchar,
    grade_after varchar
);
