-- Files of venues' public archives: what was loaded, and which days are not to be had.
--
-- Materialized: table
-- Known limitation: a file that is not published yet has no row until it is overdue.

with
archive_file as (
    select
        path,
        venue,
        instrument,
        dataset,
        period,
        first_day,
        end_day,
        status,
        row_count,
        sha256,
        message,
        checked_at,
    from meta.archive_file
)

select * from archive_file
