-- Every asset in its newest published hour, one short row each: price, size, grade, and what could
-- be forced.
--
-- Materialized: summary
-- Known limitation: figures of a map are those of one provider; other providers differ, see
-- marts.provider_disagreement_hourly.

with
quality as (
    select *
    from marts.asset_quality_hourly
),

newest as (
    select
        asset,
        max(as_of) as as_of,
    from quality
    where venue = 'all'
    group by asset
),

graded as (
    select quality.*
    from quality
    inner join newest using (asset, as_of)
),

-- Coverage is measured by venue; venues weigh by open interest.
coverage as (
    select
        asset,
        sum(bar_coverage_24h_ratio * open_interest_median_7d_usd)
        / nullif(
            sum(open_interest_median_7d_usd) filter (where bar_coverage_24h_ratio is not null), 0
        ) as bar_coverage_24h_ratio,
        sum(open_interest_coverage_24h_ratio * open_interest_median_7d_usd)
        / nullif(
            sum(open_interest_median_7d_usd) filter (
                where open_interest_coverage_24h_ratio is not null
            ),
            0
        ) as open_interest_coverage_24h_ratio,
    from graded
    where venue <> 'all' and set_apart_price_ratio is null
    group by asset
),

-- Skill at the newest midnight that has rows, over the longest window with figures.
newest_skill as (
    select skill.*
    from marts.estimator_skill_daily as skill
    inner join newest using (asset)
    where skill.as_of <= newest.as_of
    qualify skill.as_of = max(skill.as_of) over (partition by asset)
),

scored as (
    select *
    from newest_skill
    where status = 'scored'
    qualify window_days = max(window_days) over (partition by asset)
),

-- A ledger's map is preferred where it leaves less unexplained than every estimator: the rule of
-- jobs/read/accuracy.py, which has the words for it; a test holds one against the other.
preference as (
    select
        asset,
        any_value(window_days) >= 30
        and count(*) filter (
            where null_model = 'path_ledger' and deviance_removed_high_ratio < 0
        ) = count(distinct provider) as is_ledger_better,
    from scored
    where
        provider not in (
            'path_ledger', 'volume_ledger', 'liquidation_forecast', 'lagged_forecast'
        )
    group by asset
),

volume_preference as (
    select
        asset,
        bool_or(deviance_removed_low_ratio > 0) as is_volume_better,
    from scored
    where provider = 'volume_ledger' and null_model = 'path_ledger'
    group by asset
),

newest_band as (
    select
        band.*,
        bool_or(provider = 'path_ledger') over (partition by asset) as has_path_ledger,
    from marts.liquidation_bands_hourly as band
    inner join newest using (asset, as_of)
    where venue = 'all' and provider <> 'consensus'
),

expected as (
    select
        asset,
        provider,
        max(if(side = 'long', side_expected_forced_usd_24h, null)) as long_usd_24h,
        max(if(side = 'short', side_expected_forced_usd_24h, null)) as short_usd_24h,
        -- The provider with the smallest place is shown.
        case provider
            when 'volume_ledger'
                then
                    if(
                        any_value(is_ledger_better)
                        and any_value(is_volume_better)
                        and any_value(has_path_ledger),
                        1,
                        null
                    )
            when 'path_ledger' then if(any_value(is_ledger_better), 2, 4)
            when 'turnover' then 3
        end as place,
    from newest_band
    left join preference using (asset)
    left join volume_preference using (asset)
    group by asset, provider
),

shown as (
    select
        asset,
        count(*) as provider_count,
        arg_min(provider, place) as default_provider,
        arg_min(long_usd_24h, place) as expected_forced_long_usd_24h,
        arg_min(short_usd_24h, place) as expected_forced_short_usd_24h,
    from expected
    group by asset
),

forced as (
    select
        asset,
        provider as default_provider,
        max(if(side = 'long', forced_first_usd, null)) as forced_long_within_5_percent_usd,
        max(if(side = 'short', forced_first_usd, null)) as forced_short_within_5_percent_usd,
    from marts.cascade_scenarios_hourly
    inner join newest using (asset, as_of)
    where venue = 'all' and abs(shock_ratio) = 0.05
    group by asset, provider
),

explained as (
    select
        asset,
        provider as default_provider,
        as_of as skill_at,
        window_days as skill_window_days,
        deviance_removed_ratio as explained_ratio,
    from scored
    where null_model = 'training_mean'
),

-- Of the nulls that know the path of price alone, the one that is beaten least.
over_path as (
    select
        asset,
        provider as default_provider,
        null_model as path_null_model,
        deviance_removed_ratio as over_path_ratio,
        deviance_removed_low_ratio as over_path_low_ratio,
        deviance_removed_high_ratio as over_path_high_ratio,
    from scored
    where null_model in ('path_ledger', 'path_only', 'extension_glm')
    qualify
        row_number() over (
            partition by asset, provider order by deviance_removed_ratio, null_model
        ) = 1
),

asset_row as (
    select
        graded.asset,
        graded.as_of,
        date_diff('hour', graded.as_of, max(graded.as_of) over ()) as hours_behind,
        graded.grade,
        graded.is_noisy,
        graded.is_low_cap,
        graded.reasons_text,
        context.price,
        context.open_interest_usd,
        context.open_interest_reported_usd,
        context.volume_24h_usd,
        context.funding_rate_8h_ratio,
        shown.default_provider,
        forced.forced_long_within_5_percent_usd,
        forced.forced_short_within_5_percent_usd,
        shown.expected_forced_long_usd_24h,
        shown.expected_forced_short_usd_24h,
        explained.skill_at,
        explained.skill_window_days,
        explained.explained_ratio,
        over_path.path_null_model,
        over_path.over_path_ratio,
        over_path.over_path_low_ratio,
        over_path.over_path_high_ratio,
        coalesce(shown.provider_count, 0) as provider_count,
        graded.provider_overlap_ratio,
        graded.venue_count,
        graded.graded_a_open_interest_ratio,
        coverage.bar_coverage_24h_ratio,
        coverage.open_interest_coverage_24h_ratio,
        graded.newest_bar_age_seconds,
        graded.newest_open_interest_age_seconds,
    from graded
    left join marts.market_context_hourly as context using (asset, as_of)
    left join coverage using (asset)
    left join shown using (asset)
    left join forced using (asset, default_provider)
    left join explained using (asset, default_provider)
    left join over_path using (asset, default_provider)
    where graded.venue = 'all'
)

select * from asset_row
