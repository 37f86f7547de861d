-- What is known of how far a map can be trusted, in one row: grade, skill, what is published of it,
-- what is on no level, what measured positions it rests on, and how crowded levels behaved.
--
-- asset, provider, as_of: the map

with
map as (
    select $asset as asset
),

grade as (
    select
        asset,
        grade,
    from marts.asset_quality_hourly
    where asset = $asset and venue = 'all' and as_of = $as_of
),

-- Skill over the longest window with figures, at the newest midnight.
scored as (
    select
        asset,
        window_days,
        null_model,
        deviance_removed_ratio,
        deviance_removed_low_ratio,
        deviance_removed_high_ratio,
        is_lower_bound,
        is_short_fit,
    from marts.estimator_skill_daily
    where
        asset = $asset
        and provider = $provider
        and as_of <= $as_of
        and as_of > $as_of - interval 3 days
        and status = 'scored'
    qualify
        as_of = max(as_of) over ()
        and window_days = max(window_days) over (partition by as_of)
),

explained as (
    select
        asset,
        window_days,
        deviance_removed_ratio as explained_ratio,
        is_lower_bound,
        is_short_fit,
    from scored
    where null_model = 'training_mean'
),

-- Of the nulls that know the path of price alone, the one that is beaten least.
over_path as (
    select
        asset,
        deviance_removed_ratio as over_path_ratio,
        deviance_removed_low_ratio as over_path_low_ratio,
        deviance_removed_high_ratio as over_path_high_ratio,
    from scored
    where null_model in ('path_ledger', 'path_only', 'extension_glm')
    order by deviance_removed_ratio
    limit 1
),

-- A ledger's map is multiplied by what is published of it, other maps are not.
amounts as (
    select
        asset,
        arg_max(capture_ratio, as_of) filter (
            where method in ('positions', 'map of the hour before') and capture_ratio is not null
        ) as published_ratio,
        sum(expected_usd) filter (where tier in ('move', 'constant'))
        / nullif(
            sum(expected_usd) filter (where tier in ('map', 'move', 'constant')), 0
        ) as off_map_ratio,
    from marts.liquidation_forecast_hourly
    where
        asset = $asset
        and provider = $provider
        and as_of <= $as_of
        and as_of > $as_of - interval 7 days
    group by asset
),

-- Only measured positions have an observed share.
measured as (
    select
        asset,
        observed_long_ratio as measured_long_ratio,
        observed_short_ratio as measured_short_ratio,
    from marts.outside_maps_hourly
    where
        asset = $asset
        and provider = $provider
        and as_of = $as_of
        and coalesce(observed_long_ratio, observed_short_ratio) is not null
    order by venue <> 'all', venue
    limit 1
),

rests_on as (
    select
        asset,
        sum(account_count)::bigint as measured_account_count,
        sum(position_count)::bigint as measured_position_count,
        sum(observed_base * within_hour_ratio)
        / nullif(sum(observed_base), 0) as measured_within_hour_ratio,
        sum(observed_base * without_price_ratio)
        / nullif(sum(observed_base), 0) as measured_without_price_ratio,
        max(age_max_seconds) as measured_oldest_seconds,
        bool_and(is_fresh) filter (where observed_base > 0) as is_measured_fresh,
        max(collecting_seconds) as collecting_seconds,
    from marts.measured_coverage_hourly
    where asset = $asset and provider = $provider and as_of = $as_of
    group by asset
),

crowded as (
    select
        $asset as asset,
        touch_excess_ratio as crowded_excess_ratio,
        touch_excess_low_ratio as crowded_excess_low_ratio,
        touch_excess_high_ratio as crowded_excess_high_ratio,
    from marts.crowding_daily
    where
        asset = 'all'
        and zone = 'all'
        and agreement = 'most_less_lone'
        and as_of <= $as_of
    qualify as_of = max(as_of) over ()
)

select
    map.asset,
    grade.grade,
    explained.window_days,
    explained.explained_ratio,
    explained.is_lower_bound,
    explained.is_short_fit,
    over_path.over_path_ratio,
    over_path.over_path_low_ratio,
    over_path.over_path_high_ratio,
    amounts.published_ratio,
    amounts.off_map_ratio,
    measured.measured_long_ratio,
    measured.measured_short_ratio,
    rests_on.measured_account_count,
    rests_on.measured_position_count,
    rests_on.measured_within_hour_ratio,
    rests_on.measured_without_price_ratio,
    rests_on.measured_oldest_seconds,
    rests_on.is_measured_fresh,
    rests_on.collecting_seconds,
    crowded.crowded_excess_ratio,
    crowded.crowded_excess_low_ratio,
    crowded.crowded_excess_high_ratio,
from map
left join grade using (asset)
left join explained using (asset)
left join over_path using (asset)
left join amounts using (asset)
left join measured using (asset)
left join rests_on using (asset)
left join crowded using (asset)
