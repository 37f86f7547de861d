"""Liquidation: positions whose liquidation price was reached within a bar.

Belongs here: clearing what was open before the bar, and sweeping what opened within it.
Does not belong here: voluntary closes (``close``).
"""

import math
from typing import Final

from transforms.compiler import inlined
from transforms.density import layout as at
from transforms.density.tier_rows import clear_span, empty_row, entry_range, sum_span
from transforms.grid import LOG_STEP
from transforms.series import LONG, FloatArray, IntArray

_CANCELLATION: Final = 0.1
"""A total that consumption leaves below this share of itself is summed anew [ratio]."""


@inlined
def clear_side(
    nodes: FloatArray,
    amounts: FloatArray,
    spans: IntArray,
    prices: FloatArray,
    side: int,
    first: int,
    last: int,
    is_inverse: bool,
) -> float:
    """Empty the nodes of one side from `first` to `last`, both included; return the quantity.

    One of the two lies beyond all positions of the side.
    """
    n_tiers = amounts.shape[1] // 2
    consumed = 0.0
    for row in range(side * n_tiers, (side + 1) * n_tiers):
        start = max(first, spans[at.LOW, row])
        stop = min(last, spans[at.HIGH, row])
        if start > stop:
            continue
        scale = amounts[at.MULTIPLIER, row]
        stored, stored_priced = sum_span(nodes, at.ALL, row, prices, start, stop)
        quantity = stored * scale
        consumed += quantity
        amounts[at.CONSUMED_QUANTITY, row] += quantity
        amounts[at.CONSUMED_USD, row] += quantity if is_inverse else stored_priced * scale
        if start == spans[at.LOW, row] and stop == spans[at.HIGH, row]:
            empty_row(nodes, amounts, spans, row)
            continue
        _cut_row(nodes, spans, row, start, stop)
        before = amounts[at.TOTAL, row]
        amounts[at.TOTAL, row] = before - quantity
        if amounts[at.TOTAL, row] < _CANCELLATION * before:
            rest, _ = sum_span(nodes, at.ALL, row, prices, spans[at.LOW, row], spans[at.HIGH, row])
            amounts[at.TOTAL, row] = rest * scale
    return consumed


@inlined
def _cut_row(nodes: FloatArray, spans: IntArray, row: int, start: int, stop: int) -> None:
    """Set one end of a row, from `start` to `stop`, to 0 and shorten its spans."""
    clear_span(nodes, at.ALL, row, start, stop)
    if stop == spans[at.HIGH, row]:
        spans[at.HIGH, row] = start - 1
    else:
        spans[at.LOW, row] = stop + 1
    if spans[at.START_UP_LOW, row] <= spans[at.START_UP_HIGH, row]:
        low = max(start, spans[at.START_UP_LOW, row])
        clear_span(nodes, at.START_UP, row, low, min(stop, spans[at.START_UP_HIGH, row]))
        spans[at.START_UP_LOW, row] = max(spans[at.START_UP_LOW, row], spans[at.LOW, row])
        spans[at.START_UP_HIGH, row] = min(spans[at.START_UP_HIGH, row], spans[at.HIGH, row])


@inlined
def sweep_side(
    amounts: FloatArray,
    offset_steps: FloatArray,
    entries: FloatArray,
    shares: FloatArray,
    passed: IntArray,
    side: int,
    opened: float,
    is_inverse: bool,
) -> float:
    """Return how much of what opens is liquidated within the bar, and count it as swept.

    That is what was entered where its liquidation price is already on the wrong side of the bar's
    close. `passed` gets a bit set per tier and such entry.
    """
    n_tiers = offset_steps.shape[1]
    is_long = side == LONG
    close = entries[at.PLACE, 3]
    lowest, highest = entry_range(entries)
    swept = 0.0
    for tier in range(n_tiers):
        passed[tier] = 0
        offset = offset_steps[side, tier]
        # Few tiers are as near to their entry as the close is to the bar's extreme.
        if highest + offset < close if is_long else lowest + offset > close:
            continue
        amount = opened * shares[tier]
        if amount <= 0.0:
            continue
        row = side * n_tiers + tier
        for entry in range(4):
            position = entries[at.PLACE, entry] + offset
            if position < close if is_long else position > close:
                continue
            part = amount * entries[at.WEIGHT, entry]
            passed[tier] |= 1 << entry
            swept += part
            amounts[at.SWEPT_QUANTITY, row] += part
            amounts[at.SWEPT_USD, row] += (
                part if is_inverse else part * math.exp(position * LOG_STEP)
            )
    return swept
