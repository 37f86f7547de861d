"""The compiled steps of a ledger: let what is held decay, consume it, deposit.

Belongs here: the arrays of a state while bars are applied, and each step on them. Does not belong
here: their order (``kernel``), and what is written of a span (``span_outputs``).

``nodes`` has the rows of one node side by side: consuming it and weighting it are one pass over
neighbouring memory. Positions are in nodes of the grid; ``first_node`` is that of the window.
Decay goes by the clock, so one multiplier per half-life serves all nodes.

The steps take arrays one by one: numba counts a reference each time one is read from a tuple.
"""

import math
from typing import Final, NamedTuple

from transforms.compiler import fast_compiled, inlined
from transforms.ledger.parameter_sets import N_ENTRIES, N_HALF_LIVES
from transforms.series import LONG, SHORT, FloatArray, IntArray

_FOLD_BELOW: Final = 1e-100
"""A multiplier below this is multiplied into its rows before it can leave float64."""

_FORGOTTEN: Final = 1e-150
"""Folding takes what is held below this as 0, before it becomes subnormal [deposit units]."""

SLOWEST: Final = N_HALF_LIVES - 1
"""Index of the slowest half-life."""

FIRST, LAST = range(2)
"""Second axis of ``StateArrays.extents``: ends of what a side can hold, 1 and 0 when empty."""

AMOUNT, AMOUNT_LOG_AGE = range(2)
"""Second axis of ``StateArrays.open_age``."""

PREVIOUS_CLOSE, LOWEST, HIGHEST = range(3)
"""Entries of ``StateArrays.open_path``."""

OPEN_PRICE, HIGH_PRICE, LOW_PRICE, CLOSE_PRICE = range(4)
"""Second axis of ``StateArrays.pending_places``."""


class StateArrays(NamedTuple):
    """Arrays of a ``LedgerState`` in a window, changed in place; names as there.

    ``extents`` are indices into the window. ``pending_*`` have room for all bars of a call.
    """

    nodes: FloatArray
    amount_hours: FloatArray
    multiplier: FloatArray
    extents: IntArray
    open_exposure: FloatArray
    open_age: FloatArray
    open_path: FloatArray
    pending_places: FloatArray
    pending_amounts: FloatArray
    pending_hours: FloatArray


@fast_compiled
def _fold(
    nodes: FloatArray,
    amount_hours: FloatArray,
    multiplier: FloatArray,
    extents: IntArray,
    pending_amounts: FloatArray,
    n_open: int,
) -> None:
    """Multiply the multipliers into what is held."""
    n_distances = amount_hours.shape[2]
    for side in range(2):
        for node in range(extents[side, FIRST], extents[side, LAST] + 1):
            for distance in range(n_distances):
                for half_life in range(N_HALF_LIVES):
                    row = distance * N_HALF_LIVES + half_life
                    value = nodes[side, node, row] * multiplier[half_life]
                    nodes[side, node, row] = value if value > _FORGOTTEN else 0.0
                is_left = nodes[side, node, distance * N_HALF_LIVES + SLOWEST] > 0.0
                value = amount_hours[side, node, distance] * multiplier[SLOWEST]
                amount_hours[side, node, distance] = value if is_left else 0.0
    for bar in range(n_open):
        for half_life in range(N_HALF_LIVES):
            pending_amounts[bar, half_life] *= multiplier[half_life]
    for half_life in range(N_HALF_LIVES):
        multiplier[half_life] = 1.0


@inlined
def decay(
    nodes: FloatArray,
    amount_hours: FloatArray,
    multiplier: FloatArray,
    extents: IntArray,
    pending_amounts: FloatArray,
    n_open: int,
    factors: FloatArray,
) -> None:
    """Let what is held decay by a factor for each half-life."""
    smallest = 1.0
    for half_life in range(N_HALF_LIVES):
        multiplier[half_life] *= factors[half_life]
        smallest = min(smallest, multiplier[half_life])
    if smallest < _FOLD_BELOW:
        _fold(nodes, amount_hours, multiplier, extents, pending_amounts, n_open)


