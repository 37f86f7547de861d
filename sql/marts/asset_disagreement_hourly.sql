-- How much the providers differ on an asset overall: all venues, both sides together.
--
-- Materialized: table
-- Known limitation: providers that cover one venue only are compared in
-- provider_disagreement_hourly, not here.

with
asset_disagreement as (
    select
        asset,
        as_of,
        side,
        provider_count,
        overlap_mean_ratio,
        overlap_std_ratio,
        overlap_min_ratio,
        scale_spread_log_ratio,
        reach_mean_ratio,
        placement_mean_ratio,
        reach_share_ratio,
        furthest_provider_a,
        furthest_provider_b,
    from derived.asset_disagreement
    where venue = 'all'
),

by_asset as (
    select
        asset,
        as_of,
        any_value(provider_count) filter (where side = 'both') as provider_count,
        any_value(overlap_mean_ratio) filter (where side = 'both') as overlap_mean_ratio,
        any_value(overlap_mean_ratio) filter (where side = 'long') as overlap_mean_long_ratio,
        any_value(overlap_mean_ratio) filter (where side = 'short') as overlap_mean_short_ratio,
        any_value(overlap_std_ratio) filter (where side = 'both') as overlap_std_ratio,
        any_value(overlap_min_ratio) filter (where side = 'both') as overlap_min_ratio,
        any_value(scale_spread_log_ratio) filter (where side = 'both') as scale_spread_log_ratio,
        any_value(reach_mean_ratio) filter (where side = 'both') as reach_mean_ratio,
        any_value(placement_mean_ratio) filter (where side = 'both') as placement_mean_ratio,
        any_value(reach_share_ratio) filter (where side = 'both') as reach_share_ratio,
        any_value(furthest_provider_a) filter (where side = 'both') as furthest_provider_a,
        any_value(furthest_provider_b) filter (where side = 'both') as furthest_provider_b,
        'consensus' as params_hash,
    from asset_disagreement
    group by asset, as_of
)

select * from by_asset
