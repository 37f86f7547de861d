-- Hours in which a map rests on little, and why: warm_up where most of the open interest
-- belongs to series in warm-up, stale where less than half of the measured positions were seen
-- within the hour or a capture was drawn around a price that was not traded in it.
--
-- asset, provider, venue: whose map; venue 'all' is all of them
-- from_at, until_at: hours with from_at < as_of <= until_at

with
flagged as (
    select
        as_of,
        'warm_up' as flag,
    from marts.series_books_hourly
    where asset = $asset and provider = $provider and $venue in (venue, 'all')
    group by as_of
    having
        coalesce(sum(open_interest_base) filter (where is_warm_up), 0)
        > 0.5 * sum(open_interest_base)
    union
    select
        as_of,
        'stale' as flag,
    from marts.measured_coverage_hourly
    where
        asset = $asset
        and provider = $provider
        and $venue in (venue, 'all')
        and observed_base > 0
    group by as_of
    having not bool_and(is_fresh)
    union
    select
        as_of,
        'stale' as flag,
    from marts.outside_maps_hourly
    where asset = $asset and provider = $provider and venue = $venue and not is_fitting
)

select
    epoch(as_of) as as_of,
    flag,
from flagged
where as_of > $from_at and as_of <= $until_at
