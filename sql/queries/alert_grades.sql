-- Grade of every asset in some hours, and how old its newest data are.
--
-- hours: which hours
--
-- Grain: asset, hour

with
venue as (
    select
        asset,
        as_of,
        min(newest_bar_age_seconds) as newest_bar_age_seconds,
        min(newest_open_interest_age_seconds) as newest_open_interest_age_seconds,
    from marts.asset_quality_hourly
    where list_contains($hours::timestamp[], as_of) and venue <> 'all'
    group by asset, as_of
)

select
    whole.asset,
    epoch_us(whole.as_of) as hour,
    whole.grade,
    venue.newest_bar_age_seconds,
    venue.newest_open_interest_age_seconds,
from marts.asset_quality_hourly as whole
left join venue on whole.asset = venue.asset and whole.as_of = venue.as_of
where whole.venue = 'all' and list_contains($hours::timestamp[], whole.as_of)
order by whole.asset, hour
