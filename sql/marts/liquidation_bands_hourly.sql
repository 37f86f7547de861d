-- The bright bands of every provider and of the consensus, both sides.
--
-- Grain: asset, as_of, provider, venue, side, rank
-- Materialized: table
-- Known limitation: the odds of touch are those of a random walk; that bands attract price would
-- have to show in touches above them.

with
band as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        "rank",
        price,
        first_bin_index,
        last_bin_index,
        peak_bin_index,
        liquidation_usd,
        side_share_ratio,
        volatility_day_ratio,
        touch_probability_24h_ratio,
        agreeing_provider_count,
        provider_count,
        params_hash,
    from derived.band
),

-- A node of the grid stands at exp(0.001 i); bin j holds nodes 2 j and 2 j + 1.
priced as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        "rank",
        exp((2 * first_bin_index - 0.5) * 0.001) as price_low,
        exp((2 * last_bin_index + 1.5) * 0.001) as price_high,
        exp((2 * peak_bin_index + 0.5) * 0.001) as price_peak,
        liquidation_usd,
        1e4 * ((2 * peak_bin_index + 0.5) * 0.001 - ln(price)) as distance_bps,
        side_share_ratio,
        touch_probability_24h_ratio,
        volatility_day_ratio,
        agreeing_provider_count,
        provider_count,
        price,
        false as is_hidden,
        params_hash,
    from band
)

select * from priced
