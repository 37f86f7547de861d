-- What hourly maps of measured positions rest on: the newest row of each side.
--
-- Grain: provider, venue_scope, asset, as_of, side
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

with
newest as (
    select *
    from raw.position_coverage
    qualify
        row_number() over (
            partition by provider, venue_scope, asset, as_of, side
            order by ingested_at desc, source, positions desc, observed_quantity desc
        ) = 1
)

select * from newest
