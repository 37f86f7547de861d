-- Positions at each leverage, near price and far from it; a side's rows sum to open interest.
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
        unnest(columns('_(base|usd)$')),
        params_hash,
    from derived.leverage_exposure
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
        sum(try_cast(columns('_(base|usd)$') as decimal(38, 9))),
        any_value(params_hash) as params_hash,
    from exposure
    group by asset, as_of, provider, venue, side, tier
),

-- Venues that are set apart are left out of the sum of all venues.
of_all as (
    select
        asset,
        as_of,
        provider,
        'all' as venue,
        side,
        tier,
        sum(columns('_(base|usd)$')),
        any_value(params_hash) as params_hash,
    from by_venue
    anti join intermediate.int_set_apart using (asset, venue, as_of)
    group by asset, as_of, provider, side, tier
),

by_scope as (
    select * from by_venue
    union all
    select * from of_all
),

by_leverage as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        tier,
        try_cast(rtrim(tier, 'x') as double) as leverage,
        columns('_(base|usd)$')::double,
        params_hash,
    from by_scope
)

select * from by_leverage
