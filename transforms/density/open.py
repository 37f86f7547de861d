"""Opens: where fresh positions will be liquidated.

Belongs here: spreading what a bar opens over tiers and nodes, and the start of a series.
Does not belong here: how much opens (``accounting``).
"""

import math
from typing import Final

import numpy as np

from transforms.compiler import fast_compiled, inlined
from transforms.density import layout as at
from transforms.density.inputs import KernelParameters
from transforms.density.tier_rows import TierRows, empty_row, entry_range
from transforms.series import LONG, FloatArray, IntArray

_PASSED_ALL: Final = 0b1111
"""All four entries of a bar."""


@inlined
def set_shares(weights: FloatArray, shares: FloatArray, buy_ratio: float, side: int) -> None:
    """Write the shares in which fresh positions of one side spread over the tiers."""
    taker_share = buy_ratio if side == LONG else 1.0 - buy_ratio
    for tier in range(len(shares)):
        if math.isnan(buy_ratio):
            shares[tier] = weights[0, tier]
        else:
            shares[tier] = taker_share * weights[1, tier] + (1.0 - taker_share) * weights[2, tier]


@fast_compiled
def open_side(
    nodes: FloatArray,
    amounts: FloatArray,
    spans: IntArray,
    offset_steps: FloatArray,
    entries: FloatArray,
    shares: FloatArray,
    passed: IntArray,
    first_node: int,
    side: int,
    quantity: float,
) -> None:
    """Add fresh levered positions of one side where those entered in the bar are liquidated.

    Entries that `passed` names are left out: they were swept.
    """
    n_tiers = offset_steps.shape[1]
    lowest, highest = entry_range(entries)
    for tier in range(n_tiers):
        amount = quantity * shares[tier]
        if amount <= 0.0 or passed[tier] == _PASSED_ALL:
            continue
        # Unsigned indices spare the check for negative ones, a fifth of this function's time.
        row = np.uint64(side * n_tiers + tier)
        stored = amount / amounts[at.MULTIPLIER, row]
        first = lowest
        last = highest
        kept = 1.0
        if passed[tier] != 0:
            first = math.inf
            last = -math.inf
            kept = 0.0
        for entry in range(4):
            # The fraction is taken on the grid, not in the window, to be the same in any window.
            position = entries[at.PLACE, entry] + offset_steps[side, tier]
            share = stored * entries[at.WEIGHT, entry]
            if passed[tier] != 0:
                if passed[tier] >> entry & 1:
                    continue
                first = min(first, entries[at.PLACE, entry])
                last = max(last, entries[at.PLACE, entry])
                kept += entries[at.WEIGHT, entry]
            node = math.floor(position)
            index = np.uint64(node - first_node)
            right = share * (position - node)
            nodes[at.ALL, row, index] += share - right
            nodes[at.ALL, row, index + np.uint64(1)] += right
        start = math.floor(first + offset_steps[side, tier]) - first_node
        stop = math.floor(last + offset_steps[side, tier]) - first_node + 1
        is_empty = spans[at.LOW, row] > spans[at.HIGH, row]
        spans[at.LOW, row] = start if is_empty else min(spans[at.LOW, row], start)
        spans[at.HIGH, row] = stop if is_empty else max(spans[at.HIGH, row], stop)
        amounts[at.TOTAL, row] += amount * kept


@fast_compiled
def start_side(
    rows: TierRows,
    parameters: KernelParameters,
    entries: FloatArray,
    shares: FloatArray,
    passed: IntArray,
    side: int,
    open_interest: float,
    is_empty: bool,
) -> None:
    """Take all positions of one side as start-up mass.

    Where there are none, open interest is placed at the prices of the bar, and none of it swept.
    """
    nodes, amounts, spans, sides, _, _ = rows
    n_tiers = len(passed)
    own = range(side * n_tiers, (side + 1) * n_tiers)
    if is_empty:
        for row in own:
            empty_row(nodes, amounts, spans, row)
        passed[:] = 0
        sides[at.UNLEVERED, side] = open_interest * shares[n_tiers]
        offsets, node = parameters.offset_steps, parameters.first_node
        open_side(
            nodes, amounts, spans, offsets, entries, shares, passed, node, side, open_interest
        )
    sides[at.START_UP_UNLEVERED, side] = sides[at.UNLEVERED, side]
    for row in own:
        spans[at.START_UP_LOW, row] = spans[at.LOW, row]
        spans[at.START_UP_HIGH, row] = spans[at.HIGH, row]
        for index in range(spans[at.LOW, row], spans[at.HIGH, row] + 1):
            nodes[at.START_UP, row, index] = nodes[at.ALL, row, index]
