-- Grades of an asset as a whole over a window, hour by hour, with what failed where the grade
-- changed.
--
-- asset
-- from_at, until_at: hours with from_at < as_of <= until_at

with
graded as (
    select
        as_of,
        grade,
        reasons,
        lag(grade) over (order by as_of) as grade_before,
    from marts.asset_quality_hourly
    where asset = $asset and venue = 'all' and as_of > $from_at and as_of <= $until_at
)

select
    as_of,
    grade,
    -- Lists are slow to fetch.
    if(
        grade <> grade_before,
        list_transform(
            list_filter(reasons, lambda reason: reason.severity <> 'information'),
            lambda reason: reason.name
        ),
        null
    ) as reason_names,
from graded
order by as_of
