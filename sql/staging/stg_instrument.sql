-- Contracts, newest description.
--
-- Grain: venue, instrument
-- Materialized: view

with
instrument as (
    select
        venue,
        instrument,
        asset,
        quote,
        contract_kind,
        contract_size,
        base_multiplier,
        tick_size,
        lot_quantity,
        is_active,
        observed_at,
        source,
        ingested_at,
    from raw.instrument
),

newest as (
    select
        venue,
        instrument,
        asset,
        quote,
        contract_kind,
        contract_size,
        base_multiplier,
        tick_size,
        lot_quantity,
        is_active,
        observed_at,
        source,
        ingested_at,
    from instrument
    qualify
        row_number() over (
            partition by venue, instrument
            order by observed_at desc, ingested_at desc, source
        ) = 1
)

select * from newest
