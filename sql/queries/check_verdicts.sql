-- Grades of assets in the window that have maps, and those that lack a reason.

with
built as (
    select distinct
        asset,
        as_of,
    from derived.series_hour
    where in_window(as_of)
),

whole as (
    select
        asset,
        as_of,
        grade,
        reasons,
    from marts.asset_quality_hourly
    where venue = 'all'
)

select
    asset,
    'all' as venue,
    as_of,
    grade,
    (grade <> 'A' and len(reasons) = 0)::integer as unexplained_count,
from built
left join whole using (asset, as_of)
