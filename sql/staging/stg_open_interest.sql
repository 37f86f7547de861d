-- Open interest, newest row of each instant.
--
-- Grain: venue, instrument, observed_at
-- Materialized: view

-- Rows of one key, source and time taken in are told apart by their values, the larger first: which
-- one counts depends on nothing but the rows.

with
open_interest as (
    select
        venue,
        instrument,
        observed_at,
        open_interest_quantity,
        received_amount,
        received_amount_unit,
        received_value,
        received_value_unit,
        sides_counted,
        source,
        ingested_at,
    from raw.open_interest
),

newest as (
    select
        venue,
        instrument,
        observed_at,
        open_interest_quantity,
        received_amount,
        received_amount_unit,
        received_value,
        received_value_unit,
        sides_counted,
        source,
        ingested_at,
    from open_interest
    qualify
        row_number() over (
            partition by venue, instrument, observed_at
            order by
                ingested_at desc,
                source,
                open_interest_quantity desc,
                received_amount desc,
                received_amount_unit desc,
                received_value desc,
                received_value_unit desc,
                sides_counted desc
        ) = 1
)

select * from newest
