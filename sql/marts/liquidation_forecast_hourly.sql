-- What each model predicted for an hour given the path of price in it, beside what was liquidated.
--
-- Materialized: table
-- Known limitation: a prediction is of the venues whose liquidations are published in the hour, as
-- far as the model has them; covered_venues has those. The interval knows the last week alone.
-- Regressions are predicted once a day, so the newest hours have none yet.

-- The interval takes ratios of published to predicted amounts in the week before, of predictions of
-- like size, since small ones miss by larger factors; how large is large is taken from the week
-- before each of them, so two weeks are read. Of n ratios the next one lies below the k-th with
-- odds k / (n + 1): for the tens of a class 80 % lie between the quantiles of 9 and 91 %. Sums are
-- of decimals, so that they do not depend on where a window begins.

with
prediction as (
    select * from intermediate.int_prediction_hour
    where in_window_assets(asset) and in_window(as_of, interval 336 hours)
),

forecast_prediction as (
    select
        asset,
        as_of,
        provider,
        side,
        predicted_usd,
        reason,
        params_hash,
    from derived.forecast_prediction
    where in_window_assets(asset) and in_window(as_of, interval 336 hours)
),

realised_liquidation as (
    select * from intermediate.int_realised_liquidation_hour
),

leverage_exposure as (
    select
        asset,
        as_of,
        provider,
        venue,
        side,
        unnest(tier) as tier,
        unnest(consumed_usd) as consumed_usd,
        unnest(swept_usd) as swept_usd,
    from derived.leverage_exposure
    where in_window_assets(asset) and in_window(as_of) and consumed_usd is not null
),

flagged as (
    select distinct
        asset,
        as_of,
        venue,
        true as is_flagged,
    from intermediate.int_instrument_hour
    where
        in_window_assets(asset)
        and in_window(as_of, interval 336 hours)
        and (violation_count > 0 or bar_count * bar_seconds < 3600)
),

path as (
    select
        asset,
        as_of,
        any_value(reference_venue) as reference_venue,
    from prediction
    where provider = 'path_ledger'
    group by asset, as_of
),

-- Fitted to the liquidations of the scope, from the path that the ledger follows.
regression as (
    select
        forecast_prediction.asset,
        forecast_prediction.as_of,
        forecast_prediction.provider,
        'all' as venue,
        forecast_prediction.side,
        case forecast_prediction.provider
            when 'lagged_forecast' then 'regression on what is known before the hour'
            else 'regression given the path of the hour'
        end as method,
        forecast_prediction.predicted_usd as regressed_usd,
        forecast_prediction.reason as no_prediction_reason,
        path.reference_venue,
        forecast_prediction.params_hash,
    from forecast_prediction
    left join path using (asset, as_of)
),

every_prediction as (
    select * from prediction
    union all by name
    select * from regression
),

-- Without a feed of liquidations in the hour, a prediction is of all venues.
in_scope as (
    select
        every_prediction.*,
        coalesce(every_prediction.reference_venue, every_prediction.venue) as covered_venue,
        every_prediction.venue = 'all'
        or coalesce(
            list_contains(
                realised_liquidation.realised_liquidation_venues, every_prediction.venue
            ),
            true
        ) as is_covered,
    from every_prediction
    left join realised_liquidation using (asset, as_of)
),

of_side as (
    select
        in_scope.asset,
        in_scope.as_of,
        in_scope.provider,
        in_scope.side,
        any_value(in_scope.method) as method,
        list(distinct in_scope.covered_venue) filter (
            where in_scope.is_covered and in_scope.as_of > window_start()
        ) as covered_venues,
        coalesce(
            bool_or(flagged.is_flagged) filter (where in_scope.is_covered), false
        ) as is_flagged,
        sum(exact(in_scope.consumed_usd)) filter (
            where in_scope.is_covered
        )::double as consumed_usd,
        sum(exact(in_scope.swept_usd)) filter (where in_scope.is_covered)::double as swept_usd,
        any_value(in_scope.move_usd) as move_usd,
        any_value(in_scope.constant_usd) as constant_usd,
        any_value(in_scope.exposure) as exposure,
        any_value(in_scope.regressed_usd) as regressed_usd,
        any_value(in_scope.no_prediction_reason) as no_prediction_reason,
        any_value(in_scope.capture_ratio) as ledger_capture_ratio,
        any_value(in_scope.capture_hour_count) as ledger_capture_hour_count,
        any_value(in_scope.params_hash) as params_hash,
    from in_scope
    left join flagged
        on
            in_scope.asset = flagged.asset
            and in_scope.as_of = flagged.as_of
            and in_scope.covered_venue = flagged.venue
    group by in_scope.asset, in_scope.as_of, in_scope.provider, in_scope.side
),

