-- How much stands at each leverage, near and far; a side's rows sum to open interest.
--
-- Materialized: table

with
exposure as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        unnest(tier) as tier,
        unnest(position_base) as position_base,
        unnest(position_usd) as position_usd,
        unnest(near_base) as near_base,
        unnest(near_usd) as near_usd,
        unnest(consumed_base) as consumed_base,
        unnest(consumed_usd) as consumed_usd,
        unnest(swept_base) as swept_base,
        unnest(swept_usd) as swept_usd,
        params_hash,
    from derived.leverage_exposure
),

-- What is set apart is no part of the sum of all venues.
set_apart as (
    select
        asset,
        venue,
        as_of,
    from intermediate.int_set_apart
),

in_scope as (
    select
        exposure.asset,
        exposure.as_of,
        exposure.provider,
        unnest(if(set_apart.venue is null, [exposure.venue, 'all'], [exposure.venue])) as venue,
        exposure.side,
        exposure.tier,
        exposure.position_base,
        exposure.position_usd,
        exposure.near_base,
        exposure.near_usd,
        exposure.consumed_base,
        exposure.consumed_usd,
        exposure.swept_base,
        exposure.swept_usd,
        exposure.params_hash,
    from exposure
    left join set_apart
        on
            exposure.asset = set_apart.asset
            and exposure.venue = set_apart.venue
            and exposure.as_of = set_apart.as_of
),

-- Decimals: their sum is the same in any order, for a fraction of what ordering the rows costs.
by_venue as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        tier,
        try_cast(rtrim(tier, 'x') as double) as leverage,
        sum(try_cast(position_base as decimal(38, 9)))::double as position_base,
        sum(try_cast(position_usd as decimal(38, 9)))::double as position_usd,
        sum(try_cast(near_base as decimal(38, 9)))::double as near_base,
        sum(try_cast(near_usd as decimal(38, 9)))::double as near_usd,
        sum(try_cast(consumed_base as decimal(38, 9)))::double as consumed_base,
        sum(try_cast(consumed_usd as decimal(38, 9)))::double as consumed_usd,
        sum(try_cast(swept_base as decimal(38, 9)))::double as swept_base,
        sum(try_cast(swept_usd as decimal(38, 9)))::double as swept_usd,
        any_value(params_hash) as params_hash,
    from in_scope
    group by asset, as_of, provider, venue, side, tier
)

select * from by_venue
