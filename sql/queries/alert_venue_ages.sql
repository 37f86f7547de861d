-- Age of the newest data of each venue in some hours: of an asset, and over all assets ('all').
--
-- A venue that has left what is published keeps its last row for 7 days, and its age grows. One
-- that is no longer followed is left out.
--
-- hours: which hours
-- assets: which assets besides 'all'; null for all
--
-- Grain: asset, hour, key (venue)

with
wanted as (
    select unnest($hours::timestamp[]) as hour
),

feed as (
    select
        venue,
        asset,
        bool_and(expected_until_at is not null) as is_ended,
    from marts.data_feeds
    group by venue, asset
),

observed as (
    select
        quality.asset,
        quality.as_of,
        quality.venue,
        least(
            coalesce(quality.newest_bar_age_seconds, 604800),
            coalesce(quality.newest_open_interest_age_seconds, 604800)
        ) as age_seconds,
        quality.open_interest_share_ratio,
    from marts.asset_quality_hourly as quality
    left join feed on quality.venue = feed.venue and quality.asset = feed.asset
    where
        quality.venue <> 'all'
        and feed.is_ended is distinct from true
        and quality.as_of > (select min(hour) - interval 7 days from wanted)
        and quality.as_of <= (select max(hour) from wanted)
),

newest as (
    select
        wanted.hour,
        observed.asset,
        observed.venue,
        observed.age_seconds + epoch(wanted.hour - observed.as_of) as age_seconds,
        observed.open_interest_share_ratio,
    from wanted
    inner join observed
        on
            wanted.hour >= observed.as_of
            and wanted.hour - interval 7 days < observed.as_of
    qualify observed.as_of = max(observed.as_of) over (
        partition by wanted.hour, observed.asset, observed.venue
    )
),

by_venue as (
    select
        asset,
        hour,
        venue,
        age_seconds,
        open_interest_share_ratio,
        1 as asset_count,
    from newest
    where $assets::varchar[] is null or list_contains($assets::varchar[], asset)
    union all
    select
        'all' as asset,
        hour,
        venue,
        min(age_seconds) as age_seconds,
        null as open_interest_share_ratio,
        count(*) as asset_count,
    from newest
    group by hour, venue
)

select
    asset,
    epoch_us(hour) as hour,
    venue as key,
    age_seconds,
    open_interest_share_ratio,
    asset_count,
from by_venue
order by asset, hour, key
