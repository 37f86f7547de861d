-- Venues of an asset set apart for an hour: their price contradicts that of the others, so they are
-- left out of every sum over venues.
--
-- Grain: asset, venue, as_of
-- Materialized: view
-- Known limitation: prices less than a factor of 1.5 apart do not contradict each other.

-- Two prices contradict each other where a factor of more than 1.5 lies between them: two coins
-- under one ticker, or a unit error, never two markets of one coin. A venue stays in the sums while
-- it agrees with more than half of the asset's venues, itself among them. So of three venues the
-- odd one is set apart; of two that contradict each other neither is known to be right. A venue
-- whose own instruments contradict one another agrees with nobody.

with
instrument_hour as (
    select
        asset,
        venue,
        instrument,
        as_of,
        epoch_us(as_of) // 86400000000 as day_number,
        close,
    from intermediate.int_instrument_hour
    where in_window_assets(asset) and in_window(as_of, interval 23 hours)
),

day_range as (
    select
        asset,
        day_number,
        min(close) as lowest,
        max(close) as highest,
    from instrument_hour
    group by asset, day_number
),

-- Days with prices that far apart in them and the day before: next to none, and no other day has a
-- venue that is set apart.
doubtful_day as (
    select
        asset,
        day_number,
    from day_range
    window
        two_days as (
            partition by asset
            order by day_number
            range between 1 preceding and current row
        )
    qualify max(highest) over two_days > contradicting_price_ratio() * min(lowest) over two_days
),

read_day as (
    select
        asset,
        unnest([day_number - 1, day_number]) as day_number,
    from doubtful_day
),

-- A price holds for a day, as long as the map that was made with it.
held as (
    select
        asset,
        venue,
        close,
        unnest(hours_held(as_of, lead(as_of) over instrument_time, 24)) as as_of,
    from instrument_hour
    semi join read_day using (asset, day_number)
    window instrument_time as (partition by asset, venue, instrument order by as_of)
),

venue_price as (
    select
        asset,
        venue,
        as_of,
        min(close) as lowest,
        max(close) as highest,
    from held
    where as_of > window_start()
    group by asset, venue, as_of
),

-- Few hours qualify; the venues of all others need not be paired.
contradictory_hour as (
    select
        asset,
        as_of,
    from venue_price
    group by asset, as_of
    having max(highest) > contradicting_price_ratio() * min(lowest)
),

pair as (
    select
        asset,
        as_of,
        one.venue,
        greatest(one.highest, other.highest) / least(one.lowest, other.lowest) as price_ratio,
    from venue_price as one
    inner join contradictory_hour using (asset, as_of)
    inner join venue_price as other using (asset, as_of)
),

set_apart as (
    select
        asset,
        venue,
        as_of,
        max(price_ratio) as price_ratio,
    from pair
    group by asset, venue, as_of
    having count(*) filter (where price_ratio <= contradicting_price_ratio()) <= count(*) / 2
)

select * from set_apart