@fast_compiled
def _consume_side(
    nodes: FloatArray,
    amount_hours: FloatArray,
    multiplier: FloatArray,
    exposure: FloatArray,
    age: FloatArray,
    consumed: FloatArray,
    side: int,
    low: int,
    high: int,
    hours: float,
) -> None:
    """Empty the nodes of one side from `low` to `high`, and add what was there."""
    n_distances = amount_hours.shape[2]
    for row in range(len(consumed)):
        consumed[row] = 0.0
    consumed_slowest = 0.0
    log_age = 0.0
    for node in range(low, high + 1):
        for distance in range(n_distances):
            row = distance * N_HALF_LIVES
            amount = nodes[side, node, row + SLOWEST]
            if amount <= 0.0:
                continue
            consumed_slowest += amount
            log_age += amount * math.log(hours - amount_hours[side, node, distance] / amount)
            amount_hours[side, node, distance] = 0.0
            for half_life in range(N_HALF_LIVES):
                consumed[row + half_life] += nodes[side, node, row + half_life]
                nodes[side, node, row + half_life] = 0.0
    for distance in range(n_distances):
        for half_life in range(N_HALF_LIVES):
            row = distance * N_HALF_LIVES + half_life
            exposure[side, row] += consumed[row] * multiplier[half_life]
    age[side, AMOUNT] += consumed_slowest * multiplier[SLOWEST]
    age[side, AMOUNT_LOG_AGE] += log_age * multiplier[SLOWEST]


@inlined
def consume(
    nodes: FloatArray,
    amount_hours: FloatArray,
    multiplier: FloatArray,
    extents: IntArray,
    exposure: FloatArray,
    age: FloatArray,
    consumed: FloatArray,
    lowest: int,
    highest: int,
    hours: float,
) -> None:
    """Consume long nodes from `lowest` on and short nodes up to `highest`."""
    low, high = max(lowest, extents[LONG, FIRST]), extents[LONG, LAST]
    if low <= high:
        _consume_side(
            nodes, amount_hours, multiplier, exposure, age, consumed, LONG, low, high, hours
        )
        extents[LONG, LAST] = low - 1
    low, high = extents[SHORT, FIRST], min(highest, extents[SHORT, LAST])
    if low <= high:
        _consume_side(
            nodes, amount_hours, multiplier, exposure, age, consumed, SHORT, low, high, hours
        )
        extents[SHORT, FIRST] = high + 1
    for side in range(2):
        if extents[side, FIRST] > extents[side, LAST]:
            extents[side, FIRST] = 1
            extents[side, LAST] = 0


@inlined
def deposit(
    nodes: FloatArray,
    amount_hours: FloatArray,
    extents: IntArray,
    distances: FloatArray,
    places: FloatArray,
    amounts: FloatArray,
    first_node: int,
    side: int,
    bound: float,
    hours: float,
) -> None:
    """Add what one bar deposits on one side, where its point lies beyond `bound`.

    `amounts` has shape (4, 4): by price of entry and half-life.
    """
    n_distances = len(distances)
    sign = -1.0 if side == LONG else 1.0
    touched_low = nodes.shape[1]
    touched_high = -1
    for distance in range(n_distances):
        row = distance * N_HALF_LIVES
        for entry in range(N_ENTRIES):
            place = places[entry] + sign * distances[distance]
            if place >= bound if side == LONG else place <= bound:
                continue
            base = math.floor(place)
            upper = place - base
            node = int(base) - first_node
            touched_low = min(touched_low, node)
            touched_high = max(touched_high, node + 1)
            for half_life in range(N_HALF_LIVES):
                amount = amounts[entry, half_life]
                nodes[side, node, row + half_life] += (1.0 - upper) * amount
                nodes[side, node + 1, row + half_life] += upper * amount
            hours_part = amounts[entry, SLOWEST] * hours
            amount_hours[side, node, distance] += (1.0 - upper) * hours_part
            amount_hours[side, node + 1, distance] += upper * hours_part
    if touched_low > touched_high:
        return
    if extents[side, FIRST] > extents[side, LAST]:
        extents[side, FIRST] = touched_low
        extents[side, LAST] = touched_high
    else:
        extents[side, FIRST] = min(extents[side, FIRST], touched_low)
        extents[side, LAST] = max(extents[side, LAST], touched_high)
