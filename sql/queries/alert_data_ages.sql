-- Age of the newest data of assets in some hours, by kind; over the venues the freshest.
--
-- An asset that has left what is published keeps its last row for 7 days, and its age grows.
--
-- hours: which hours
-- assets: which assets; null for all
--
-- Grain: asset, hour, key (bars or open_interest)

with
wanted as (
    select unnest($hours::timestamp[]) as hour
),

venue as (
    select
        asset,
        as_of,
        venue,
        newest_bar_age_seconds,
        newest_open_interest_age_seconds,
    from marts.asset_quality_hourly
    where
        venue <> 'all'
        and ($assets::varchar[] is null or list_contains($assets::varchar[], asset))
        and as_of > (select min(hour) - interval 7 days from wanted)
        and as_of <= (select max(hour) from wanted)
),

newest as (
    select
        wanted.hour,
        venue.asset,
        venue.as_of,
        min(venue.newest_bar_age_seconds) as bar_age_seconds,
        min(venue.newest_open_interest_age_seconds) as open_interest_age_seconds,
        count(*) as venue_count,
    from wanted
    inner join venue
        on
            wanted.hour >= venue.as_of
            and wanted.hour - interval 7 days < venue.as_of
    group by wanted.hour, venue.asset, venue.as_of
    qualify venue.as_of = max(venue.as_of) over (partition by wanted.hour, venue.asset)
),

aged as (
    select
        asset,
        hour,
        venue_count,
        unnest(['bars', 'open_interest']) as key,
        -- No age is no bar in 7 days; open interest may never have been there.
        unnest([coalesce(bar_age_seconds, 604800), open_interest_age_seconds])
        + epoch(hour - as_of) as age_seconds,
        epoch(hour - as_of) as unpublished_seconds,
    from newest
)

select
    asset,
    epoch_us(hour) as hour,
    key,
    age_seconds,
    unpublished_seconds,
    venue_count,
from aged
order by asset, hour, key
