-- Files of venues' public archives: what was loaded, and which days are not to be had.
--
-- Materialized: table
-- Known limitation: a file that is not published yet has no row until it is overdue.

select * from meta.archive_file
