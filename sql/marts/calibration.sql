-- Every fitted parameter with its interval and span, and why there is no fit where there is none.
--
-- Materialized: table
-- Known limitation: rows of a ledger resemble one another, so hardly any is identified by itself;
-- their sums are.

-- Lists in words, for tools that know no lists.
select
    * exclude (structure_hash, draws),
    array_to_string(realised_feeds, ', ') as realised_feeds_text,
    array_to_string(realised_venues, ', ') as realised_venues_text,
from derived.calibration
