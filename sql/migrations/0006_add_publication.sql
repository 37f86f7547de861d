-- What the published file holds, so that the next one can be made from it.

create table meta.pending_file (
    published_day date not null
);

create table meta.publication (
    publication_id varchar not null,
    form_sha256 varchar not null,
    window_start_at timestamptz not null
);
