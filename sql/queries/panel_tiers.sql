-- USD of positions that price reached at each leverage, by hour and side, in the window of hours
-- and assets that is set: consumed, and opened and liquidated within one bar.
--
-- provider: whose positions
-- params_hash: parameters of the estimator; hours made with others are left out
-- venues: venues whose positions count, but where they are set apart

with
leverage_exposure as (
    select
        as_of,
        side,
        unnest(tier) as tier,
        unnest(consumed_usd) as consumed_usd,
        unnest(swept_usd) as swept_usd,
    from derived.leverage_exposure
    anti join intermediate.int_set_apart using (asset, venue, as_of)
    where
        in_window_assets(asset)
        and in_window(as_of)
        and provider = $provider
        and params_hash = $params_hash
        and list_contains($venues, venue)
        and consumed_usd is not null
),

-- Decimals: their sum is the same in any order.
reached as (
    select
        as_of,
        side,
        tier,
        sum(
            try_cast(consumed_usd as decimal(38, 9)) + try_cast(swept_usd as decimal(38, 9))
        )::double as reached_usd,
    from leverage_exposure
    group by as_of, side, tier
)

select
    epoch_us(as_of) as span_end,
    if(side = 'long', 0, 1) as side,
    tier,
    reached_usd,
from reached
order by as_of, side, tier
