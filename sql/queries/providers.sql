-- Providers of published maps: their source, what each counts, what it covers, how old it is.

with
parameter as (
    select
        params_hash,
        max(if(parameter = 'sends', value, null)) as sends,
        max(if(parameter = 'model', value, null)) as model,
        max(if(parameter = 'valuation', value, null)) as valuation,
        max(if(parameter = 'valuation', reason, null)) as documentation,
    from marts.estimator_parameters
    group by params_hash
),

held as (
    select
        provider,
        params_hash,
        unit,
        semantics,
        list_sort(list(distinct asset)) as assets,
        list_sort(list(distinct venue)) as venues,
        count(distinct row(asset, as_of)) as asset_hours,
        min(as_of) as oldest,
        max(as_of) as newest,
    from marts.liquidation_heatmap_arrays
    group by provider, params_hash, unit, semantics
),

captured as (
    select
        provider,
        max(captured_at) as newest_capture,
        count(*) filter (where not is_fitting) as unfit_captures,
        -- Of 20 % to either side, how much the maps cover.
        avg(
            (
                least(ln(covered_price_high / coalesce(reference_price, covered_price_high)), 0.2)
                + least(ln(coalesce(reference_price, covered_price_low) / covered_price_low), 0.2)
            )
            / 0.4
        ) as covered_ratio,
        avg((observed_long_ratio + observed_short_ratio) / 2) as observed_ratio,
    from marts.outside_maps_hourly
    group by provider
),

newest_coverage as (
    select
        provider,
        observed_base * mark_price as observed_usd,
        within_hour_ratio,
        position_count,
    from marts.measured_coverage_hourly
    qualify as_of = max(as_of) over (partition by provider)
),

rests_on as (
    select
        provider,
        sum(observed_usd * within_hour_ratio)
        / nullif(sum(observed_usd), 0) as within_hour_ratio,
        sum(position_count)::bigint as position_count,
    from newest_coverage
    group by provider
)

select
    provider,
    if(sends is null, 'estimator: ' || coalesce(model, ''), sends) as "from",
    unit,
    semantics,
    assets,
    venues,
    asset_hours,
    oldest,
    newest,
    newest_capture,
    unfit_captures,
    covered_ratio,
    observed_ratio,
    within_hour_ratio,
    position_count,
    valuation,
    documentation,
    held.params_hash,
from held
left join parameter using (params_hash)
left join captured using (provider)
left join rests_on using (provider)
order by sends is not null, provider, unit
