-- Maps that others made, and measured positions: of each map, the cells of its newest capture.
--
-- Grain: provider, model, window, venue_scope, asset, as_of, price_low, price_high, side, leverage
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

newest_capture as (
    select
        provider,
        model,
        "window",
        venue_scope,
        asset,
        as_of,
        max(ingested_at) as ingested_at,
        arg_max(raw_sha256, (ingested_at, raw_sha256)) as raw_sha256,
    from provider_map
    group by provider, model, "window", venue_scope, asset, as_of
),

newest as (
    select
        provider_map.provider,
        provider_map.model,
        provider_map.venue_scope,
        provider_map.asset,
        provider_map.as_of,
        provider_map."window",
        provider_map.price_low,
        provider_map.price_high,
        provider_map.side,
        provider_map.leverage,
        provider_map.value,
        provider_map.unit,
        provider_map.semantics,
        provider_map.reference_price,
        provider_map.observed_open_interest_ratio,
        provider_map.raw_sha256,
        provider_map.source,
        provider_map.ingested_at,
    from provider_map
    inner join newest_capture
        on
            provider_map.provider = newest_capture.provider
            and provider_map.model = newest_capture.model
            and provider_map."window" is not distinct from newest_capture."window"
            and provider_map.venue_scope = newest_capture.venue_scope
            and provider_map.asset = newest_capture.asset
            and provider_map.as_of = newest_capture.as_of
            and provider_map.ingested_at = newest_capture.ingested_at
            and provider_map.raw_sha256 = newest_capture.raw_sha256
)

select * from newest
