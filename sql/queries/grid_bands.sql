-- Bands of one hour that default views show, largest expected first.
--
-- asset, provider, venue, as_of: the map

select
    side,
    price_low as low,
    price_high as high,
    price_peak as peak,
    liquidation_usd as usd,
    touch_probability_24h_ratio as odds,
    agreeing_provider_count as agreeing,
    provider_count as count,
    expected_forced_usd_24h as expected_forced,
from marts.liquidation_bands_hourly
where
    asset = $asset
    and provider = $provider
    and venue = $venue
    and as_of = $as_of
    and not is_hidden
order by side, rank
