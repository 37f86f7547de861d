-- Grades of an asset as a whole over a window, hour by hour, with what failed.
--
-- asset
-- from_at, until_at: hours with from_at < as_of <= until_at

select
    as_of,
    grade,
    list_transform(
        list_filter(reasons, lambda reason: reason.severity <> 'information'),
        lambda reason: reason.name
    ) as reason_names,
from marts.asset_quality_hourly
where asset = $asset and venue = 'all' and as_of > $from_at and as_of <= $until_at
order by as_of
