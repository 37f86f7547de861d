-- Which assets can be trusted: a grade for each venue and for the asset as a whole, with reasons.
--
-- Materialized: table
-- Known limitation: grades follow the gates in quality.threshold as they stand when this is
-- published; hours published before keep the grades of theirs in the Parquet by day.

-- Grade A: all gates hold. B: some soft ones do not. C: a hard one does not, or more soft ones of
-- noise than many_reasons allows, or a low-cap with any noise. Of venue 'all', measures that have
-- no meaning over venues are NULL.

with
measures as (
    select
        asset,
        venue,
        as_of,
        venue_count,
        instrument_count,
        open_interest_usd,
        open_interest_share_ratio,
        open_interest_median_24h_usd,
        open_interest_median_7d_usd,
        traded_24h_usd,
        traded_daily_7d_usd,
        bar_coverage_24h_ratio,
        bar_coverage_7d_ratio,
        open_interest_coverage_24h_ratio,
        open_interest_coverage_7d_ratio,
        newest_bar_age_seconds,
        newest_open_interest_age_seconds,
        impossible_row_24h_ratio,
        impossible_row_7d_ratio,
        duplicate_row_24h_ratio,
        duplicate_row_7d_ratio,
        repeated_bar_24h_ratio,
        repeated_bar_7d_ratio,
        zero_volume_24h_ratio,
        zero_volume_7d_ratio,
        violation_24h_ratio,
        violation_7d_ratio,
        unit_audit_24h_ratio,
        unit_audit_7d_ratio,
        frozen_change_24h_ratio,
        frozen_change_7d_ratio,
        frozen_run_24h_seconds,
        frozen_run_7d_seconds,
        single_bar_change_24h_ratio,
        single_bar_change_7d_ratio,
        three_largest_changes_24h_ratio,
        three_largest_changes_7d_ratio,
        whale_concentration_24h_ratio,
        whale_concentration_7d_ratio,
        volume_jump_24h_ratio,
        price_gap_24h_ratio,
        price_gap_7d_ratio,
        mark_deviation_24h_ratio,
        largest_mark_deviation_24h_ratio,
        price_deviation_24h_ratio,
        price_deviation_7d_ratio,
        wick_deviation_24h_ratio,
        wick_deviation_7d_ratio,
        consumed_excess_24h_ratio,
        start_up_in_range_ratio,
        is_warm_up,
        set_apart_price_ratio,
    from intermediate.int_quality_measures
    where
        as_of > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
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
        overlap_mean_ratio,
    from derived.asset_disagreement
    where
        venue = 'all'
        and side = 'both'
        and as_of > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

-- What suites have found against a venue or asset, of what no gate measures.
finding as (
    select
        asset,
        venue,
        as_of,
        check_name,
        if(severity = 'critical', 'hard', 'soft') as severity,
        max(observed) as observed,
        max(threshold) as threshold,
    from quality.check_results
    where
        not success
        and asset is not null
        and venue is not null
        and as_of > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
    group by asset, venue, as_of, check_name, severity
),

-- The levels that make a grade of the asset as a whole.
asset_level as (
    select
        count(*) as gate_count,
        coalesce(
            max(soft_level) filter (where gate = 'graded_a_open_interest'), 1
        ) as graded_a_ratio,
        max(hard_level) filter (where gate = 'many_reasons') as soft_reason_count,
    from threshold
),

gated as (
    select
        measures.asset,
        measures.venue,
        measures.as_of,
        measures.open_interest_median_24h_usd,
        measures.traded_24h_usd,
        measures.bar_coverage_24h_ratio,
        measures.open_interest_coverage_24h_ratio,
        measures.newest_bar_age_seconds,
        measures.newest_open_interest_age_seconds,
        measures.impossible_row_24h_ratio,
        measures.duplicate_row_24h_ratio,
        measures.repeated_bar_24h_ratio,
        measures.zero_volume_24h_ratio,
        measures.violation_24h_ratio,
        measures.unit_audit_24h_ratio,
        measures.frozen_change_24h_ratio,
        measures.frozen_run_24h_seconds,
        measures.single_bar_change_24h_ratio,
        measures.whale_concentration_24h_ratio,
        measures.volume_jump_24h_ratio,
        measures.price_gap_24h_ratio,
        measures.mark_deviation_24h_ratio,
        measures.largest_mark_deviation_24h_ratio,
        measures.price_deviation_24h_ratio,
        measures.wick_deviation_24h_ratio,
        measures.consumed_excess_24h_ratio,
        measures.set_apart_price_ratio,
        provider_overlap.overlap_mean_ratio as provider_overlap_ratio,
        measures.start_up_in_range_ratio,
        measures.venue_count::double as venue_count,
    from measures
    left join provider_overlap
        on measures.asset = provider_overlap.asset and measures.as_of = provider_overlap.as_of
),

measured as (
    select
        asset,
        venue,
        as_of,
        measure,
        measured,
    from
        gated
    unpivot include nulls (
        measured for measure in (
            open_interest_median_24h_usd,
            traded_24h_usd,
            bar_coverage_24h_ratio,
            open_interest_coverage_24h_ratio,
            newest_bar_age_seconds,
            newest_open_interest_age_seconds,
            impossible_row_24h_ratio,
            duplicate_row_24h_ratio,
            repeated_bar_24h_ratio,
            zero_volume_24h_ratio,
            violation_24h_ratio,
            unit_audit_24h_ratio,
            frozen_change_24h_ratio,
            frozen_run_24h_seconds,
            single_bar_change_24h_ratio,
            whale_concentration_24h_ratio,
            volume_jump_24h_ratio,
            price_gap_24h_ratio,
            mark_deviation_24h_ratio,
            largest_mark_deviation_24h_ratio,
            price_deviation_24h_ratio,
            wick_deviation_24h_ratio,
            consumed_excess_24h_ratio,
            set_apart_price_ratio,
            provider_overlap_ratio,
            start_up_in_range_ratio,
            venue_count
        )
    )
),

held_against as (
    select
        measured.asset,
        measured.venue,
        measured.as_of,
        threshold.gate,
        threshold.position,
        threshold.role,
        measured.measured,
        threshold.soft_level,
        threshold.hard_level,
        threshold.hard_level is not null
        and coalesce(
            if(
                threshold.direction = 'at_least',
                measured.measured < threshold.hard_level,
                measured.measured > threshold.hard_level
            ),
            threshold.is_required
        ) as is_beyond_hard,
        threshold.soft_level is not null
        and coalesce(
            if(
                threshold.direction = 'at_least',
                measured.measured < threshold.soft_level,
                measured.measured > threshold.soft_level
            ),
            threshold.is_required
        ) as is_beyond_soft,
    from measured
    inner join threshold on measured.measure = threshold.measure
    where threshold.role in ('size', 'noise', 'doubt', 'information')
),

beyond as (
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
        level,
        severity,
    from beyond
    union all
    select
        asset,
        venue,
        as_of,
        check_name as gate,
        1000 as position,
        'noise' as role,
        observed as measured,
        threshold as level,
        severity,
    from finding
    where venue <> 'all'
    union all
    select
        measures.asset,
        measures.venue,
        measures.as_of,
        'no_thresholds' as gate,
        0 as position,
        'noise' as role,
        null as measured,
        null as level,
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
        list(
            {
                'name': gate,
                'measured': measured,
                'gate': level,
                'severity': severity
            }
            order by position, gate
        ) as reasons,
        list(gate order by position, gate) as reason_names,
    from venue_reason
    group by asset, venue, as_of
),

venue_graded as (
    select
        measures.asset,
        measures.venue,
        measures.as_of,
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
        measures.venue_count,
        measures.instrument_count,
        measures.open_interest_usd,
        measures.open_interest_share_ratio,
        measures.open_interest_median_24h_usd,
        measures.open_interest_median_7d_usd,
        measures.traded_24h_usd,
        measures.traded_daily_7d_usd,
        measures.bar_coverage_24h_ratio,
        measures.bar_coverage_7d_ratio,
        measures.open_interest_coverage_24h_ratio,
        measures.open_interest_coverage_7d_ratio,
        measures.newest_bar_age_seconds,
        measures.newest_open_interest_age_seconds,
        measures.impossible_row_24h_ratio,
        measures.impossible_row_7d_ratio,
        measures.duplicate_row_24h_ratio,
        measures.duplicate_row_7d_ratio,
        measures.repeated_bar_24h_ratio,
        measures.repeated_bar_7d_ratio,
        measures.zero_volume_24h_ratio,
        measures.zero_volume_7d_ratio,
        measures.violation_24h_ratio,
        measures.violation_7d_ratio,
        measures.unit_audit_24h_ratio,
        measures.unit_audit_7d_ratio,
        measures.frozen_change_24h_ratio,
        measures.frozen_change_7d_ratio,
        measures.frozen_run_24h_seconds,
        measures.frozen_run_7d_seconds,
        measures.single_bar_change_24h_ratio,
        measures.single_bar_change_7d_ratio,
        measures.three_largest_changes_24h_ratio,
        measures.three_largest_changes_7d_ratio,
        measures.whale_concentration_24h_ratio,
        measures.whale_concentration_7d_ratio,
        measures.volume_jump_24h_ratio,
        measures.price_gap_24h_ratio,
        measures.price_gap_7d_ratio,
        measures.mark_deviation_24h_ratio,
        measures.largest_mark_deviation_24h_ratio,
        measures.price_deviation_24h_ratio,
        measures.price_deviation_7d_ratio,
        measures.wick_deviation_24h_ratio,
        measures.wick_deviation_7d_ratio,
        measures.consumed_excess_24h_ratio,
        measures.start_up_in_range_ratio,
        measures.is_warm_up,
        measures.set_apart_price_ratio,
    from measures
    cross join asset_level
    left join venue_verdict
        on
            measures.asset = venue_verdict.asset
            and measures.venue = venue_verdict.venue
            and measures.as_of = venue_verdict.as_of
),

-- What is set apart is no part of the asset, unless all of it is.
of_asset as (
    select
        asset,
        venue,
        as_of,
        grade,
        is_noisy,
        open_interest_median_7d_usd,
    from venue_graded
    qualify
        set_apart_price_ratio is null
        or count(*) filter (where set_apart_price_ratio is null) over (partition by asset, as_of)
        = 0
),

-- Venues weigh by a week of open interest, so that one which stops publishing it does not drop out
-- of the sum at once; where none publishes it, they weigh the same.
with_total as (
    select
        asset,
        venue,
        as_of,
        grade,
        is_noisy,
        open_interest_median_7d_usd,
        list_sum(
            list_sort(list(open_interest_median_7d_usd) over (partition by asset, as_of))
        ) as total_usd,
        count(*) over (partition by asset, as_of) as venue_count,
    from of_asset
),

weighed as (
    select
        asset,
        venue,
        as_of,
        grade,
        is_noisy,
        coalesce(
            open_interest_median_7d_usd / nullif(total_usd, 0),
            if(total_usd > 0, 0, 1 / venue_count)
        ) as weight_ratio,
        open_interest_median_7d_usd is not null as is_weight_known,
    from with_total
),

-- What fails on venues that together hold more than an asset of grade A may lack, with the figure
-- of the largest of them.
shared_reason as (
    select
        weighed.asset,
        weighed.as_of,
        venue_reason.gate,
        any_value(venue_reason.position) as position,
        any_value(venue_reason.role) as role,
        arg_max(venue_reason.measured, (weighed.weight_ratio, weighed.venue)) as measured,
        arg_max(venue_reason.level, (weighed.weight_ratio, weighed.venue)) as level,
        if(bool_or(venue_reason.role = 'information'), 'information', 'soft') as severity,
    from weighed
    cross join asset_level
    inner join venue_reason
        on
            weighed.asset = venue_reason.asset
            and weighed.venue = venue_reason.venue
            and weighed.as_of = venue_reason.as_of
    group by weighed.asset, weighed.as_of, venue_reason.gate, asset_level.graded_a_ratio
    having list_sum(list_sort(list(weighed.weight_ratio))) > 1 - asset_level.graded_a_ratio
),

summable as (
    select
        * replace (
            if(set_apart_price_ratio is null, instrument_count, 0) as instrument_count,
            if(set_apart_price_ratio is null, open_interest_usd, null) as open_interest_usd,
            if(
                set_apart_price_ratio is null, open_interest_median_24h_usd, null
            ) as open_interest_median_24h_usd,
            if(
                set_apart_price_ratio is null, open_interest_median_7d_usd, null
            ) as open_interest_median_7d_usd,
            if(set_apart_price_ratio is null, traded_24h_usd, null) as traded_24h_usd,
            if(set_apart_price_ratio is null, traded_daily_7d_usd, null) as traded_daily_7d_usd
        ),
    from venue_graded
),

asset_hour as (
    select
        asset,
        as_of,
        coalesce(
            max(venue_count) filter (where set_apart_price_ratio is null), max(venue_count)
        ) as venue_count,
        sum(instrument_count)::bigint as instrument_count,
        list_sum(list_sort(list(open_interest_usd))) as open_interest_usd,
        list_sum(list_sort(list(open_interest_share_ratio))) as open_interest_share_ratio,
        list_sum(list_sort(list(open_interest_median_24h_usd))) as open_interest_median_24h_usd,
        list_sum(list_sort(list(open_interest_median_7d_usd))) as open_interest_median_7d_usd,
        list_sum(list_sort(list(traded_24h_usd))) as traded_24h_usd,
        list_sum(list_sort(list(traded_daily_7d_usd))) as traded_daily_7d_usd,
        min(newest_bar_age_seconds) as newest_bar_age_seconds,
        min(newest_open_interest_age_seconds) as newest_open_interest_age_seconds,
        bool_and(is_warm_up) as is_warm_up,
    from summable
    group by asset, as_of
),

asset_share as (
    select
        asset,
        as_of,
        if(
            bool_or(is_weight_known),
            coalesce(list_sum(list_sort(list(weight_ratio) filter (where grade = 'A'))), 0),
            null
        ) as graded_a_open_interest_ratio,
        if(
            bool_or(is_weight_known),
            coalesce(list_sum(list_sort(list(weight_ratio) filter (where grade = 'C'))), 0),
            null
        ) as graded_c_open_interest_ratio,
        coalesce(list_sum(list_sort(list(weight_ratio) filter (where is_noisy))), 0) as noisy_ratio,
    from weighed
    group by asset, as_of
),

asset_measure as (
    select
        asset,
        as_of,
        measure,
        measured,
    from
        asset_share
    unpivot include nulls (
        measured for measure in (
            graded_a_open_interest_ratio,
            graded_c_open_interest_ratio
        )
    )
),

asset_reason as (
    select
        asset_measure.asset,
        asset_measure.as_of,
        threshold.gate,
        threshold.position,
        threshold.role,
        asset_measure.measured,
        coalesce(threshold.hard_level, threshold.soft_level) as level,
        if(threshold.hard_level is null, 'soft', 'hard') as severity,
    from asset_measure
    inner join threshold on asset_measure.measure = threshold.measure
    where
        threshold.role = 'asset'
        and coalesce(
            if(
                threshold.direction = 'at_least',
                asset_measure.measured < coalesce(threshold.hard_level, threshold.soft_level),
                asset_measure.measured > coalesce(threshold.hard_level, threshold.soft_level)
            ),
            threshold.is_required
        )
        and coalesce(threshold.hard_level, threshold.soft_level) is not null
    union all
    select
        asset,
        as_of,
        gate,
        position,
        role,
        measured,
        level,
        severity,
    from shared_reason
    union all
    -- What is left out is told; it counts for nothing in what is left.
    select
        venue_reason.asset,
        venue_reason.as_of,
        venue_reason.gate,
        any_value(venue_reason.position) as position,
        'information' as role,
        max(venue_reason.measured) as measured,
        max(venue_reason.level) as level,
        'information' as severity,
    from venue_reason
    anti join shared_reason
        on
            venue_reason.asset = shared_reason.asset
            and venue_reason.as_of = shared_reason.as_of
            and venue_reason.gate = shared_reason.gate
    where venue_reason.gate = 'set_apart'
    group by venue_reason.asset, venue_reason.as_of, venue_reason.gate
    union all
    select
        asset,
        as_of,
        check_name as gate,
        1000 as position,
        'noise' as role,
        observed as measured,
        threshold as level,
        severity,
    from finding
    where venue = 'all'
),

asset_verdict as (
    select
        asset,
        as_of,
        -- What was not measured is a doubt, but no small figure.
        count(*) filter (where role = 'size' and measured is not null) as size_count,
        count(*) filter (where role <> 'information') as doubt_count,
        count(*) filter (where severity = 'hard') as hard_count,
        list(
            {
                'name': gate,
                'measured': measured,
                'gate': level,
                'severity': severity
            }
            order by position, gate
        ) as reasons,
        list(gate order by position, gate) as reason_names,
    from asset_reason
    group by asset, as_of
),

asset_graded as (
    select
        asset_hour.asset,
        'all' as venue,
        asset_hour.as_of,
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
        asset_hour.venue_count,
        asset_hour.instrument_count,
        asset_hour.open_interest_usd,
        asset_hour.open_interest_share_ratio,
        asset_hour.open_interest_median_24h_usd,
        asset_hour.open_interest_median_7d_usd,
        asset_hour.traded_24h_usd,
        asset_hour.traded_daily_7d_usd,
        null::double as bar_coverage_24h_ratio,
        null::double as bar_coverage_7d_ratio,
        null::double as open_interest_coverage_24h_ratio,
        null::double as open_interest_coverage_7d_ratio,
        asset_hour.newest_bar_age_seconds,
        asset_hour.newest_open_interest_age_seconds,
        null::double as impossible_row_24h_ratio,
        null::double as impossible_row_7d_ratio,
        null::double as duplicate_row_24h_ratio,
        null::double as duplicate_row_7d_ratio,
        null::double as repeated_bar_24h_ratio,
        null::double as repeated_bar_7d_ratio,
        null::double as zero_volume_24h_ratio,
        null::double as zero_volume_7d_ratio,
        null::double as violation_24h_ratio,
        null::double as violation_7d_ratio,
        null::double as unit_audit_24h_ratio,
        null::double as unit_audit_7d_ratio,
        null::double as frozen_change_24h_ratio,
        null::double as frozen_change_7d_ratio,
        null::double as frozen_run_24h_seconds,
        null::double as frozen_run_7d_seconds,
        null::double as single_bar_change_24h_ratio,
        null::double as single_bar_change_7d_ratio,
        null::double as three_largest_changes_24h_ratio,
        null::double as three_largest_changes_7d_ratio,
        null::double as whale_concentration_24h_ratio,
        null::double as whale_concentration_7d_ratio,
        null::double as volume_jump_24h_ratio,
        null::double as price_gap_24h_ratio,
        null::double as price_gap_7d_ratio,
        null::double as mark_deviation_24h_ratio,
        null::double as largest_mark_deviation_24h_ratio,
        null::double as price_deviation_24h_ratio,
        null::double as price_deviation_7d_ratio,
        null::double as wick_deviation_24h_ratio,
        null::double as wick_deviation_7d_ratio,
        null::double as consumed_excess_24h_ratio,
        null::double as start_up_in_range_ratio,
        asset_hour.is_warm_up,
        null::double as set_apart_price_ratio,
    from asset_hour
    cross join asset_level
    inner join asset_share
        on asset_hour.asset = asset_share.asset and asset_hour.as_of = asset_share.as_of
    left join asset_verdict
        on asset_hour.asset = asset_verdict.asset and asset_hour.as_of = asset_verdict.as_of
),

graded as (
    select
        asset,
        venue,
        as_of,
        grade,
        is_noisy,
        is_low_cap,
        reasons,
        reason_names,
        if(
            open_interest_median_7d_usd is null, null, if(grade = 'A', 1.0::double, 0.0::double)
        ) as graded_a_open_interest_ratio,
        venue_count,
        instrument_count,
        open_interest_usd,
        open_interest_share_ratio,
        open_interest_median_24h_usd,
        open_interest_median_7d_usd,
        traded_24h_usd,
        traded_daily_7d_usd,
        bar_coverage_24h_ratio,
        bar_coverage_7d_ratio,
        open_interest_coverage_24h_ratio,
        open_interest_coverage_7d_ratio,
        newest_bar_age_seconds,
        newest_open_interest_age_seconds,
        impossible_row_24h_ratio,
        impossible_row_7d_ratio,
        duplicate_row_24h_ratio,
        duplicate_row_7d_ratio,
        repeated_bar_24h_ratio,
        repeated_bar_7d_ratio,
        zero_volume_24h_ratio,
        zero_volume_7d_ratio,
        violation_24h_ratio,
        violation_7d_ratio,
        unit_audit_24h_ratio,
        unit_audit_7d_ratio,
        frozen_change_24h_ratio,
        frozen_change_7d_ratio,
        frozen_run_24h_seconds,
        frozen_run_7d_seconds,
        single_bar_change_24h_ratio,
        single_bar_change_7d_ratio,
        three_largest_changes_24h_ratio,
        three_largest_changes_7d_ratio,
        whale_concentration_24h_ratio,
        whale_concentration_7d_ratio,
        volume_jump_24h_ratio,
        price_gap_24h_ratio,
        price_gap_7d_ratio,
        mark_deviation_24h_ratio,
        largest_mark_deviation_24h_ratio,
        price_deviation_24h_ratio,
        price_deviation_7d_ratio,
        wick_deviation_24h_ratio,
        wick_deviation_7d_ratio,
        consumed_excess_24h_ratio,
        start_up_in_range_ratio,
        is_warm_up,
        set_apart_price_ratio,
    from venue_graded
    union all
    select
        asset,
        venue,
        as_of,
        grade,
        is_noisy,
        is_low_cap,
        reasons,
        reason_names,
        graded_a_open_interest_ratio,
        venue_count,
        instrument_count,
        open_interest_usd,
        open_interest_share_ratio,
        open_interest_median_24h_usd,
        open_interest_median_7d_usd,
        traded_24h_usd,
        traded_daily_7d_usd,
        bar_coverage_24h_ratio,
        bar_coverage_7d_ratio,
        open_interest_coverage_24h_ratio,
        open_interest_coverage_7d_ratio,
        newest_bar_age_seconds,
        newest_open_interest_age_seconds,
        impossible_row_24h_ratio,
        impossible_row_7d_ratio,
        duplicate_row_24h_ratio,
        duplicate_row_7d_ratio,
        repeated_bar_24h_ratio,
        repeated_bar_7d_ratio,
        zero_volume_24h_ratio,
        zero_volume_7d_ratio,
        violation_24h_ratio,
        violation_7d_ratio,
        unit_audit_24h_ratio,
        unit_audit_7d_ratio,
        frozen_change_24h_ratio,
        frozen_change_7d_ratio,
        frozen_run_24h_seconds,
        frozen_run_7d_seconds,
        single_bar_change_24h_ratio,
        single_bar_change_7d_ratio,
        three_largest_changes_24h_ratio,
        three_largest_changes_7d_ratio,
        whale_concentration_24h_ratio,
        whale_concentration_7d_ratio,
        volume_jump_24h_ratio,
        price_gap_24h_ratio,
        price_gap_7d_ratio,
        mark_deviation_24h_ratio,
        largest_mark_deviation_24h_ratio,
        price_deviation_24h_ratio,
        price_deviation_7d_ratio,
        wick_deviation_24h_ratio,
        wick_deviation_7d_ratio,
        consumed_excess_24h_ratio,
        start_up_in_range_ratio,
        is_warm_up,
        set_apart_price_ratio,
    from asset_graded
),

asset_quality as (
    select
        graded.asset,
        graded.venue,
        graded.as_of,
        graded.grade,
        graded.is_noisy,
        graded.is_low_cap,
        graded.reasons,
        graded.reason_names,
        graded.graded_a_open_interest_ratio,
        provider_overlap.overlap_mean_ratio as provider_overlap_ratio,
        graded.venue_count,
        graded.instrument_count,
        graded.open_interest_usd,
        graded.open_interest_share_ratio,
        graded.open_interest_median_24h_usd,
        graded.open_interest_median_7d_usd,
        graded.traded_24h_usd,
        graded.traded_daily_7d_usd,
        graded.bar_coverage_24h_ratio,
        graded.bar_coverage_7d_ratio,
        graded.open_interest_coverage_24h_ratio,
        graded.open_interest_coverage_7d_ratio,
        graded.newest_bar_age_seconds,
        graded.newest_open_interest_age_seconds,
        graded.impossible_row_24h_ratio,
        graded.impossible_row_7d_ratio,
        graded.duplicate_row_24h_ratio,
        graded.duplicate_row_7d_ratio,
        graded.repeated_bar_24h_ratio,
        graded.repeated_bar_7d_ratio,
        graded.zero_volume_24h_ratio,
        graded.zero_volume_7d_ratio,
        graded.violation_24h_ratio,
        graded.violation_7d_ratio,
        graded.unit_audit_24h_ratio,
        graded.unit_audit_7d_ratio,
        graded.frozen_change_24h_ratio,
        graded.frozen_change_7d_ratio,
        graded.frozen_run_24h_seconds,
        graded.frozen_run_7d_seconds,
        graded.single_bar_change_24h_ratio,
        graded.single_bar_change_7d_ratio,
        graded.three_largest_changes_24h_ratio,
        graded.three_largest_changes_7d_ratio,
        graded.whale_concentration_24h_ratio,
        graded.whale_concentration_7d_ratio,
        graded.volume_jump_24h_ratio,
        graded.price_gap_24h_ratio,
        graded.price_gap_7d_ratio,
        graded.mark_deviation_24h_ratio,
        graded.largest_mark_deviation_24h_ratio,
        graded.price_deviation_24h_ratio,
        graded.price_deviation_7d_ratio,
        graded.wick_deviation_24h_ratio,
        graded.wick_deviation_7d_ratio,
        graded.consumed_excess_24h_ratio,
        graded.start_up_in_range_ratio,
        graded.is_warm_up,
        graded.set_apart_price_ratio,
    from graded
    left join provider_overlap
        on graded.asset = provider_overlap.asset and graded.as_of = provider_overlap.as_of
)

select * from asset_quality
