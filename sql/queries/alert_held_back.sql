-- What failed checks hold back from publication in some hours: assets, and everything ('all').
--
-- A critical check that failed for an hour holds back from that hour on, until it passes.
--
-- hours: which hours
-- assets: which assets besides 'all'; null for all
--
-- Grain: asset, hour

with
wanted as (
    select unnest($hours::timestamp[]) as hour
),

failed as (
    select
        suite,
        check_name,
        asset,
        as_of,
        description,
        unexpected_count,
    from quality.check_results
    where severity = 'critical' and not success
),

-- A check fails for rows without an asset where its assets do not account for all rows that fail.
stopping as (
    select
        'all' as asset,
        as_of,
        check_name,
        any_value(description) as description,
    from failed
    group by suite, check_name, as_of
    having
        coalesce(sum(unexpected_count) filter (where asset is not null), 0)
        < max(unexpected_count) filter (where asset is null)
),

holding as (
    select * from stopping
    union all
    select
        asset,
        as_of,
        check_name,
        description,
    from failed
    where asset is not null
),

followed as (
    select distinct
        as_of as hour,
        asset,
    from marts.asset_quality_hourly
    where list_contains($hours::timestamp[], as_of)
    union
    select
        wanted.hour,
        holding.asset,
    from wanted
    inner join holding on wanted.hour >= holding.as_of
    union
    select
        hour,
        'all' as asset,
    from wanted
),

judged as (
    select
        followed.asset,
        followed.hour,
        count(holding.check_name) as failed_count,
        min(holding.as_of) as held_from_at,
        array_to_string(list_sort(list(distinct holding.check_name)), ', ') as check_names,
        arg_min(holding.description, (holding.as_of, holding.check_name)) as description,
    from followed
    left join holding
        on followed.asset = holding.asset and followed.hour >= holding.as_of
    group by followed.asset, followed.hour
)

select
    asset,
    epoch_us(hour) as hour,
    '' as key,
    failed_count,
    epoch(hour - held_from_at) as held_seconds,
    nullif(check_names, '') as check_names,
    description,
from judged
where asset = 'all' or $assets::varchar[] is null or list_contains($assets::varchar[], asset)
order by asset, hour
