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
        tier,
        leverage,
        position_base,
        position_usd,
        near_base,
        near_usd,
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
        leverage,
        sum(position_base) as position_base,
        sum(position_usd) as position_usd,
        sum(near_base) as near_base,
        sum(near_usd) as near_usd,
    from exposure
    group by
        grouping sets (
            (asset, as_of, provider, venue, side, tier, leverage),
            (asset, as_of, provider, side, tier, leverage)
        )
)

select * from by_venue
