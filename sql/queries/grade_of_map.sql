-- Grade of an asset on a venue in an hour, and what is behind it; of the asset where the venue has
-- none of its own.
--
-- asset, venue, as_of: the map

select
    grade,
    list_transform(
        list_filter(reasons, lambda reason: reason.severity <> 'information'),
        lambda reason: reason.name
    ) as reason_names,
from marts.asset_quality_hourly
where asset = $asset and venue in ($venue, 'all') and as_of = $as_of
order by venue = 'all'
limit 1
