-- The bright bands of every provider and of the consensus, on both sides, by zone of distance.
--
-- Materialized: table
-- Known limitation: the odds of a touch follow from distance, volatility and weekends alone;
-- marts.touch_reliability_daily has how often bands were touched.

with
band as (
    select * from derived.band
),

fitted as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        first_bin_index,
        liquidation_q10_usd,
        liquidation_q50_usd,
        liquidation_q90_usd,
    from derived.heatmap
    where liquidation_q10_usd is not null
),

quality as (
    select
        asset,
        venue,
        as_of,
        grade,
    from marts.asset_quality_hourly
),

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
        bin_edge(band.first_bin_index) as price_low,
        bin_edge(band.last_bin_index + 1) as price_high,
        exp(log_bin_centre(band.peak_bin_index)) as price_peak,
        band.liquidation_usd,
        sum_of_bins(
            fitted.liquidation_q10_usd,
            band.first_bin_index - fitted.first_bin_index,
            band.last_bin_index - fitted.first_bin_index
        ) as liquidation_q10_usd,
        sum_of_bins(
            fitted.liquidation_q50_usd,
            band.first_bin_index - fitted.first_bin_index,
            band.last_bin_index - fitted.first_bin_index
        ) as liquidation_q50_usd,
        sum_of_bins(
            fitted.liquidation_q90_usd,
            band.first_bin_index - fitted.first_bin_index,
            band.last_bin_index - fitted.first_bin_index
        ) as liquidation_q90_usd,
        band.expected_forced_usd_24h,
        band.side_expected_forced_usd_24h,
        1e4 * (log_bin_centre(band.peak_bin_index) - ln(band.price)) as distance_bps,
        band.side_share_ratio,
        band.start_up_ratio,
        band.touch_probability_24h_ratio,
        band.volatility_day_ratio,
        band.volatility_month_ratio,
        band.volatility_hour_count,
        band.agreeing_provider_count,
        band.provider_count,
        band.price,
        -- A venue without data of its own has the asset's grade; without any grade it is hidden.
        coalesce(quality.grade, whole.grade, 'C') = 'C' as is_hidden,
        band.params_hash,
    from band
    left join fitted using (asset, as_of, provider, venue, side)
    left join quality using (asset, venue, as_of)
    left join quality as whole
        on
            band.asset = whole.asset
            and whole.venue = 'all'
            and band.as_of = whole.as_of
)

select * from priced
