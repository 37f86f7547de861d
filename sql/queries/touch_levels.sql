-- Bands of midnights, whether price touched their densest bin within a day, and whether it touched
-- the level as far on the other side of price, which was as likely. In order of asset and provider.
--
-- from_at, until_at: the midnights

with
band as (
    select
        asset,
        as_of,
        provider,
        side,
        rank,
        price,
        first_bin_index,
        last_bin_index,
        peak_bin_index,
        touch_probability_24h_ratio as odds,
        exp(log_bin_centre(peak_bin_index)) as level,
        price * price / level as mirror,
    from derived.band
    where
        venue = 'all'
        and as_of > $from_at
        and as_of <= $until_at
        and as_of = date_trunc('day', as_of)
        and touch_probability_24h_ratio is not null
),

set_apart as (
    select
        asset,
        venue,
        as_of,
    from intermediate.int_quality_measures
    where
        set_apart_price_ratio is not null
        and as_of > $from_at
        and as_of <= $until_at + interval 1 day
),

asset_hour as (
    select
        asset,
        as_of,
        median(low) as low,
        median(high) as high,
    from intermediate.int_instrument_hour
    anti join set_apart using (asset, venue, as_of)
    where as_of > $from_at and as_of <= $until_at + interval 1 day
    group by asset, as_of
),

day_after as (
    select
        asset,
        date_trunc('day', as_of - interval 1 hour) as as_of,
        min(low) as low,
        max(high) as high,
    from asset_hour
    group by asset, date_trunc('day', as_of - interval 1 hour)
    having count(*) = 24
),

mirror_in_band as (
    select distinct
        band.asset,
        band.as_of,
        band.provider,
        band.side,
        band.rank,
    from band
    inner join band as other
        on
            band.asset = other.asset
            and band.as_of = other.as_of
            and band.provider = other.provider
            and band.side <> other.side
            and bin_of(band.mirror) between other.first_bin_index and other.last_bin_index
),

touched as (
    select
        band.asset,
        band.provider,
        epoch_us(band.as_of) as set_at,
        band.odds,
        if(
            band.side = 'long', day_after.low <= band.level, day_after.high >= band.level
        ) as is_touched,
        if(
            band.side = 'long', day_after.high >= band.mirror, day_after.low <= band.mirror
        ) as is_mirror_touched,
        mirror_in_band.rank is null as is_mirror_free,
    from band
    inner join day_after using (asset, as_of)
    left join mirror_in_band using (asset, as_of, provider, side, rank)
)

select * from touched
order by asset, provider, set_at, odds, is_touched, is_mirror_touched, is_mirror_free
