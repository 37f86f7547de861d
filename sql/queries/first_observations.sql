-- Where the data of some series begins: from_at of its asset, first open interest, first bar [us].
--
-- venues, instruments: the series, two lists of one length

with
wanted as (
    select
        unnest($venues) as venue,
        unnest($instruments) as instrument,
),

seen as (
    select
        venue,
        instrument,
        min(observed_at) as first_at,
    from raw.open_interest
    semi join wanted using (venue, instrument)
    group by venue, instrument
),

traded as (
    select
        venue,
        instrument,
        min(bar_start_at) as first_at,
    from raw.ohlcv
    semi join wanted using (venue, instrument)
    group by venue, instrument
)

select
    venue,
    instrument,
    from_at,
    epoch_us(seen.first_at) as seen_at,
    epoch_us(coalesce(traded.first_at, seen.first_at)) as traded_at,
from staging.stg_instrument
inner join batch_from_at using (asset)
inner join wanted using (venue, instrument)
left join seen using (venue, instrument)
left join traded using (venue, instrument)
