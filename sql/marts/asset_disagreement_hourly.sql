-- How much the providers differ on an asset overall: all venues, both sides together.
--
-- Materialized: table
-- Known limitation: providers that cover one venue only are compared in
-- provider_disagreement_hourly, not here.

select
    asset,
    as_of,
    any_value(columns('^(provider_count|overlap_mean_ratio)$')) filter (where side = 'both'),
    any_value(overlap_mean_ratio) filter (where side = 'long') as overlap_mean_long_ratio,
    any_value(overlap_mean_ratio) filter (where side = 'short') as overlap_mean_short_ratio,
    any_value(
        columns(
            * exclude (asset, as_of, venue, side, provider_count, overlap_mean_ratio, run_id)
        )
    ) filter (where side = 'both'),
    'consensus' as params_hash,
from derived.asset_disagreement
where venue = 'all'
group by asset, as_of
