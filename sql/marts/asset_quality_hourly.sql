-- Which assets can be trusted: a grade for each venue and for the asset as a whole, with reasons.
--
-- Materialized: table
-- Known limitation: grades use the gates in quality.threshold at the time of publication; hours
-- published earlier keep their grades in the Parquet by day.

-- Grade A: no gate fails. B: some soft ones fail. C: a hard one fails, or more soft ones of noise
-- than many_reasons allows, or a low-cap has any noise. For venue 'all', measures that have no
-- meaning over several venues are NULL.

with
measures as (
    select
        * exclude (start_up_in_range_ratio, is_warm_up, set_apart_price_ratio),
        start_up_in_range_ratio,
        is_warm_up,
        set_apart_price_ratio,
    from intermediate.int_quality_measures
    where in_window(as_of)
),

threshold as (
    select
        gate,
        position,
        measure,
        direction,
        role,
        soft_level,
        hard_level,
        is_required,
    from quality.threshold
),

provider_overlap as (
    select
        asset,
        as_of,
        overlap_mean_ratio as provider_overlap_ratio,
    from derived.asset_disagreement
    where venue = 'all' and side = 'both' and in_window(as_of)
),

-- Failed checks of the suites on what no gate measures.
finding as (
    select
        asset,
        venue,
        as_of,
        check_name as gate,
        1000 as position,
        'noise' as role,
        max(observed) as measured,
        max(threshold) as level,
        if(severity = 'critical', 'hard', 'soft') as severity,
    from quality.check_results
    where
        not success
        and asset is not null
        and venue is not null
        and in_window(as_of)
    group by asset, venue, as_of, check_name, severity
),

-- The levels that grade the asset as a whole.
asset_level as (
    select
        count(*) as gate_count,
        coalesce(
            max(soft_level) filter (where gate = 'graded_a_open_interest'), 1
        ) as graded_a_ratio,
        max(hard_level) filter (where gate = 'many_reasons') as soft_reason_count,
    from threshold
),

with_overlap as (
    select
        measures.*,
        provider_overlap.provider_overlap_ratio,
    from measures
    left join provider_overlap using (asset, as_of)
),

measured as (
    select
        asset,
        venue,
        as_of,
        measure,
        measured,
    from
        with_overlap
    unpivot include nulls (
        measured for measure in (columns(* exclude (asset, venue, as_of, is_warm_up)))
    )
),

held_against as (
    select
        measured.*,
        threshold.*,
        is_beyond(measured, hard_level, direction, is_required) as is_beyond_hard,
        is_beyond(measured, soft_level, direction, is_required) as is_beyond_soft,
    from measured
    inner join threshold using (measure)
    where threshold.role in ('size', 'noise', 'doubt', 'information')
),

venue_reason as (
    select
        asset,
        venue,
        as_of,
        gate,
        position,
        role,
        measured,
        if(is_beyond_hard, hard_level, soft_level) as level,
        case
            when role = 'information' then 'information'
            when is_beyond_hard then 'hard'
            else 'soft'
        end as severity,
    from held_against
    where is_beyond_hard or is_beyond_soft
    union all
    select * from finding
    where venue <> 'all'
    union all by name
    select
        measures.asset,
        measures.venue,
        measures.as_of,
        'no_thresholds' as gate,
        0 as position,
        'noise' as role,
        'hard' as severity,
    from measures
    cross join asset_level
    where asset_level.gate_count = 0
),

venue_verdict as (
    select
        asset,
        venue,
        as_of,
        -- What was not measured is a doubt, but no small figure.
        count(*) filter (where role = 'size' and measured is not null) as size_count,
        count(*) filter (where role = 'noise') as noise_count,
        count(*) filter (where role <> 'information') as doubt_count,
        count(*) filter (where severity = 'hard') as hard_count,
        reason_list(gate, position, measured, level, severity) as reasons,
        list(gate order by position, gate) as reason_names,
    from venue_reason
    group by asset, venue, as_of
),

venue_graded as (
    select
        with_overlap.asset,
        with_overlap.venue,
        with_overlap.as_of,
        case
            when venue_verdict.hard_count > 0 then 'C'
            when venue_verdict.size_count > 0 and venue_verdict.noise_count > 0 then 'C'
            when venue_verdict.noise_count > asset_level.soft_reason_count then 'C'
            when venue_verdict.doubt_count > 0 then 'B'
            else 'A'
        end as grade,
        coalesce(venue_verdict.noise_count > 0, false) as is_noisy,
        coalesce(venue_verdict.size_count > 0, false) as is_low_cap,
        coalesce(venue_verdict.reasons, []) as reasons,
        coalesce(venue_verdict.reason_names, []) as reason_names,
        case
            when with_overlap.open_interest_median_7d_usd is not null
                then if(grade = 'A', 1.0::double, 0.0::double)
        end as graded_a_open_interest_ratio,
        with_overlap.provider_overlap_ratio,
        with_overlap.* exclude (asset, venue, as_of, provider_overlap_ratio),
        with_overlap.set_apart_price_ratio is not null as is_set_apart,
    from with_overlap
    cross join asset_level
    left join venue_verdict using (asset, venue, as_of)
),

-- Venues that are set apart do not count for the asset, unless all of them are.
of_asset as (
    select
        asset,
        venue,
        as_of,
        grade,
        is_noisy,
        open_interest_median_7d_usd,
    from venue_graded
    qualify not is_set_apart or bool_and(is_set_apart) over (partition by asset, as_of)
),

