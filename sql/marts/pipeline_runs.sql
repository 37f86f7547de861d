-- What ran, how long, how many rows, and what went wrong.
--
-- Materialized: table

select
    run_id,
    job,
    as_of,
    started_at,
    finished_at,
    epoch(finished_at - started_at) as run_seconds,
    status,
    row_count,
    detail,
    error,
from meta.pipeline_run
