-- The bright bands of every provider and of the consensus, both sides, by zone of distance.
--
-- Materialized: table
-- Known limitation: the odds of touch know the distance and the volatility only; that bands attract
-- price would have to show in touches above them.

with
band as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        rank,
        size_rank,
        zone,
        price,
        first_bin_index,
        last_bin_index,
        peak_bin_index,
        liquidation_usd,
        expected_forced_usd_24h,
        side_expected_forced_usd_24h,
        side_share_ratio,
        start_up_ratio,
        volatility_day_ratio,
        volatility_month_ratio,
        volatility_hour_count,
        touch_probability_24h_ratio,
        agreeing_provider_count,
        provider_count,
        params_hash,
    from derived.band
),

quality as (
    select
        asset,
        venue,
        as_of,
        grade,
    from marts.asset_quality_hourly
),

-- A node of the grid stands at exp(0.001 i); bin j holds nodes 2 j and 2 j + 1.
priced as (
    select
        band.asset,
        band.as_of,
        band.provider,
        band.venue,
        band.side,
        band.rank,
        band.size_rank,
        band.zone,
        exp((2 * band.first_bin_index - 0.5) * 0.001) as price_low,
        exp((2 * band.last_bin_index + 1.5) * 0.001) as price_high,
        exp((2 * band.peak_bin_index + 0.5) * 0.001) as price_peak,
        band.liquidation_usd,
        band.expected_forced_usd_24h,
        band.side_expected_forced_usd_24h,
        1e4 * ((2 * band.peak_bin_index + 0.5) * 0.001 - ln(band.price)) as distance_bps,
        band.side_share_ratio,
        band.start_up_ratio,
        band.touch_probability_24h_ratio,
        band.volatility_day_ratio,
        band.volatility_month_ratio,
        band.volatility_hour_count,
        band.agreeing_provider_count,
        band.provider_count,
        band.price,
        -- A venue without data of its own is as good as the asset; nothing known is nothing good.
        coalesce(quality.grade, whole.grade, 'C') = 'C' as is_hidden,
        band.params_hash,
    from band
    left join quality
        on
            band.asset = quality.asset
            and band.venue = quality.venue
            and band.as_of = quality.as_of
    left join quality as whole
        on
            band.asset = whole.asset
            and whole.venue = 'all'
            and band.as_of = whole.as_of
)

select * from priced
