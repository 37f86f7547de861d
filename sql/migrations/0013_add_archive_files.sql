-- Which files of venues' public archives were loaded, and which are not to be had.

create table meta.archive_file (
    path varchar not null,
    venue varchar not null,
    instrument varchar not null,
    dataset varchar not null,
    period varchar not null,
    first_day date not null,
    end_day date not null,
    status varchar not null,
    row_count bigint not null,
    sha256 varchar,
    message varchar,
    checked_at timestamptz not null
);
