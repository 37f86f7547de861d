-- Price, open interest, volume, funding, positioning and sentiment around the maps.
--
-- Materialized: table
-- Known limitation: realised liquidations are what venues publish, which most of them throttle; the
-- price is that of the contracts' quotes, stablecoins among them, as on the maps. An hour in which
-- all venues of an asset are set apart has no row.

with
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
    where
        -- A day more for the volume of 24 hours.
        as_of
        > coalesce(
            getvariable('window_start')::timestamptz - interval 1 day, '-infinity'::timestamptz
        )
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

instrument as (
    select
        venue,
        instrument,
        asset,
        quote,
    from staging.stg_instrument
),

quote_rate as (
    select
        as_of,
        quote,
        usd_rate,
    from intermediate.int_quote_rate_hour
),

set_apart as (
    select
        asset,
        venue,
        as_of,
    from intermediate.int_set_apart
),

funding_rate as (
    select
        venue,
        instrument,
        funded_at,
        funding_rate_8h_ratio,
    from intermediate.int_funding_rate
),

long_short_ratio as (
    select
        venue,
        instrument,
        date_trunc('hour', observed_at - interval 1 microsecond) + interval 1 hour as as_of,
        arg_max(long_short_ratio, observed_at) as long_short_accounts_ratio,
    from staging.stg_long_short_ratio
    where measure = 'accounts'
    group by venue, instrument, as_of
),

realised_liquidation as (
    select
        asset,
        as_of,
        realised_long_liquidation_usd,
        realised_short_liquidation_usd,
        realised_liquidation_feeds,
        is_realised_liquidation_complete,
    from intermediate.int_realised_liquidation_hour
),

sentiment as (
    select
        observed_at,
        index_value,
    from staging.stg_sentiment
    where index_name = 'fear_greed'
),

-- Figures of linear contracts are in their quote. Where its rate is not known it is taken for one
-- USD, and said to be.
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
    inner join instrument
        on
            instrument_hour.venue = instrument.venue
            and instrument_hour.instrument = instrument.instrument
    left join quote_rate
        on instrument_hour.as_of = quote_rate.as_of and instrument.quote = quote_rate.quote
),

with_positioning as (
    select
        in_usd.asset,
        in_usd.as_of,
        in_usd.venue,
        in_usd.open,
        in_usd.high,
        in_usd.low,
        in_usd.close,
        in_usd.volume_usd,
        in_usd.open_interest_base,
        in_usd.open_interest_usd,
        in_usd.open_interest_usd * in_usd.sides_counted as open_interest_reported_usd,
        in_usd.quote_deviation_bps,
        in_usd.is_quote_rate_assumed,
        case
            when funding_rate.funded_at > in_usd.as_of - interval 1 day
                then funding_rate.funding_rate_8h_ratio
        end as funding_rate_8h_ratio,
        long_short_ratio.long_short_accounts_ratio,
    from in_usd
    asof left join funding_rate
        on
            in_usd.venue = funding_rate.venue
            and in_usd.instrument = funding_rate.instrument
            and in_usd.as_of >= funding_rate.funded_at
    left join long_short_ratio
        on
            in_usd.venue = long_short_ratio.venue
            and in_usd.instrument = long_short_ratio.instrument
            and in_usd.as_of = long_short_ratio.as_of
    anti join set_apart
        on
            in_usd.asset = set_apart.asset
            and in_usd.venue = set_apart.venue
            and in_usd.as_of = set_apart.as_of
),

asset_hour as (
    select
        asset,
        as_of,
        median(open) as open,
        median(high) as high,
        median(low) as low,
        median(close) as price,
        count(distinct venue) as venue_count,
        count(distinct venue) filter (
            where open_interest_base is not null
        ) as open_interest_venue_count,
        list_sum(list_sort(list(open_interest_base))) as open_interest_base,
        list_sum(list_sort(list(open_interest_usd))) as open_interest_usd,
        -- One figure whose sides are not known leaves the sum unknown.
        if(
            count(open_interest_reported_usd) = count(open_interest_usd),
            list_sum(list_sort(list(open_interest_reported_usd))),
            null
        ) as open_interest_reported_usd,
        list_sum(list_sort(list(volume_usd))) as volume_usd,
        list_avg(list_sort(list(funding_rate_8h_ratio))) as funding_rate_8h_ratio,
        count(funding_rate_8h_ratio) as funding_instrument_count,
        list_avg(list_sort(list(long_short_accounts_ratio))) as long_short_accounts_ratio,
        max(quote_deviation_bps) as quote_deviation_bps,
        bool_or(is_quote_rate_assumed) as is_quote_rate_assumed,
    from with_positioning
    group by asset, as_of
),

context as (
    select
        asset_hour.asset,
        asset_hour.as_of,
        asset_hour.price,
        asset_hour.open,
        asset_hour.high,
        asset_hour.low,
        asset_hour.venue_count,
        asset_hour.open_interest_venue_count,
        asset_hour.open_interest_base,
        asset_hour.open_interest_usd,
        asset_hour.open_interest_reported_usd,
        asset_hour.volume_usd,
        list_sum(
            list(asset_hour.volume_usd) over (
                partition by asset_hour.asset
                order by asset_hour.as_of
                range between interval 23 hours preceding and current row
            )
        ) as volume_24h_usd,
        asset_hour.funding_rate_8h_ratio,
        asset_hour.funding_instrument_count,
        asset_hour.long_short_accounts_ratio,
        realised_liquidation.realised_long_liquidation_usd,
        realised_liquidation.realised_short_liquidation_usd,
        realised_liquidation.realised_liquidation_feeds,
        realised_liquidation.is_realised_liquidation_complete,
        case
            when sentiment.observed_at > asset_hour.as_of - interval 2 days
                then sentiment.index_value
        end as fear_greed_index,
        asset_hour.quote_deviation_bps,
        asset_hour.is_quote_rate_assumed,
    from asset_hour
    left join realised_liquidation
        on
            asset_hour.asset = realised_liquidation.asset
            and asset_hour.as_of = realised_liquidation.as_of
    asof left join sentiment
        on asset_hour.as_of >= sentiment.observed_at
    qualify
        asset_hour.as_of
        > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
)

select * from context
