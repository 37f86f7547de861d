-- Venues of an asset set apart for an hour: their price contradicts that of the others, so they are
-- left out of every sum over venues.
--
-- Grain: asset, venue, as_of
-- Materialized: view
-- Known limitation: prices less than a factor of 1.5 apart are not told from one another.

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
        close,
    from intermediate.int_instrument_hour
    where
        coalesce(list_contains(getvariable('window_assets')::varchar[], asset), true)
        -- A price stands for a day, as long as the map that was made with it.
        and as_of
        > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        - interval 23 hours
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

standing as (
    select
        asset,
        venue,
        close,
        unnest(
            generate_series(
                as_of,
                least(
                    as_of + interval 23 hours,
                    coalesce(
                        lead(as_of) over (partition by asset, venue, instrument order by as_of)
                        - interval 1 hour,
                        'infinity'::timestamptz
                    ),
                    coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
                ),
                interval 1 hour
            )
        ) as as_of,
    from instrument_hour
),

venue_price as (
    select
        asset,
        venue,
        as_of,
        min(close) as lowest,
        max(close) as highest,
    from standing
    where
        as_of > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
    group by asset, venue, as_of
),

-- Next to none: the venues of all other hours need not be paired.
contradictory_hour as (
    select
        asset,
        as_of,
    from venue_price
    group by asset, as_of
    having max(highest) > 1.5 * min(lowest)
),

pair as (
    select
        one.asset,
        one.as_of,
        one.venue,
        greatest(one.highest, other.highest) / least(one.lowest, other.lowest) as price_ratio,
    from venue_price as one
    inner join contradictory_hour
        on one.asset = contradictory_hour.asset and one.as_of = contradictory_hour.as_of
    inner join venue_price as other
        on one.asset = other.asset and one.as_of = other.as_of
),

set_apart as (
    select
        asset,
        venue,
        as_of,
        max(price_ratio) as price_ratio,
    from pair
    group by asset, venue, as_of
    having count(*) filter (where price_ratio <= 1.5) <= count(*) / 2
)

select * from set_apart
