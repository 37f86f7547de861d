-- Bands of some providers in some hours, each with the price they are measured from.
--
-- hours: hours whose published bands and prices are meant
-- bar_assets, bar_hours, bar_prices: newest bars that are not published; they are held against the
-- bands published last, at most three hours before
-- assets: which assets; null for all
-- providers: which providers
--
-- Grain: asset, hour, key (side), provider, rank

with
price as (
    select
        asset,
        as_of as hour,
        price,
        false as is_newest_bar,
    from marts.market_context_hourly
    where list_contains($hours::timestamp[], as_of)
    union all
    select
        unnest($bar_assets::varchar[]) as asset,
        unnest($bar_hours::timestamp[]) as hour,
        unnest($bar_prices::double[]) as price,
        true as is_newest_bar,
),

published as (
    select * exclude (price)
    from marts.liquidation_bands_hourly
    where
        venue = 'all'
        and list_contains($providers::varchar[], provider)
        and ($assets::varchar[] is null or list_contains($assets::varchar[], asset))
        and as_of >= (select min(hour) from price) - interval 3 hours
        and as_of <= (select max(hour) from price)
),

band as (
    select
        price.hour,
        price.price,
        price.is_newest_bar,
        published.*,
    from price
    inner join published
        on
            price.asset = published.asset
            and price.hour >= published.as_of
            and if(price.is_newest_bar, price.hour - interval 3 hours, price.hour)
            <= published.as_of
    qualify published.as_of = max(published.as_of) over (
        partition by price.asset, price.hour, published.provider
    )
)

select
    asset,
    epoch_us(hour) as hour,
    side as key,
    provider,
    rank,
    price,
    price_low,
    price_high,
    price_peak,
    -- To the near edge; 0 within the band.
    if(
        side = 'long', least(price_high / price - 1, 0), greatest(price_low / price - 1, 0)
    ) as distance_ratio,
    liquidation_usd,
    liquidation_q10_usd,
    liquidation_q90_usd,
    expected_forced_usd_24h,
    touch_probability_24h_ratio,
    side_share_ratio,
    agreeing_provider_count,
    provider_count,
    epoch(hour - as_of) as map_age_seconds,
    is_newest_bar,
from band
order by asset, hour, key, provider, rank
