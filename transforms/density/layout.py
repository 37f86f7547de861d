"""Names of the places in the arrays of the compiled steps, read as ``at.TOTAL``.

Belongs here: one name per index. Does not belong here: the arrays (``tier_rows``, ``inputs``,
``emit``).
"""

ALL, START_UP = range(2)
"""First axis of ``TierRows.nodes``."""

MULTIPLIER, TOTAL, CONSUMED_QUANTITY, CONSUMED_USD, SWEPT_QUANTITY, SWEPT_USD = range(6)
"""First axis of ``TierRows.amounts``."""

LOW, HIGH, START_UP_LOW, START_UP_HIGH = range(4)
"""First axis of ``TierRows.spans``: ends of the filled nodes, both included; 1 and 0 when empty."""

UNLEVERED, START_UP_UNLEVERED, EXCESS = range(3)
"""First axis of ``TierRows.sides``."""

BARS, VIOLATIONS, IMPUTED, ON_LAST_PRICE = range(4)
"""Entries of ``TierRows.counts``."""

PLACE, WEIGHT = range(2)
"""First axis of the entries of a bar, shape (2, 4): where its open, high, low and close lie [nodes]
and the shares of its opens entered there [ratio]."""

OPEN_PRICE, HIGH_PRICE, LOW_PRICE, CLOSE_PRICE, CLEARING_HIGH, CLEARING_LOW = range(6)
"""First axis of ``KernelBars.prices``; the last two are the extremes of the mark price."""

BUY_RATIO, OPENED, CLOSED, OPEN_INTEREST = range(4)
"""First axis of ``KernelBars.flows``; the first is the share of volume whose taker bought."""

IS_VIOLATION, IS_IMPUTED = range(2)
"""First axis of ``KernelBars.flags``."""

IN_RANGE, IN_RANGE_PRICED, NEAR, NEAR_PRICED, BEYOND, BEYOND_PRICED = range(6)
"""Sums per tier: within the published bins, the part near the close, and the rest; the quantity,
and quantity times price, which is USD for linear contracts and means nothing for inverse ones."""
