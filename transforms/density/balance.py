"""Balance: each side's positions sum to open interest after every bar.

Belongs here: sums of a side, scaling it, and the upkeep that keeps running totals exact.
Does not belong here: what opens, closes or is liquidated.
"""

from typing import Final

from transforms.compiler import fast_compiled, inlined
from transforms.density import layout as at
from transforms.density.tier_rows import TierRows, fold_row, forget_start_up
from transforms.series import FloatArray, IntArray

_FOLD_BELOW: Final = 1e-100
_FOLD_ABOVE: Final = 1e100
"""A multiplier outside these bounds is multiplied into its row before it can leave float64."""

_VANISHED: Final = 1e-90
"""A side below this share of open interest is taken as empty and opened afresh [ratio]."""

_FORGOTTEN: Final = 1e-12
"""Start-up mass below this share of open interest is followed no longer [ratio]."""


@inlined
def side_total(amounts: FloatArray, side: int, n_tiers: int, unlevered: float) -> float:
    """Return the quantity of one side.

    Nothing is written in the loop: whether it may be vectorised, and with it the order of the
    sum, would depend on where arrays lie in memory.
    """
    held = unlevered
    for row in range(side * n_tiers, (side + 1) * n_tiers):
        held += amounts[at.TOTAL, row]
    return held


@inlined
def scale_side(amounts: FloatArray, sides: FloatArray, side: int, factors: FloatArray) -> None:
    """Multiply the tiers of one side and its unlevered part, the last, by a factor each."""
    n_tiers = len(factors) - 1
    for tier in range(n_tiers):
        amounts[at.TOTAL, side * n_tiers + tier] *= factors[tier]
        amounts[at.MULTIPLIER, side * n_tiers + tier] *= factors[tier]
    sides[at.UNLEVERED, side] *= factors[n_tiers]
    sides[at.START_UP_UNLEVERED, side] *= factors[n_tiers]


@inlined
def is_vanished(
    amounts: FloatArray, sides: FloatArray, side: int, open_interest: float, is_first: bool
) -> bool:
    """Return whether too little of a side is left to scale it to open interest."""
    n_tiers = amounts.shape[1] // 2
    held = side_total(amounts, side, n_tiers, sides[at.UNLEVERED, side])
    # A trail of which price has left the unlevered share alone is no start.
    levered = side_total(amounts, side, n_tiers, 0.0) if is_first else held
    return not held > _VANISHED * open_interest or open_interest == 0.0 or levered <= 0.0


@inlined
def balance_side(
    amounts: FloatArray,
    sides: FloatArray,
    balance: FloatArray,
    factors: FloatArray,
    side: int,
    open_interest: float,
    is_first: bool,
) -> None:
    """Scale one side to open interest.

    The factor counts towards the extremes in `balance`, except in the first bar of a series.
    """
    n_tiers = len(factors) - 1
    ratio = open_interest / side_total(amounts, side, n_tiers, sides[at.UNLEVERED, side])
    for tier in range(n_tiers + 1):
        factors[tier] = ratio
    scale_side(amounts, sides, side, factors)
    if not is_first:
        balance[0] = min(balance[0], ratio)
        balance[1] = max(balance[1], ratio)


@inlined
def fold_extremes(
    nodes: FloatArray, amounts: FloatArray, spans: IntArray, side: int, n_tiers: int
) -> None:
    """Fold the rows of one side whose multiplier could leave float64."""
    for row in range(side * n_tiers, (side + 1) * n_tiers):
        if not _FOLD_BELOW < amounts[at.MULTIPLIER, row] < _FOLD_ABOVE:
            fold_row(nodes, amounts, spans, row)


@fast_compiled
def refresh(rows: TierRows, open_interest: float) -> None:
    """Sum every row anew, and forget a side's start-up mass once next to none is left."""
    nodes, amounts, spans, sides, _, _ = rows
    n_tiers = amounts.shape[1] // 2
    for side in range(2):
        held = sides[at.START_UP_UNLEVERED, side]
        for row in range(side * n_tiers, (side + 1) * n_tiers):
            fold_row(nodes, amounts, spans, row)
            for index in range(spans[at.START_UP_LOW, row], spans[at.START_UP_HIGH, row] + 1):
                held += nodes[at.START_UP, row, index]
        if held <= _FORGOTTEN * open_interest:
            sides[at.START_UP_UNLEVERED, side] = 0.0
            for row in range(side * n_tiers, (side + 1) * n_tiers):
                forget_start_up(nodes, spans, row)
