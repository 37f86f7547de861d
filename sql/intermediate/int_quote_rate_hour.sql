-- What one unit of a quote currency is worth in USD at as_of: median of spot markets.
--
-- Grain: as_of, quote
-- Materialized: view
-- Known limitation: where no market was read within a day there is no row; readers that take the
-- quote for one USD there say so.

with
quote_rate as (
    select
        venue,
        pair,
        observed_at,
        price,
        date_trunc('hour', observed_at - interval 1 microsecond) + interval 1 hour as as_of,
    from staging.stg_quote_rate
    where
        price > 0
        and observed_at
        > coalesce(
            getvariable('window_start')::timestamptz - interval 2 days, '-infinity'::timestamptz
        )
        and observed_at <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

hour_close as (
    select
        venue,
        pair,
        as_of,
        arg_max(price, observed_at) as price,
        max(observed_at) as observed_at,
    from quote_rate
    group by venue, pair, as_of
),

tether as (
    select
        as_of,
        median(price) as usd_rate,
    from hour_close
    where pair = 'USDT/USD'
    group by as_of
),

in_usd as (
    select
        hour_close.venue,
        split_part(hour_close.pair, '/', 1) as quote,
        hour_close.as_of,
        hour_close.observed_at,
        if(
            hour_close.pair = 'USDC/USDT', hour_close.price * tether.usd_rate, hour_close.price
        ) as usd_rate,
    from hour_close
    left join tether on hour_close.as_of = tether.as_of
),

observed as (
    select
        as_of,
        quote,
        median(usd_rate) as usd_rate,
        count(distinct venue) as venue_count,
        max(observed_at) as observed_at,
        lead(as_of) over (partition by quote order by as_of) as next_as_of,
    from in_usd
    where usd_rate is not null
    group by as_of, quote
),

-- A rate stands until the next, for a day at most.
every_hour as (
    select
        unnest(
            generate_series(
                as_of,
                least(
                    coalesce(next_as_of, 'infinity'::timestamptz),
                    as_of + interval 24 hours,
                    coalesce(
                        getvariable('window_end')::timestamptz + interval 1 hour,
                        'infinity'::timestamptz
                    )
                )
                - interval 1 hour,
                interval 1 hour
            )
        ) as as_of,
        quote,
        usd_rate,
        venue_count,
        observed_at,
    from observed
),

in_window as (
    select
        as_of,
        quote,
        usd_rate,
        venue_count,
        observed_at,
    from every_hour
    where
        -- A day more for sums over the last 24 hours.
        as_of
        > coalesce(
            getvariable('window_start')::timestamptz - interval 1 day, '-infinity'::timestamptz
        )
)

select * from in_window
