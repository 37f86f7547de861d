-- Maps that others made: of each map, the cells of its newest capture.
--
-- Grain: provider, model, venue_scope, asset, as_of, price_low, price_high, side, leverage
-- Materialized: view

with
provider_map as (
    select
        provider,
        model,
        venue_scope,
        asset,
        as_of,
        "window",
        price_low,
        price_high,
        side,
        leverage,
        value,
        unit,
        semantics,
        reference_price,
        observed_open_interest_ratio,
        raw_sha256,
        source,
        ingested_at,
    from raw.provider_map
),

newest as (
    select
        provider,
        model,
        venue_scope,
        asset,
        as_of,
        "window",
        price_low,
        price_high,
        side,
        leverage,
        value,
        unit,
        semantics,
        reference_price,
        observed_open_interest_ratio,
        raw_sha256,
        source,
        ingested_at,
    from provider_map
    qualify
        row_number() over (
            partition by
                provider, model, venue_scope, asset, as_of, price_low, price_high, side, leverage
            order by ingested_at desc, raw_sha256
        ) = 1
)

select * from newest
