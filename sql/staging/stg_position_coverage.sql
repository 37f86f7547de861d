-- What hourly maps of measured positions rest on: the newest row of each side.
--
-- Grain: provider, venue_scope, asset, as_of, side
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

select *
from raw.position_coverage
qualify
    row_number() over (
        partition by provider, venue_scope, asset, as_of, side
        order by
            ingested_at desc, source, accounts desc, positions desc, observed_quantity desc,
            open_interest_quantity desc, mark_price desc, mapped_quantity desc,
            without_price_quantity desc, beyond_reach_quantity desc, passed_quantity desc,
            stale_quantity desc, cross_quantity desc, traded_since_quantity desc,
            age_p50_seconds desc, age_p90_seconds desc, age_max_seconds desc,
            within_hour_ratio desc, up_to_3x_quantity desc, up_to_5x_quantity desc,
            up_to_10x_quantity desc, up_to_20x_quantity desc, above_20x_quantity desc,
            collecting_seconds desc
    ) = 1