-- Three days without a liquidation look like a feed that is down; hours before the third is over
-- count, since nothing later may decide about them.
scope as (
    select
        asset,
        as_of,
        array_to_string(realised_liquidation_venues, '+') as venue_scope,
        is_realised_liquidation_partial as is_partial,
        realised_long_liquidation_usd,
        realised_short_liquidation_usd,
        count(*) over three_days = 72
        and max(
            coalesce(realised_long_liquidation_usd, 0)
            + coalesce(realised_short_liquidation_usd, 0)
        ) over three_days = 0 as is_silent,
    from realised_liquidation
    window
        three_days as (
            partition by asset
            order by as_of
            range between interval 71 hours preceding and current row
        )
),

with_reason as (
    select
        of_side.*,
        coalesce(scope.venue_scope, 'all') as venue_scope,
        if(
            of_side.side = 'long',
            scope.realised_long_liquidation_usd,
            scope.realised_short_liquidation_usd
        ) as realised_usd,
        coalesce(
            of_side.regressed_usd,
            of_side.consumed_usd
            + coalesce(of_side.swept_usd, 0)
            + coalesce(of_side.move_usd, 0)
            + coalesce(of_side.constant_usd, 0)
        ) as predicted_usd,
        coalesce(predicted_usd, of_side.exposure) as predicted,
        case
            when of_side.is_flagged then 'bars are missing or contradict open interest'
            when scope.is_partial then 'the feed lacks part of the hour'
            when scope.is_silent then 'nothing was published for three days'
        end as left_out_reason,
        realised_usd is not null
        and predicted is not null
        and left_out_reason is null as is_usable,
    from of_side
    left join scope using (asset, as_of)
),

of_hour as (
    select
        asset,
        as_of,
        venue_scope,
        provider,
        count(*) = 2 and bool_and(is_usable) as is_usable,
        sum(exact(realised_usd)) as realised,
        sum(exact(predicted)) as predicted,
    from with_reason
    group by asset, as_of, venue_scope, provider
),

of_week as (
    select
        asset,
        as_of,
        venue_scope,
        provider,
        sum(realised) filter (where is_usable) over week_before as realised,
        sum(predicted) filter (where is_usable) over week_before as predicted,
        count(*) filter (where is_usable) over week_before as hour_count,
    from of_hour
    window
        week_before as (
            partition by asset, provider, venue_scope
            order by as_of
            range between interval 168 hours preceding and interval 1 hour preceding
        )
    qualify as_of > window_start()
),

sized as (
    select
        *,
        quantile_cont(predicted, [0.25, 0.5, 0.75, 0.9]) filter (
            where is_usable and predicted > 0
        ) over week_before as sizes,
        count(*) filter (where is_usable and predicted > 0) over week_before as ratio_count,
        len(list_filter(sizes, size -> predicted >= size)) as size_class,
    from with_reason
    window
        week_before as (
            partition by asset, provider, venue_scope
            order by as_of
            range between interval 168 hours preceding and interval 1 hour preceding
        )
    qualify as_of > window_start() - interval 168 hours
),

spread as (
    select
        *,
        quantile_cont(realised_usd / predicted, [0.09, 0.91]) filter (
            where is_usable and predicted > 0
        ) over week_before as ratios,
        count(*) filter (where is_usable and predicted > 0) over week_before as class_count,
    from sized
    window
        week_before as (
            partition by asset, provider, venue_scope, size_class
            order by as_of
            range between interval 168 hours preceding and interval 1 hour preceding
        )
    qualify as_of > window_start()
),

