-- USD traded in a mean hour on an asset's most traded linear contract, over the week before each of
-- some instants; over the asset's first day where there are no bars before.
--
-- assets: which assets
-- instants: the ends of the weeks

with
instrument as (
    select
        venue,
        instrument,
        asset,
    from staging.stg_instrument
    where list_contains($assets, asset) and contract_kind = 'linear'
),

first_bar as (
    select
        asset,
        min(bar_start_at) as first_at,
    from raw.ohlcv
    inner join instrument using (venue, instrument)
    group by asset
),

instant as (
    select unnest($instants) as month_at,
),

span as (
    select
        asset,
        month_at,
        if(first_at < month_at, month_at - interval 7 days, first_at) as from_at,
        if(first_at < month_at, month_at, first_at + interval 1 day) as until_at,
    from first_bar
    cross join instant
),

-- Duplicates and bars of two lengths leave a rate as it is.
traded as (
    select
        span.asset,
        span.month_at,
        instrument.venue,
        instrument.instrument,
        sorted_sum(ohlcv.volume_quantity * ohlcv.close)
        / sum(ohlcv.bar_seconds) * 3600 as volume_usd,
    from span
    inner join instrument using (asset)
    inner join raw.ohlcv as ohlcv
        on
            instrument.venue = ohlcv.venue
            and instrument.instrument = ohlcv.instrument
            and span.from_at <= ohlcv.bar_start_at
            and span.until_at > ohlcv.bar_start_at
    group by span.asset, span.month_at, instrument.venue, instrument.instrument
)

select
    asset,
    epoch_us(month_at) as month_at,
    max(volume_usd) as volume_usd,
from traded
group by asset, month_at
order by asset, month_at
