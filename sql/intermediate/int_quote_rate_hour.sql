-- What one unit of a quote currency is worth in USD at as_of: median of spot markets.
--
-- Grain: as_of, quote
-- Materialized: view
-- Known limitation: where no market was read within a day there is no row; readers that take the
-- quote for one USD there say so.

with
hour_close as (
    select
        venue,
        pair,
        hour_end(observed_at) as as_of,
        arg_max(price, observed_at) as price,
        max(observed_at) as observed_at,
    from staging.stg_quote_rate
    where price > 0 and in_window(observed_at, interval 2 days)
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
        hour_close.*,
        split_part(hour_close.pair, '/', 1) as quote,
        if(
            hour_close.pair = 'USDC/USDT', hour_close.price * tether.usd_rate, hour_close.price
        ) as usd_rate,
    from hour_close
    left join tether using (as_of)
),

observed as (
    select
        as_of,
        quote,
        median(usd_rate) as usd_rate,
        count(distinct venue) as venue_count,
        max(observed_at) as observed_at,
    from in_usd
    where usd_rate is not null
    group by as_of, quote
),

-- A rate holds until the next, for a day at most.
every_hour as (
    select
        * replace (
            unnest(
                hours_held(as_of, lead(as_of) over (partition by quote order by as_of), 24)
            ) as as_of
        ),
    from observed
),

-- A day more for sums over the last 24 hours.
in_window as (
    select * from every_hour
    where as_of > window_start() - interval 1 day
)

select * from in_window