-- A day of hours is the least that capture and interval are taken from. A ledger's capture is the
-- one that its maps were multiplied by.
with_capture as (
    select
        spread.* replace (list_sort(spread.covered_venues) as covered_venues),
        realised_liquidation.realised_liquidation_venues as realised_venues,
        realised_liquidation.realised_liquidation_feeds as realised_feeds,
        realised_liquidation.is_realised_liquidation_complete as is_complete,
        spread.method = 'fitted ledger' as is_ledger,
        if(
            is_ledger,
            spread.ledger_capture_ratio,
            if(
                of_week.hour_count >= 24 and of_week.realised > 0 and of_week.predicted > 0,
                of_week.realised::double / of_week.predicted::double,
                null
            )
        ) as capture_ratio,
        if(
            is_ledger, spread.ledger_capture_hour_count, of_week.hour_count
        )::bigint as capture_hour_count,
    from spread
    inner join of_week using (asset, as_of, venue_scope, provider)
    left join realised_liquidation using (asset, as_of)
),

side_row as (
    select
        asset,
        as_of,
        venue_scope,
        provider,
        side,
        'all' as tier,
        method,
        consumed_usd,
        swept_usd,
        predicted_usd,
        capture_ratio,
        capture_hour_count,
        predicted * if(is_ledger, coalesce(capture_ratio, 1), capture_ratio) as expected_usd,
        case
            when predicted is null
                then coalesce(no_prediction_reason, 'the model has no prediction')
            when realised_feeds is null then 'no feed of liquidations in the hour'
            when ratio_count < 48 then 'less than a day of realised hours in the week before'
            when predicted <= 0 then 'the model predicts nothing'
            when class_count < 20 then 'fewer than 20 predictions of its size in the week before'
        end as interval_reason,
        if(interval_reason is null, predicted * ratios[1], null) as expected_low_usd,
        if(interval_reason is null, predicted * ratios[2], null) as expected_high_usd,
        realised_usd,
        realised_feeds,
        realised_venues,
        covered_venues,
        case
            when realised_usd is null then 'unknown'
            when is_complete then 'complete'
            else 'lower_bound'
        end as completeness,
        left_out_reason is not null as is_left_out,
        left_out_reason,
        params_hash,
        is_ledger,
        move_usd,
        constant_usd,
    from with_capture
),

tier_of_positions as (
    select
        asset,
        as_of,
        provider,
        side,
        leverage_exposure.tier,
        side_row.venue_scope,
        sorted_sum(leverage_exposure.consumed_usd) as consumed_usd,
        sorted_sum(leverage_exposure.swept_usd) as swept_usd,
    from leverage_exposure
    inner join side_row using (asset, as_of, provider, side)
    where list_contains(side_row.covered_venues, leverage_exposure.venue)
    group by asset, as_of, provider, side, leverage_exposure.tier, side_row.venue_scope
),

tier_of_path as (
    select
        asset,
        as_of,
        provider,
        side,
        unnest(['map', 'move', 'constant']) as tier,
        venue_scope,
        unnest([consumed_usd, move_usd, constant_usd]) as consumed_usd,
    from side_row
    where is_ledger and predicted_usd is not null
),

tier_of_map as (
    select
        asset,
        as_of,
        provider,
        side,
        'map' as tier,
        venue_scope,
        consumed_usd,
    from side_row
    where method = 'map of the hour before' and consumed_usd is not null
),

tier as (
    select * from tier_of_positions
    union all by name
    select * from tier_of_path
    union all by name
    select * from tier_of_map
),

tier_row as (
    select
        side_row.* replace (
            tier.tier as tier,
            tier.consumed_usd as consumed_usd,
            tier.swept_usd as swept_usd,
            tier.consumed_usd + coalesce(tier.swept_usd, 0) as predicted_usd,
            (tier.consumed_usd + coalesce(tier.swept_usd, 0))
            * if(
                side_row.is_ledger, coalesce(side_row.capture_ratio, 1), side_row.capture_ratio
            ) as expected_usd,
            null as interval_reason,
            null as expected_low_usd,
            null as expected_high_usd,
            null as realised_usd
        ),
    from tier
    inner join side_row using (asset, as_of, provider, side)
),

forecast as (
    select * exclude (is_ledger, move_usd, constant_usd) from side_row
    union all by name
    select * exclude (is_ledger, move_usd, constant_usd) from tier_row
),

-- Lists in words, for tools that know no lists.
in_words as (
    select
        *,
        array_to_string(realised_feeds, ', ') as realised_feeds_text,
        array_to_string(realised_venues, ', ') as realised_venues_text,
        array_to_string(covered_venues, ', ') as covered_venues_text,
    from forecast
)

select * from in_words
