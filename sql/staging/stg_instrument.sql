-- Contracts: the newest description of each, with the asset that a user's exception names.
--
-- Grain: venue, instrument
-- Materialized: view

-- Exceptions are joined here and nowhere else, so that all readers of instruments agree. An
-- exception without an asset leaves its instrument out. Larger values break ties, so that the
-- result depends on the rows alone.

with
newest as (
    select *
    from raw.instrument
    qualify
        row_number() over (
            partition by venue, instrument
            order by
                observed_at desc, ingested_at desc, source, asset desc, quote desc,
                contract_kind desc, contract_size desc, base_multiplier desc, tick_size desc,
                lot_quantity desc, is_active desc
        ) = 1
),

renamed as (
    select newest.* replace (coalesce(symbol_exception.asset, newest.asset) as asset)
    from newest
    left join meta.symbol_exception as symbol_exception
        on
            newest.venue = symbol_exception.venue
            and newest.instrument = symbol_exception.instrument
    where symbol_exception.instrument is null or symbol_exception.asset is not null
)

select * from renamed
