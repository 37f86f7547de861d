-- Changes of positions of followed accounts in a time, and the last one of each position before it,
-- in order of account, asset and time; every sample-th account.
--
-- venue: venue of the positions
-- from_at, until_at: the time
-- sample: one account in so many
--
-- A size changes in a trade, so it changed between the first and the last trade of the account that
-- was seen since the state before, where one was; other changes lie between the two states. Price
-- reached a liquidation price if an hour traded there, or the mark price of the state lies beyond.

with
change as (
    select
        account_key,
        asset,
        observed_at,
        change as kind,
        side,
        greatest(quantity, 0) as quantity,
        if(entry_price > 0, entry_price, null) as entry_price,
        if(liquidation_price > 0, liquidation_price, null) as liquidation_price,
        if(mark_price > 0, mark_price, null) as mark_price,
        if(leverage > 0, leverage, null) as leverage,
        coalesce(is_cross, true) as is_cross,
        previous_at,
        change in ('opened', 'increased', 'reduced', 'closed', 'flipped')
        and traded_from_at is not null
        and traded_until_at between traded_from_at and observed_at as is_by_trade,
        traded_from_at,
        traded_until_at,
    from staging.stg_account_position
    where
        venue_scope = $venue
        and observed_at <= $until_at
        and md5_number_lower(account_key) % $sample = 0
),

bracketed as (
    select
        *,
        if(
            is_by_trade, traded_from_at, least(previous_at, observed_at)
        ) as changed_from,
        if(is_by_trade, traded_until_at, observed_at) as changed_until,
        lag(liquidation_price) over series as price_before,
        lag(quantity) over series as quantity_before,
        lag(side) over series as side_before,
    from change
    window series as (partition by account_key, asset order by observed_at)
    qualify
        observed_at > $from_at
        or lead(observed_at, 1, 'infinity'::timestamptz) over series > $from_at
),

traded_hour as (
    select
        asset,
        as_of,
        min(low) as low,
        max(high) as high,
    from intermediate.int_instrument_hour
    where venue = $venue and as_of > $from_at
    group by asset, as_of
),

reached as (
    select distinct
        bracketed.account_key,
        bracketed.asset,
        bracketed.observed_at,
        true as is_reached,
    from bracketed
    inner join traded_hour using (asset)
    where
        traded_hour.as_of > bracketed.changed_from
        and traded_hour.as_of < bracketed.changed_until + interval 1 hour
        and (bracketed.quantity < bracketed.quantity_before or bracketed.kind = 'flipped')
        and if(
            bracketed.side_before = 'long',
            traded_hour.low <= bracketed.price_before,
            traded_hour.high >= bracketed.price_before
        )
)

select
    (dense_rank() over (order by bracketed.account_key) - 1)::bigint as account,
    (dense_rank() over (order by bracketed.asset) - 1)::bigint as asset_code,
    bracketed.asset,
    epoch_us(bracketed.observed_at) as observed_at,
    epoch_us(bracketed.changed_from) as changed_from,
    epoch_us(bracketed.changed_until) as changed_until,
    bracketed.kind in ('opened', 'flipped') and bracketed.previous_at is not null as is_opening,
    bracketed.side = 'short' as is_short,
    bracketed.is_cross,
    coalesce(reached.is_reached, false)
    or coalesce(
        bracketed.quantity < bracketed.quantity_before
        and if(
            bracketed.side_before = 'long',
            bracketed.mark_price <= bracketed.price_before,
            bracketed.mark_price >= bracketed.price_before
        ),
        false
    ) as is_reached,
    bracketed.quantity,
    bracketed.entry_price,
    bracketed.liquidation_price,
    bracketed.mark_price,
    bracketed.leverage,
from bracketed
left join reached using (account_key, asset, observed_at)
order by account, asset_code, observed_at
