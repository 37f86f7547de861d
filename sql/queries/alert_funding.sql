-- Funding, scaled to 8 hours, in some hours and before.
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
        funding_rate_8h_ratio,
        funding_instrument_count,
    from marts.market_context_hourly
    where
        as_of
        between list_min($hours::timestamp[]) - to_hours(list_max($windows::integer[]))
        and list_max($hours::timestamp[])
        and ($assets::varchar[] is null or list_contains($assets::varchar[], asset))
),

wanted as (
    select
        asset,
        as_of as hour,
        funding_rate_8h_ratio,
        funding_instrument_count,
        unnest($windows::integer[]) as over_hours,
    from observed
    where list_contains($hours::timestamp[], as_of)
)

select
    wanted.asset,
    epoch_us(wanted.hour) as hour,
    '' as key,
    wanted.over_hours,
    wanted.funding_rate_8h_ratio - before.funding_rate_8h_ratio as change_ratio,
    wanted.funding_rate_8h_ratio,
    before.funding_rate_8h_ratio as funding_rate_8h_before_ratio,
    wanted.funding_instrument_count,
from wanted
left join observed as before
    on
        wanted.asset = before.asset
        and wanted.hour - to_hours(wanted.over_hours) = before.as_of
order by wanted.asset, hour, wanted.over_hours
