-- Price, open interest, volume, funding, positioning and sentiment of an asset over a window.
--
-- asset
-- from_at, until_at: hours with from_at < as_of <= until_at

select
    as_of,
    price,
    open_interest_usd,
    open_interest_reported_usd,
    volume_24h_usd,
    funding_rate_8h_ratio,
    funding_instrument_count,
    long_short_accounts_ratio,
    fear_greed_index,
    realised_long_liquidation_usd,
    realised_short_liquidation_usd,
    -- Lists are slow to fetch, and only those of the last day are shown.
    if(
        as_of > $until_at - interval 24 hours, realised_liquidation_feeds, null
    ) as realised_liquidation_feeds,
    is_realised_liquidation_complete,
    quote_deviation_bps,
    is_quote_rate_assumed,
from marts.market_context_hourly
where asset = $asset and as_of > $from_at and as_of <= $until_at
order by as_of
