-- Halves of hours: what was liquidated in each, and how far price went in the first, in order of
-- hour and side. Hours are those whose reference path has bars of half an hour or less.
--
-- asset, instruments: whose hours, and the names of its contracts, by which rows are found faster
-- from_at, until_at: hours that end after the first instant and not after the second
--
-- Of an hour one feed counts, that of most venues, so that nothing is added twice: only the split
-- is compared. Periods have to cover the hour; of single orders none in a half means none came.

with
path as (
    select distinct
        as_of,
        reference_venue as venue,
        reference_instrument as instrument,
    from derived.path_exposure
    where asset = $asset and as_of > $from_at and as_of <= $until_at
),

bar as (
    select
        venue,
        instrument,
        bar_start_at,
        bar_seconds,
        end_of_hour_begun(bar_start_at) as as_of,
        low,
        high,
    from staging.stg_ohlcv
    where
        list_contains($instruments, instrument)
        and bar_seconds <= 1800
        and low > 0
        and low <= high
        and isfinite(high)
        and bar_start_at >= $from_at
        and bar_start_at < $until_at
),

liquidation as (
    select
        venue,
        instrument,
        end_of_hour_begun(period_start_at) as as_of,
        period_start_at,
        period_seconds,
        period_start_at < date_trunc('hour', period_start_at) + interval 30 minutes as is_first,
        side,
        liquidated_usd,
        is_complete_feed,
        source,
    from staging.stg_realised_liquidation
    where
        list_contains($instruments, instrument)
        and period_seconds <= 1800
        and liquidated_usd >= 0
        and period_start_at >= $from_at
        and period_start_at < $until_at
),

first_half as (
    select
        bar.as_of,
        min(bar.low) as low,
        max(bar.high) as high,
    from bar
    inner join path using (as_of, venue, instrument)
    where bar.bar_start_at < bar.as_of - interval 30 minutes
    group by bar.as_of, bar.bar_seconds
    having count(*) * bar.bar_seconds = 1800
    qualify row_number() over (partition by bar.as_of order by bar.bar_seconds) = 1
),

feed_hour as (
    select
        liquidation.as_of,
        liquidation.side,
        liquidation.venue,
        liquidation.source,
        liquidation.period_seconds,
        bool_and(liquidation.is_complete_feed) as is_complete,
        count(distinct liquidation.period_start_at) * liquidation.period_seconds as covered_seconds,
        sorted_sum(if(liquidation.is_first, liquidation.liquidated_usd, 0)) as first_usd,
        sorted_sum(if(liquidation.is_first, 0, liquidation.liquidated_usd)) as second_usd,
    from liquidation
    inner join staging.stg_instrument as instrument using (venue, instrument)
    where instrument.asset = $asset
    group by
        liquidation.as_of, liquidation.side, liquidation.venue, liquidation.source,
        liquidation.period_seconds
),

one_feed as (
    select *
    from feed_hour
    where period_seconds = 0 or covered_seconds = 3600
    qualify
        row_number() over (
            partition by as_of, side
            order by
                len(string_split(venue, '+')) desc,
                is_complete desc,
                period_seconds = 0,
                period_seconds,
                source,
                venue
        ) = 1
)

select
    epoch_us(one_feed.as_of) as hour_end,
    if(one_feed.side = 'long', 0, 1) as side,
    one_feed.first_usd,
    one_feed.second_usd,
    bin_of(first_half.low) as first_low_bin,
    bin_of(first_half.high) as first_high_bin,
from one_feed
inner join first_half using (as_of)
order by one_feed.as_of, side
