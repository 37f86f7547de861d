-- Whether a venue's open interest counts one side of each contract or both, as its figures show.
--
-- Materialized: table
-- Known limitation: over the three days that end with the newest figure; see int_odd_lot.

select
    venue,
    sides_counted,
    sides_seen,
    reason,
    odd_share_ratio,
    odd_share_low_ratio,
    odd_share_high_ratio,
    figure_count,
    instrument_count,
    is_lot_listed,
    contradiction_count = 1 as is_contradicted,
from intermediate.int_odd_lot
