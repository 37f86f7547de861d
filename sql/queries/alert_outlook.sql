-- Liquidations expected of the 24 hours after a midnight, for the hours of that day.
--
-- hours: which hours
-- assets: which assets; null for all
--
-- Grain: asset, hour

with
wanted as (
    select unnest($hours::timestamp[]) as hour
),

outlook as (
    select
        wanted.hour,
        expected.asset,
        expected.as_of,
        max(if(expected.side = 'long', expected.expected_usd, null)) as long_usd,
        max(if(expected.side = 'long', expected.expected_q10_usd, null)) as long_q10_usd,
        max(if(expected.side = 'long', expected.expected_q90_usd, null)) as long_q90_usd,
        max(if(expected.side = 'short', expected.expected_usd, null)) as short_usd,
        max(if(expected.side = 'short', expected.expected_q10_usd, null)) as short_q10_usd,
        max(if(expected.side = 'short', expected.expected_q90_usd, null)) as short_q90_usd,
        any_value(expected.provider) as provider,
        bool_and(expected.capture_ratio is not null) as is_capture_known,
        max(expected.reason) as unknown_reason,
    from wanted
    inner join marts.liquidation_outlook_daily as expected
        on
            wanted.hour >= expected.as_of
            and wanted.hour - interval 24 hours < expected.as_of
    where $assets::varchar[] is null or list_contains($assets::varchar[], expected.asset)
    group by wanted.hour, expected.asset, expected.as_of
    qualify expected.as_of = max(expected.as_of) over (
        partition by expected.asset, wanted.hour
    )
)

select
    asset,
    epoch_us(hour) as hour,
    '' as key,
    provider,
    long_usd,
    long_q10_usd,
    long_q90_usd,
    short_usd,
    short_q10_usd,
    short_q90_usd,
    is_capture_known,
    epoch(hour - as_of) as outlook_age_seconds,
    unknown_reason,
from outlook
order by asset, hour
