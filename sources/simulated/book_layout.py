"""Names of the places in the arrays of a book, read as ``at.MARK_LOG``.

Belongs here: one name per index. Does not belong here: the arrays (`sources.simulated.positions`).
"""

(
    FREE_HEAD,
    FREE_COUNT,
    TRADER_LONG_LOTS,
    TRADER_SHORT_LOTS,
    MAKER_LOTS,
    WHALE_TRANCHES,
    WHALE_SIDE,
) = range(7)
"""Entries of ``Ledger.counts``."""

LAST_LOG, MARK_LOG, VENUE_GAP, REMEMBERED_LOG, APPETITE, CLOCK, LAST_PRICE = range(7)
"""Entries of ``Ledger.levels``."""
