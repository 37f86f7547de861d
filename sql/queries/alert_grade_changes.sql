-- Grade of assets in some hours, and the one before: the newest of the 24 hours before the hour.
--
-- hours: which hours
-- assets: which assets; null for all
--
-- Grain: asset, hour

with
wanted as (
    select unnest($hours::timestamp[]) as hour
),

graded as (
    select
        asset,
        as_of,
        grade,
        array_to_string(
            list_transform(
                list_filter(reasons, lambda reason: reason.severity <> 'information'),
                lambda reason: reason.name
            ),
            ', '
        ) as reason_names,
    from marts.asset_quality_hourly
    where
        venue = 'all'
        and ($assets::varchar[] is null or list_contains($assets::varchar[], asset))
        and as_of >= (select min(hour) - interval 24 hours from wanted)
        and as_of <= (select max(hour) from wanted)
),

followed as (
    select
        asset,
        as_of as hour,
        grade,
        reason_names,
        lag(as_of) over before as before_at,
        lag(grade) over before as grade_before,
    from graded
    window before as (partition by asset order by as_of)
)

select
    asset,
    epoch_us(hour) as hour,
    grade as key,
    grade,
    if(before_at >= hour - interval 24 hours, grade_before, null) as grade_before,
    -- 1 for a grade lower by one.
    if(before_at >= hour - interval 24 hours, ascii(grade) - ascii(grade_before), null)::double
        as grades_lower,
    reason_names,
from followed
where list_contains($hours::timestamp[], hour)
order by asset, hour
