-- How far two providers' maps of one asset and hour differ, and in what.
--
-- Materialized: table
-- Known limitation: prices that a provider does not cover count as empty; see the covered ratios.

select
    asset,
    as_of,
    venue_a as venue,
    * exclude (asset, as_of, venue_a, venue_b, run_id),
from derived.map_disagreement
where venue_a = venue_b
