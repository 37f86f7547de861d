-- Liquidation orders with a price, by the end of their hour, side and level: in order of all three.
--
-- asset, instruments: whose orders, and the names of its contracts, by which rows are found faster
-- from_at, until_at: hours that end after the first instant and not after the second
--
-- Of each contract and hour one feed counts. An order carries the price of the order, which venues
-- set at or beyond that of bankruptcy, so it is taken into the range of the finest bar in which it
-- came: a position is liquidated at a price that traded. Orders without such a bar are left out.

with
liquidation as (
    select
        venue,
        instrument,
        period_start_at,
        date_trunc('hour', period_start_at) as hour_start_at,
        side,
        order_key,
        price,
        liquidated_usd,
        is_complete_feed,
        source,
    from staging.stg_realised_liquidation
    where
        list_contains($instruments, instrument)
        and period_seconds = 0
        and price > 0
        and isfinite(price)
        and liquidated_usd > 0
        and period_start_at >= $from_at
        and period_start_at < $until_at
),

one_feed as (
    select
        liquidation.*,
        instrument.quote,
    from liquidation
    inner join staging.stg_instrument as instrument using (venue, instrument)
    where instrument.asset = $asset
    qualify
        dense_rank() over (
            partition by liquidation.venue, liquidation.instrument, liquidation.hour_start_at
            order by liquidation.is_complete_feed desc, liquidation.source
        ) = 1
),

bar as (
    select
        venue,
        instrument,
        bar_start_at,
        bar_start_at + to_seconds(bar_seconds) as bar_end_at,
        bar_seconds,
        date_trunc('hour', bar_start_at) as hour_start_at,
        low,
        high,
    from staging.stg_ohlcv
    where
        list_contains($instruments, instrument)
        and bar_seconds <= 3600
        and low > 0
        and low <= high
        and isfinite(high)
        and bar_start_at >= $from_at
        and bar_start_at < $until_at
),

traded as (
    select
        one_feed.hour_start_at + interval 1 hour as as_of,
        one_feed.quote,
        one_feed.side,
        one_feed.liquidated_usd,
        least(greatest(one_feed.price, bar.low), bar.high) as price,
    from one_feed
    inner join bar
        on
            one_feed.venue = bar.venue
            and one_feed.instrument = bar.instrument
            and one_feed.hour_start_at = bar.hour_start_at
            and one_feed.period_start_at >= bar.bar_start_at
            and one_feed.period_start_at < bar.bar_end_at
    qualify
        row_number() over (
            partition by
                one_feed.venue, one_feed.instrument, one_feed.period_start_at, one_feed.side,
                one_feed.order_key
            order by bar.bar_seconds
        ) = 1
),

in_usd as (
    select
        traded.as_of,
        traded.side,
        bin_of(traded.price) as level_bin,
        traded.liquidated_usd * coalesce(quote_rate.usd_rate, 1) as usd,
    from traded
    left join intermediate.int_quote_rate_hour as quote_rate using (quote, as_of)
)

select
    epoch_us(as_of) as hour_end,
    if(side = 'long', 0, 1) as side,
    level_bin,
    sorted_sum(usd) as usd,
from in_usd
group by all
order by all
