-- Contracts, newest description, under the asset that a person says a ticker means.
--
-- Grain: venue, instrument
-- Materialized: view

-- The exceptions join here and nowhere else, so that everything that reads instruments agrees; one
-- without an asset leaves its instrument out.
--
-- Rows of one key, source and time taken in are told apart by their values, the larger first: which
-- one counts depends on nothing but the rows.

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
            order by
                observed_at desc,
                ingested_at desc,
                source,
                asset desc,
                quote desc,
                contract_kind desc,
                contract_size desc,
                base_multiplier desc,
                tick_size desc,
                lot_quantity desc,
                is_active desc
        ) = 1
),

symbol_exception as (
    select
        venue,
        instrument,
        asset,
    from meta.symbol_exception
),

meant as (
    select
        newest.venue,
        newest.instrument,
        coalesce(symbol_exception.asset, newest.asset) as asset,
        newest.quote,
        newest.contract_kind,
        newest.contract_size,
        newest.base_multiplier,
        newest.tick_size,
        newest.lot_quantity,
        newest.is_active,
        newest.observed_at,
        newest.source,
        newest.ingested_at,
    from newest
    left join symbol_exception
        on
            newest.venue = symbol_exception.venue
            and newest.instrument = symbol_exception.instrument
    where symbol_exception.instrument is null or symbol_exception.asset is not null
)

select * from meant