-- Venues weigh by a week of open interest, so that one which stops publishing it does not drop out
-- of the sum at once; where none publishes it, they weigh the same.
weighed as (
    select
        *,
        list_sum(list_sort(list(open_interest_median_7d_usd) over asset_hour)) as total_usd,
        coalesce(
            open_interest_median_7d_usd / nullif(total_usd, 0),
            if(total_usd > 0, 0, 1 / count(*) over asset_hour)
        ) as weight_ratio,
    from of_asset
    window asset_hour as (partition by asset, as_of)
),

-- Gates that fail on venues which together hold more than an asset of grade A may lack, with the
-- figure of the largest of them.
shared_reason as (
    select
        asset,
        as_of,
        venue_reason.gate,
        any_value(venue_reason.position) as position,
        any_value(venue_reason.role) as role,
        arg_max(venue_reason.measured, (weighed.weight_ratio, venue)) as measured,
        arg_max(venue_reason.level, (weighed.weight_ratio, venue)) as level,
        if(bool_or(venue_reason.role = 'information'), 'information', 'soft') as severity,
    from weighed
    cross join asset_level
    inner join venue_reason using (asset, venue, as_of)
    group by asset, as_of, venue_reason.gate, asset_level.graded_a_ratio
    having sorted_sum(weighed.weight_ratio) > 1 - asset_level.graded_a_ratio
),

asset_hour as (
    select
        asset,
        as_of,
        any_value(provider_overlap_ratio) as provider_overlap_ratio,
        coalesce(
            max(venue_count) filter (where not is_set_apart), max(venue_count)
        ) as venue_count,
        sum(if(is_set_apart, 0, instrument_count))::bigint as instrument_count,
        sorted_sum(if(is_set_apart, null, columns('_usd$'))),
        sorted_sum(open_interest_share_ratio) as open_interest_share_ratio,
        min(columns('^newest_.*_age_seconds$')),
        bool_and(is_warm_up) as is_warm_up,
    from venue_graded
    group by asset, as_of
),

asset_share as (
    select
        asset,
        as_of,
        case
            when count(open_interest_median_7d_usd) > 0
                then coalesce(sorted_sum(if(grade = 'A', weight_ratio, null)), 0)
        end as graded_a_open_interest_ratio,
        case
            when count(open_interest_median_7d_usd) > 0
                then coalesce(sorted_sum(if(grade = 'C', weight_ratio, null)), 0)
        end as graded_c_open_interest_ratio,
        coalesce(sorted_sum(if(is_noisy, weight_ratio, null)), 0) as noisy_ratio,
    from weighed
    group by asset, as_of
),

asset_measured as (
    select
        asset,
        as_of,
        measure,
        measured,
    from
        asset_share
    unpivot include nulls (measured for measure in (columns('^graded_')))
),

asset_reason as (
    select
        asset_measured.asset,
        asset_measured.as_of,
        threshold.gate,
        threshold.position,
        threshold.role,
        asset_measured.measured,
        coalesce(threshold.hard_level, threshold.soft_level) as level,
        if(threshold.hard_level is null, 'soft', 'hard') as severity,
    from asset_measured
    inner join threshold using (measure)
    where
        threshold.role = 'asset'
        and is_beyond(measured, coalesce(hard_level, soft_level), direction, is_required)
    union all
    select * from shared_reason
    union all
    -- What is left out is stated, and counts for nothing.
    select
        asset,
        as_of,
        gate,
        any_value(position) as position,
        'information' as role,
        max(measured) as measured,
        max(level) as level,
        'information' as severity,
    from venue_reason
    anti join shared_reason using (asset, as_of, gate)
    where gate = 'set_apart'
    group by asset, as_of, gate
    union all
    select * exclude (venue) from finding
    where venue = 'all'
),

asset_verdict as (
    select
        asset,
        as_of,
        count(*) filter (where role = 'size' and measured is not null) as size_count,
        count(*) filter (where role <> 'information') as doubt_count,
        count(*) filter (where severity = 'hard') as hard_count,
        reason_list(gate, position, measured, level, severity) as reasons,
        list(gate order by position, gate) as reason_names,
    from asset_reason
    group by asset, as_of
),

asset_graded as (
    select
        asset_hour.*,
        'all' as venue,
        case
            when asset_level.gate_count = 0 or asset_verdict.hard_count > 0 then 'C'
            when
                asset_verdict.size_count > 0
                and asset_share.noisy_ratio > 1 - asset_level.graded_a_ratio
                then 'C'
            when asset_verdict.doubt_count > 0 then 'B'
            else 'A'
        end as grade,
        asset_share.noisy_ratio > 1 - asset_level.graded_a_ratio as is_noisy,
        coalesce(asset_verdict.size_count > 0, false) as is_low_cap,
        coalesce(asset_verdict.reasons, []) as reasons,
        coalesce(asset_verdict.reason_names, []) as reason_names,
        asset_share.graded_a_open_interest_ratio,
    from asset_hour
    cross join asset_level
    inner join asset_share using (asset, as_of)
    left join asset_verdict using (asset, as_of)
),

graded as (
    select * exclude (is_set_apart) from venue_graded
    union all by name
    select * from asset_graded
),

-- Lists in words, for tools that know no lists.
in_words as (
    select
        *,
        reasons_text(reasons) as reasons_text,
    from graded
)

select * from in_words
