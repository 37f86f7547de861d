-- USD traded in a mean hour on an asset's most traded linear contract, over the week before each of
-- some midnights, as far as there are bars; before there are any, in the first hour with bars.
--
-- assets: which assets
-- midnights: the ends of the weeks

with
instrument as (
    select
        venue,
        instrument,
        asset,
    from staging.stg_instrument
    where list_contains($assets, asset) and contract_kind = 'linear'
),

-- Duplicates and bars of two lengths leave a rate as it is.
bar as (
    select
        instrument.asset,
        instrument.venue,
        instrument.instrument,
        bar_start_at,
        bar_seconds,
        volume_quantity * close as usd,
    from raw.ohlcv
    inner join instrument using (venue, instrument)
    where
        bar_start_at >= list_min($midnights::timestamptz[]) - interval 7 days
        and bar_start_at < list_max($midnights::timestamptz[]) + interval 1 day
),

traded_day as (
    select
        asset,
        venue,
        instrument,
        date_trunc('day', bar_start_at) as day_at,
        sum(exact(usd)) as usd,
        sum(bar_seconds) as seconds,
    from bar
    group by asset, venue, instrument, day_at
),

midnight as (
    select unnest($midnights::timestamptz[]) as midnight_at,
),

of_week as (
    select
        traded_day.asset,
        midnight.midnight_at,
        traded_day.venue,
        traded_day.instrument,
        (sum(traded_day.usd)::double / sum(traded_day.seconds) * 3600) as volume_usd,
    from midnight
    inner join traded_day
        on
            midnight.midnight_at > traded_day.day_at
            and midnight.midnight_at - interval 7 days <= traded_day.day_at
    group by traded_day.asset, midnight.midnight_at, traded_day.venue, traded_day.instrument
),

first_hour as (
    select
        asset,
        date_trunc('hour', min(bar_start_at)) as hour_at,
    from raw.ohlcv
    inner join instrument using (venue, instrument)
    group by asset
),

of_first_hour as (
    select
        bar.asset,
        date_trunc('day', first_hour.hour_at) as midnight_at,
        bar.venue,
        bar.instrument,
        (sum(exact(bar.usd))::double / sum(bar.bar_seconds) * 3600) as volume_usd,
    from bar
    inner join first_hour using (asset)
    inner join midnight on date_trunc('day', first_hour.hour_at) = midnight.midnight_at
    where
        bar.bar_start_at >= first_hour.hour_at
        and bar.bar_start_at < first_hour.hour_at + interval 1 hour
    group by bar.asset, first_hour.hour_at, bar.venue, bar.instrument
),

volume as (
    select * from of_week
    union all
    select * from of_first_hour
)

select
    asset,
    epoch_us(midnight_at) as midnight,
    max(volume_usd) as volume_usd,
from volume
group by asset, midnight_at
order by asset, midnight_at
