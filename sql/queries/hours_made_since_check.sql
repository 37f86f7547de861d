-- The first hour with maps made after the last finished check, and how many assets have some.
--
-- from_at, until_at: hours with from_at < as_of <= until_at

with
last_check as (
    select coalesce(max(started_at), '-infinity'::timestamptz) as started_at,
    from meta.pipeline_run
    where job = 'check' and status = 'done'
),

made as (
    select pipeline_run.run_id,
    from meta.pipeline_run as pipeline_run
    inner join last_check on pipeline_run.started_at > last_check.started_at
)

select
    min(heatmap.as_of) as built_from_at,
    count(distinct heatmap.asset) as asset_count,
from derived.heatmap as heatmap
semi join made using (run_id)
where heatmap.as_of > $from_at and heatmap.as_of <= $until_at
