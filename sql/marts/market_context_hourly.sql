-- Price, open interest, volume, funding, positioning and sentiment around the maps.
--
-- Materialized: table
-- Known limitation: realised liquidations are what venues publish, which most of them throttle; the
-- price is that of the contracts' quotes, stablecoins among them, as on the maps. An hour in which
-- all venues of an asset are set apart has no row.

with
-- A day more for the volume of 24 hours.
instrument_hour as (
    select
        venue,
        instrument,
        asset,
        as_of,
        open,
        high,
        low,
        close,
        volume_usd,
        open_interest_base,
        open_interest_usd,
        sides_counted,
    from intermediate.int_instrument_hour
    where in_window(as_of, interval 1 day)
),

long_short_ratio as (
    select
        venue,
        instrument,
        hour_end(observed_at) as as_of,
        arg_max(long_short_ratio, observed_at) as long_short_accounts_ratio,
    from staging.stg_long_short_ratio
    where measure = 'accounts' and in_window(observed_at, interval 1 day)
    group by venue, instrument, as_of
),

sentiment as (
    select
        observed_at,
        index_value,
    from staging.stg_sentiment
    where index_name = 'fear_greed'
),

-- Figures of linear contracts are in their quote. Where its rate is not known one unit counts as
-- one USD, and the row says so.
in_usd as (
    select
        instrument_hour.* replace (
            instrument_hour.volume_usd * coalesce(quote_rate.usd_rate, 1) as volume_usd,
            instrument_hour.open_interest_usd
            * coalesce(quote_rate.usd_rate, 1) as open_interest_usd
        ),
        abs(quote_rate.usd_rate - 1) * 10000 as quote_deviation_bps,
        instrument.quote <> 'USD' and quote_rate.usd_rate is null as is_quote_rate_assumed,
    from instrument_hour
    inner join staging.stg_instrument as instrument using (venue, instrument)
    left join intermediate.int_quote_rate_hour as quote_rate using (as_of, quote)
),

with_positioning as (
    select
        in_usd.*,
        in_usd.open_interest_usd * in_usd.sides_counted as open_interest_reported_usd,
        case
            when funding_rate.funded_at > in_usd.as_of - interval 1 day
                then funding_rate.funding_rate_8h_ratio
        end as funding_rate_8h_ratio,
        long_short_ratio.long_short_accounts_ratio,
    from in_usd
    asof left join intermediate.int_funding_rate as funding_rate
        on
            in_usd.venue = funding_rate.venue
            and in_usd.instrument = funding_rate.instrument
            and in_usd.as_of >= funding_rate.funded_at
    left join long_short_ratio
        on
            in_usd.venue = long_short_ratio.venue
            and in_usd.instrument = long_short_ratio.instrument
            and in_usd.as_of = long_short_ratio.as_of
    -- After the asof join, which scans all rates for each row where it expects few rows.
    anti join intermediate.int_set_apart as set_apart
        on
            in_usd.asset = set_apart.asset
            and in_usd.venue = set_apart.venue
            and in_usd.as_of = set_apart.as_of
),

asset_hour as (
    select
        asset,
        as_of,
        median(close) as price,
        median(open) as open,
        median(high) as high,
        median(low) as low,
        count(distinct venue) as venue_count,
        count(distinct venue) filter (
            where open_interest_base is not null
        ) as open_interest_venue_count,
        sorted_sum(open_interest_base) as open_interest_base,
        sorted_sum(open_interest_usd) as open_interest_usd,
        -- One figure whose sides are not known leaves the sum unknown.
        if(
            count(open_interest_reported_usd) = count(open_interest_usd),
            sorted_sum(open_interest_reported_usd),
            null
        ) as open_interest_reported_usd,
        sorted_sum(volume_usd) as volume_usd,
        list_avg(list_sort(list(funding_rate_8h_ratio))) as funding_rate_8h_ratio,
        count(funding_rate_8h_ratio) as funding_instrument_count,
        list_avg(list_sort(list(long_short_accounts_ratio))) as long_short_accounts_ratio,
        max(quote_deviation_bps) as quote_deviation_bps,
        bool_or(is_quote_rate_assumed) as is_quote_rate_assumed,
    from with_positioning
    group by asset, as_of
),

with_day as (
    select
        *,
        list_sum(
            list(volume_usd) over (
                partition by asset
                order by as_of
                range between interval 23 hours preceding and current row
            )
        ) as volume_24h_usd,
    from asset_hour
    qualify as_of > window_start()
),

context as (
    select
        with_day.asset,
        with_day.as_of,
        with_day.price,
        with_day.open,
        with_day.high,
        with_day.low,
        with_day.venue_count,
        with_day.open_interest_venue_count,
        with_day.open_interest_base,
        with_day.open_interest_usd,
        with_day.open_interest_reported_usd,
        with_day.volume_usd,
        with_day.volume_24h_usd,
        with_day.funding_rate_8h_ratio,
        with_day.funding_instrument_count,
        with_day.long_short_accounts_ratio,
        realised_liquidation.realised_long_liquidation_usd,
        realised_liquidation.realised_short_liquidation_usd,
        realised_liquidation.realised_liquidation_feeds,
        realised_liquidation.is_realised_liquidation_complete,
        case
            when sentiment.observed_at > with_day.as_of - interval 2 days
                then sentiment.index_value
        end as fear_greed_index,
        with_day.quote_deviation_bps,
        with_day.is_quote_rate_assumed,
        -- Lists in words, for tools that know no lists.
        array_to_string(realised_liquidation_feeds, ', ') as realised_liquidation_feeds_text,
    from with_day
    left join intermediate.int_realised_liquidation_hour as realised_liquidation
        using (asset, as_of)
    asof left join sentiment
        on with_day.as_of >= sentiment.observed_at
)

select * from context
