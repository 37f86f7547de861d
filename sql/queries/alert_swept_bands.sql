-- Bands that price traded through in some hours: those of the map before the hour, by side.
--
-- A band is swept where price reached its far edge; every level of it was reached then.
--
-- hours: published hours
-- bar_assets, bar_hours, bar_highs, bar_lows, bar_prices: newest bars that are not published
-- assets: which assets; null for all
-- providers: which providers
--
-- Grain: asset, hour, key (side), provider

with
bar as (
    select
        asset,
        as_of as hour,
        high,
        low,
        price,
        false as is_newest_bar,
    from marts.market_context_hourly
    where list_contains($hours::timestamp[], as_of)
    union all
    select
        unnest($bar_assets::varchar[]) as asset,
        unnest($bar_hours::timestamp[]) as hour,
        unnest($bar_highs::double[]) as high,
        unnest($bar_lows::double[]) as low,
        unnest($bar_prices::double[]) as price,
        true as is_newest_bar,
),

published as (
    select * rename (price as map_price)
    from marts.liquidation_bands_hourly
    where
        venue = 'all'
        and list_contains($providers::varchar[], provider)
        and ($assets::varchar[] is null or list_contains($assets::varchar[], asset))
        and as_of >= (select min(hour) from bar) - interval 3 hours
        and as_of < (select max(hour) from bar)
),

band as (
    select
        bar.hour,
        bar.high,
        bar.low,
        bar.price,
        bar.is_newest_bar,
        published.*,
        if(
            published.side = 'long',
            bar.low <= published.price_low,
            bar.high >= published.price_high
        ) as is_swept,
    from bar
    inner join published
        on
            bar.asset = published.asset
            and bar.hour > published.as_of
            and bar.hour - interval 3 hours <= published.as_of
    qualify published.as_of = max(published.as_of) over (
        partition by bar.asset, bar.hour, published.provider
    )
)

select
    asset,
    epoch_us(hour) as hour,
    side as key,
    provider,
    any_value(price) as price,
    any_value(map_price) as map_price,
    any_value(high) as high,
    any_value(low) as low,
    count(*) filter (where is_swept) as swept_count,
    -- NULL where one of them has no scale in USD.
    if(
        bool_and(liquidation_usd is not null) filter (where is_swept),
        sum(liquidation_usd) filter (where is_swept),
        if(count(*) filter (where is_swept) = 0, 0, null)
    ) as swept_usd,
    -- Of the largest band swept: quantiles of several do not add up.
    arg_max(price_low, liquidation_usd) filter (where is_swept) as price_low,
    arg_max(price_high, liquidation_usd) filter (where is_swept) as price_high,
    max(liquidation_usd) filter (where is_swept) as liquidation_usd,
    arg_max(liquidation_q10_usd, liquidation_usd) filter (where is_swept) as liquidation_q10_usd,
    arg_max(liquidation_q90_usd, liquidation_usd) filter (where is_swept) as liquidation_q90_usd,
    arg_max(touch_probability_24h_ratio, liquidation_usd) filter (where is_swept)
        as touch_probability_24h_ratio,
    min(price_low) filter (where is_swept) as swept_low,
    max(price_high) filter (where is_swept) as swept_high,
    epoch(any_value(hour - as_of)) as map_age_seconds,
    any_value(is_newest_bar) as is_newest_bar,
from band
group by asset, hour, side, provider
order by asset, hour, key, provider
