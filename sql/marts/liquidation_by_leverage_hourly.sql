-- How much stands at each leverage, near and far; a side's rows sum to open interest.
--
-- Grain: asset, as_of, provider, venue, side, tier
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

by_venue as (
    select
        asset,
        as_of,
        provider,
        coalesce(venue, 'all') as venue,
        side,
        tier,
        try_cast(rtrim(tier, 'x') as double) as leverage,
        sum(position_base) as position_base,
        sum(position_usd) as position_usd,
        sum(near_base) as near_base,
        sum(near_usd) as near_usd,
        sum(consumed_base) as consumed_base,
        sum(consumed_usd) as consumed_usd,
        sum(swept_base) as swept_base,
        sum(swept_usd) as swept_usd,
        any_value(params_hash) as params_hash,
    from exposure
    group by
        grouping sets (
            (asset, as_of, provider, venue, side, tier),
            (asset, as_of, provider, side, tier)
        )
)

select * from by_venue
