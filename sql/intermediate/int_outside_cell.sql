-- Cells of outside providers' maps, the last capture of each hour, with the hour's traded prices.
--
-- Grain: asset, provider, venue, as_of, side, price_low, price_high, unit, semantics
-- Materialized: view
-- Known limitation: of a provider that mixes units in an hour, only the cells in USD are here, or
-- those of one unit where none is in USD.

with
provider_map as (
    select
        provider as source_provider,
        if(
            is_measured(provider),
            provider,
            lower(concat_ws('_', provider, nullif(model, ''), "window"))
        ) as provider,
        model,
        "window",
        asset,
        venue_scope as venue,
        as_of as captured_at,
        hour_end(as_of) as as_of,
        price_low,
        price_high,
        side,
        value,
        unit,
        semantics,
        reference_price,
        observed_open_interest_ratio,
        raw_sha256,
    from staging.stg_provider_map
    where in_window(captured_at) and in_window_assets(asset)
),

counted_in as (
    select
        asset,
        provider,
        as_of,
        arg_max(
            { 'unit': unit, 'semantics': semantics },
            (unit = 'usd', semantics = 'standing', unit, semantics)
        ) as chosen,
    from provider_map
    group by asset, provider, as_of
),

-- Measured positions may have been captured in two forms at one instant: all accounts come first.
last_captured as (
    select
        asset,
        provider,
        venue,
        as_of,
        max((captured_at, model = 'collected', model)) as captured,
    from provider_map
    group by asset, provider, venue, as_of
),

traded as (
    select
        asset,
        as_of,
        median(close) as traded_price,
        min(low) as traded_low,
        max(high) as traded_high,
    from intermediate.int_instrument_hour
    anti join intermediate.int_set_apart using (asset, venue, as_of)
    where in_window(as_of) and in_window_assets(asset)
    group by asset, as_of
),

cell as (
    select
        provider_map.*,
        traded.* exclude (asset, as_of),
    from provider_map
    inner join last_captured using (asset, provider, venue, as_of)
    inner join counted_in using (asset, provider, as_of)
    left join traded using (asset, as_of)
    where
        (captured_at, model = 'collected', model) = last_captured.captured
        and provider_map.unit = counted_in.chosen.unit
        and provider_map.semantics = counted_in.chosen.semantics
)

select * from cell
