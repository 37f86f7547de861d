-- Open interest in some hours and before, summed over the venues observed in both.
--
-- Units of the asset, so that price alone moves nothing. A venue missing in one hour changes
-- nothing.
--
-- hours: which hours
-- assets: which assets; null for all
-- windows: spans looked back over, hours
--
-- Grain: asset, hour, over_hours

with
observed as (
    select
        asset,
        as_of,
        venue,
        open_interest_base,
        open_interest_usd,
    from marts.venue_open_interest_hourly
    where
        not is_set_apart
        and as_of
        between list_min($hours::timestamp[]) - to_hours(list_max($windows::integer[]))
        and list_max($hours::timestamp[])
        and ($assets::varchar[] is null or list_contains($assets::varchar[], asset))
),

wanted as (
    select
        asset,
        as_of as hour,
        venue,
        open_interest_base,
        open_interest_usd,
        unnest($windows::integer[]) as over_hours,
    from observed
    where list_contains($hours::timestamp[], as_of)
),

compared as (
    select
        wanted.asset,
        wanted.hour,
        wanted.over_hours,
        sum(wanted.open_interest_base) filter (where before.venue is not null) as base,
        sum(wanted.open_interest_usd) filter (where before.venue is not null) as usd,
        sum(before.open_interest_base) as before_base,
        count(before.venue) as venue_count,
        count(*) as all_venue_count,
    from wanted
    left join observed as before
        on
            wanted.asset = before.asset
            and wanted.venue = before.venue
            and before.as_of = wanted.hour - to_hours(wanted.over_hours)
    group by wanted.asset, wanted.hour, wanted.over_hours
)

select
    asset,
    epoch_us(hour) as hour,
    '' as key,
    over_hours,
    base / nullif(before_base, 0) - 1 as change_ratio,
    usd as open_interest_usd,
    base as open_interest_base,
    before_base as open_interest_before_base,
    venue_count,
    all_venue_count,
from compared
order by asset, hour, over_hours
