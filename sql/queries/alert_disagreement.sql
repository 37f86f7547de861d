-- How much providers' maps differ in some hours: 1 less their mean overlap.
--
-- hours: which hours
-- assets: which assets; null for all
--
-- Grain: asset, hour

select
    asset,
    epoch_us(as_of) as hour,
    '' as key,
    1 - overlap_mean_ratio as disagreement_ratio,
    1 - overlap_min_ratio as largest_disagreement_ratio,
    furthest_provider_a,
    furthest_provider_b,
    provider_count,
from marts.asset_disagreement_hourly
where
    list_contains($hours::timestamp[], as_of)
    and ($assets::varchar[] is null or list_contains($assets::varchar[], asset))
order by asset, hour
