-- Which capture of each outside provider represents an hour, and what can be compared in it.
--
-- Materialized: table

-- Lists in words, for tools that know no lists.
select
    * exclude (run_id),
    array_to_string(raw_sha256, ', ') as raw_sha256_text,
from derived.outside_map
