-- Liquidations that venues published of some hours.
--
-- hours: which hours
-- assets: which assets; null for all
--
-- Grain: asset, hour

select
    asset,
    epoch_us(as_of) as hour,
    '' as key,
    price,
    open as open_price,
    realised_long_liquidation_usd as long_usd,
    realised_short_liquidation_usd as short_usd,
    array_to_string(realised_liquidation_feeds, ', ') as feeds,
    is_realised_liquidation_complete as is_complete,
from marts.market_context_hourly
where
    list_contains($hours::timestamp[], as_of)
    and ($assets::varchar[] is null or list_contains($assets::varchar[], asset))
order by asset, hour
