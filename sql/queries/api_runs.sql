-- What ran, the newest first.
--
-- job: NULL for all
-- row_count, first_row: the page

select *
from marts.pipeline_runs
where job = coalesce($job, job)
order by started_at desc, run_id
limit $row_count offset $first_row
