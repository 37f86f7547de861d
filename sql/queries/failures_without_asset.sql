-- Critical checks that failed for rows without an asset, with their newest hour; the oldest first.
--
-- as_of: last hour

select
    check_name,
    max(as_of) as as_of,
from quality.check_results
where severity = 'critical' and not success and as_of <= $as_of
group by suite, check_name, run_id
having
    coalesce(sum(unexpected_count) filter (where asset is not null), 0)
    < max(unexpected_count) filter (where asset is null)
order by max(as_of), check_name
