-- Liquidations that happened in the hour that ends at as_of, each venue through one feed. Feeds
-- that share a venue publish the same liquidations and are never added.
--
-- Grain: asset, as_of
-- Materialized: view
-- Known limitation: an hour in which the chosen feed has no row at all takes the next one. A feed
-- of single orders that has none of an asset in an hour may have been silent or not listening: the
-- hour has no figure.
--
-- A feed is what one source publishes of one venue, or of several that a file sums
-- (binance+bybit+okx). Of feeds that overlap, the one of most venues counts, then one that is
-- complete, then sums over periods before single orders (which miss what came while nobody
-- listened), then shorter periods, then the names of source and venue.

with
realised_liquidation as (
    select
        venue,
        instrument,
        end_of_hour_begun(period_start_at) as as_of,
        period_start_at,
        period_seconds,
        side,
        liquidated_usd,
        is_complete_feed,
        source,
    from staging.stg_realised_liquidation
    where
        period_seconds <= 3600
        -- Two weeks and three days more, for models that compare with it.
        and period_start_at >= window_start() - interval 409 hours
        and period_start_at < window_end()
),

in_usd as (
    select
        realised_liquidation.*,
        instrument.asset,
        realised_liquidation.liquidated_usd * coalesce(quote_rate.usd_rate, 1) as usd,
    from realised_liquidation
    inner join staging.stg_instrument as instrument using (venue, instrument)
    left join intermediate.int_quote_rate_hour as quote_rate using (quote, as_of)
    where in_window_assets(instrument.asset)
),

feed_hour as (
    select
        asset,
        as_of,
        venue,
        source,
        period_seconds,
        string_split(venue, '+') as venues,
        bool_and(is_complete_feed) as is_complete,
        period_seconds > 0
        and count(distinct period_start_at) * period_seconds < 3600 as is_partial,
        -- Single orders of one side show that the feed was listening: the other side had none. A
        -- side with an amount that is not known has no sum.
        if(
            count(*) filter (where side = 'long' and usd is null) = 0,
            coalesce(sorted_sum(if(side = 'long', usd, null)), if(period_seconds = 0, 0, null)),
            null
        ) as long_usd,
        if(
            count(*) filter (where side = 'short' and usd is null) = 0,
            coalesce(sorted_sum(if(side = 'short', usd, null)), if(period_seconds = 0, 0, null)),
            null
        ) as short_usd,
    from in_usd
    group by asset, as_of, venue, source, period_seconds
),

ranked as (
    select
        asset,
        as_of,
        list(
            {
                'venues': venues,
                'feeds': [venue || ' by ' || source],
                'is_complete': is_complete,
                'is_partial': is_partial,
                'long_usd': [long_usd],
                'short_usd': [short_usd]
            }
            order by
                len(venues) desc,
                is_complete desc,
                period_seconds = 0,
                period_seconds,
                source,
                venue
        ) as feeds,
    from feed_hour
    group by asset, as_of
),

chosen as (
    select
        asset,
        as_of,
        list_reduce(
            feeds,
            (taken, feed) -> if(
                list_has_any(taken.venues, feed.venues),
                taken,
                {
                    'venues': list_concat(taken.venues, feed.venues),
                    'feeds': list_concat(taken.feeds, feed.feeds),
                    'is_complete': taken.is_complete and feed.is_complete,
                    'is_partial': taken.is_partial or feed.is_partial,
                    'long_usd': list_concat(taken.long_usd, feed.long_usd),
                    'short_usd': list_concat(taken.short_usd, feed.short_usd)
                }
            )
        ) as taken,
    from ranked
),

-- Without the figure of a venue the sum is of fewer venues than it says.
hour as (
    select
        asset,
        as_of,
        if(
            list_count(taken.long_usd) = len(taken.long_usd),
            list_sum(list_sort(taken.long_usd)),
            null
        ) as realised_long_liquidation_usd,
        if(
            list_count(taken.short_usd) = len(taken.short_usd),
            list_sum(list_sort(taken.short_usd)),
            null
        ) as realised_short_liquidation_usd,
        list_sort(taken.venues) as realised_liquidation_venues,
        list_sort(taken.feeds) as realised_liquidation_feeds,
        taken.is_complete as is_realised_liquidation_complete,
        taken.is_partial as is_realised_liquidation_partial,
    from chosen
)

select * from hour
