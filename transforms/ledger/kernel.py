"""The compiled recursion of a ledger: consume, decay, deposit, and outputs at the end of a span.

Belongs here: the steps of a bar and of a span over plain arrays. Does not belong here: what callers
hand in and get back (``spans``), units (``ledger_outputs``).

``nodes`` has the rows of one node side by side: consuming it and weighting it are one pass over
neighbouring memory. Positions are in nodes of the grid; ``first_node`` is that of the window.
Decay goes by the clock, so one multiplier per half-life serves all nodes.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from transforms.compiler import fast_compiled, inlined
from transforms.grid import BIN_LOG_WIDTH, LOG_STEP, NODES_PER_BIN, PUBLISHED_RANGE
from transforms.ledger.parameter_sets import N_ENTRIES, N_HALF_LIVES
from transforms.series import LONG, SHORT, Float32Array, FloatArray, IntArray

_FOLD_BELOW: Final = 1e-100
"""A multiplier below this is multiplied into its rows before it can leave float64."""

_FORGOTTEN: Final = 1e-150
"""Folding takes what is held below this as 0, before it becomes subnormal [deposit units]."""

_SLOWEST: Final = N_HALF_LIVES - 1

OPEN_PRICE, HIGH_PRICE, LOW_PRICE, CLOSE_PRICE, CLEARING_HIGH, CLEARING_LOW = range(6)
"""First axis of ``LedgerBars.prices``; the last two are the extremes of the price that consumes."""

FIRST, LAST = range(2)
"""Second axis of ``StateArrays.extents``: ends of what a side can hold, 1 and 0 when empty."""

AMOUNT, AMOUNT_LOG_AGE = range(2)
"""Second axis of ``StateArrays.open_age``."""

PREVIOUS_CLOSE, LOWEST, HIGHEST = range(3)
"""Entries of ``StateArrays.open_path``."""


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


class LedgerBars(NamedTuple):
    """Columns of bars.

    Parameters
    ----------
    prices : ndarray of float64, shape (6, n_bars)
        From ``OPEN_PRICE`` to ``CLEARING_LOW`` [USD per unit of the asset].
    deposits : ndarray of float64, shape (n_bars,)
        What each bar deposits [deposit units].
    hours : ndarray of float64, shape (n_bars,)
        Ends [hours since the end of the first bar].
    gap_days : ndarray of float64, shape (n_bars,)
        Time between the end of the bar before and the beginning of each [days].
    bar_days : float
        Length of every bar [days].
    """

    prices: FloatArray
    deposits: FloatArray
    hours: FloatArray
    gap_days: FloatArray
    bar_days: float


class Structure(NamedTuple):
    """A ledger's parameters in a window.

    Parameters
    ----------
    distances : ndarray of float64, shape (n_distances,)
        [nodes]
    rates : ndarray of float64, shape (4,)
        Reciprocal half-lives [1/day].
    entry_weights : ndarray of float64, shape (4,)
        [ratio]
    first_node : int
        Grid node of the window's first column.
    """

    distances: FloatArray
    rates: FloatArray
    entry_weights: FloatArray
    first_node: int


class OutputArrays(NamedTuple):
    """Arrays of ``LedgerOutputs``, names as there; ``standing`` has no spans where not wanted."""

    close: FloatArray
    first_bin: IntArray
    n_bins: IntArray
    exposure: FloatArray
    move: FloatArray
    log_age: FloatArray
    map: Float32Array
    standing: Float32Array
    beyond: FloatArray
    bar_count: IntArray


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
                is_left = nodes[side, node, distance * N_HALF_LIVES + _SLOWEST] > 0.0
                value = amount_hours[side, node, distance] * multiplier[_SLOWEST]
                amount_hours[side, node, distance] = value if is_left else 0.0
    for bar in range(n_open):
        for half_life in range(N_HALF_LIVES):
            pending_amounts[bar, half_life] *= multiplier[half_life]
    for half_life in range(N_HALF_LIVES):
        multiplier[half_life] = 1.0


@inlined
def _decay(
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
            amount = nodes[side, node, row + _SLOWEST]
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
    age[side, AMOUNT] += consumed_slowest * multiplier[_SLOWEST]
    age[side, AMOUNT_LOG_AGE] += log_age * multiplier[_SLOWEST]


@inlined
def _consume(
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
def _deposit(
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
            hours_part = amounts[entry, _SLOWEST] * hours
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


@fast_compiled
def _release(arrays: StateArrays, structure: Structure, n_open: int, amounts: FloatArray) -> None:
    """Deposit what the bars of a span held back, less what a later close of the span has passed."""
    nodes, amount_hours, _, extents, _, _, _, pending_places, pending_amounts, pending_hours = (
        arrays
    )
    distances, _, entry_weights, first_node = structure
    lowest = math.inf
    highest = -math.inf
    for bar in range(n_open - 1, -1, -1):
        lowest = min(lowest, pending_places[bar, CLOSE_PRICE])
        highest = max(highest, pending_places[bar, CLOSE_PRICE])
        if pending_amounts[bar, _SLOWEST] <= 0.0:
            continue
        for entry in range(N_ENTRIES):
            for half_life in range(N_HALF_LIVES):
                amounts[entry, half_life] = entry_weights[entry] * pending_amounts[bar, half_life]
        places = pending_places[bar]
        hours = pending_hours[bar]
        for side in range(2):
            _deposit(
                nodes,
                amount_hours,
                extents,
                distances,
                places,
                amounts,
                first_node,
                side,
                lowest if side == LONG else highest,
                hours,
            )


@fast_compiled
def _write_events(
    arrays: StateArrays, written: OutputArrays, span: int, n_open: int, close: float
) -> None:
    """Write what happened in a span, and begin the next one."""
    _, _, _, _, open_exposure, open_age, open_path, _, _, _ = arrays
    before = open_path[PREVIOUS_CLOSE]
    reached = (before - open_path[LOWEST], open_path[HIGHEST] - before)
    for side in range(2):
        for row in range(open_exposure.shape[1]):
            written.exposure[span, side, row] = open_exposure[side, row]
            open_exposure[side, row] = 0.0
        has_moved = n_open > 0 and not math.isnan(before)
        written.move[span, side] = max(0.0, reached[side] * LOG_STEP) if has_moved else 0.0
        weight = open_age[side, AMOUNT]
        written.log_age[span, side] = (
            open_age[side, AMOUNT_LOG_AGE] / weight if weight > 0.0 else math.nan
        )
        open_age[side, AMOUNT] = 0.0
        open_age[side, AMOUNT_LOG_AGE] = 0.0
    open_path[PREVIOUS_CLOSE] = math.log(close) / LOG_STEP
    open_path[LOWEST] = math.inf
    open_path[HIGHEST] = -math.inf
    written.close[span] = close
    written.bar_count[span] = n_open


@fast_compiled
def _write_map(
    nodes: FloatArray,
    extents: IntArray,
    multiplier: FloatArray,
    weights: FloatArray,
    first_node: int,
    written: OutputArrays,
    span: int,
    scaled: FloatArray,
) -> None:
    """Write the weighted map at the end of a span."""
    range_low = NODES_PER_BIN * written.first_bin[span] - first_node
    range_high = range_low + NODES_PER_BIN * written.n_bins[span] - 1
    for row in range(len(scaled)):
        scaled[row] = weights[row] * multiplier[row % N_HALF_LIVES]
    for side in range(2):
        beyond = 0.0
        bins = written.map[span, side]
        first_half = 0.0
        for node in range(extents[side, FIRST], extents[side, LAST] + 1):
            total = 0.0
            for row in range(np.uint64(len(scaled))):
                total += nodes[side, node, row] * scaled[row]
            if node < range_low or node > range_high:
                beyond += total
                continue
            place = node - range_low
            # Bins have two nodes: the first waits for the second, to be rounded once.
            if place % NODES_PER_BIN == 0:
                first_half = total
            else:
                total += first_half
                first_half = 0.0
            bins[place // NODES_PER_BIN] = total
        written.beyond[span, side] = beyond


@fast_compiled
def _write_standing(
    nodes: FloatArray,
    extents: IntArray,
    multiplier: FloatArray,
    first_node: int,
    written: OutputArrays,
    span: int,
) -> None:
    """Write what is held at the end of a span by bin and row; bins that hold nothing stay 0."""
    range_low = NODES_PER_BIN * written.first_bin[span] - first_node
    range_high = range_low + NODES_PER_BIN * written.n_bins[span] - 1
    n_rows = np.uint64(nodes.shape[2])
    scale, sums = np.empty(n_rows), np.empty(n_rows)
    for row in range(n_rows):
        scale[row] = multiplier[row % N_HALF_LIVES]
        sums[row] = 0.0
    for side in range(2):
        bins = written.standing[span, side]
        high = min(extents[side, LAST], range_high)
        for node in range(max(extents[side, FIRST], range_low), high + 1):
            unsigned_node = np.uint64(node)
            for row in range(n_rows):
                sums[row] += nodes[side, unsigned_node, row]
            place = node - range_low
            # A bin is rounded once, when its last node is in.
            if place % NODES_PER_BIN == NODES_PER_BIN - 1 or node == high:
                unsigned_place = np.uint64(place // NODES_PER_BIN)
                for row in range(n_rows):
                    bins[unsigned_place, row] = sums[row] * scale[row]
                    sums[row] = 0.0


@fast_compiled
def advance_spans(
    arrays: StateArrays,
    columns: LedgerBars,
    structure: Structure,
    span_after: IntArray,
    weights: FloatArray,
    has_weights: bool,
    written: OutputArrays,
    n_open: int,
    close: float,
) -> int:
    """Apply all bars to `arrays` and write each span; return how many bars are left open."""
    nodes, amount_hours, multiplier, extents, open_exposure, open_age, open_path = arrays[:7]
    pending_places, pending_amounts, pending_hours = arrays[7:]
    prices, deposits, all_hours, gap_days, bar_days = columns
    rates, first_node = structure.rates, structure.first_node
    usual, after_gap = np.empty(N_HALF_LIVES), np.empty(N_HALF_LIVES)
    consumed, scaled = np.empty(nodes.shape[2]), np.empty(nodes.shape[2])
    amounts = np.empty((N_ENTRIES, N_HALF_LIVES))
    unseen_exposure, unseen_age = np.empty_like(open_exposure), np.empty_like(open_age)
    for half_life in range(N_HALF_LIVES):
        usual[half_life] = 2.0 ** (-bar_days * rates[half_life])
    span = 0
    # Bar -1 is what was before: spans may end there, nothing else happens.
    for bar in range(-1, len(deposits)):
        if bar >= 0:
            hours = all_hours[bar]
            if gap_days[bar] > 0.0:
                for half_life in range(N_HALF_LIVES):
                    after_gap[half_life] = 2.0 ** (-gap_days[bar] * rates[half_life])
                _decay(nodes, amount_hours, multiplier, extents, pending_amounts, n_open, after_gap)
            low = math.log(prices[CLEARING_LOW, bar]) / LOG_STEP
            high = math.log(prices[CLEARING_HIGH, bar]) / LOG_STEP
            if gap_days[bar] > 0.0 and n_open == 0:
                # What price passed before the span began is gone, and no part of the span.
                opened = math.log(prices[OPEN_PRICE, bar]) / LOG_STEP
                open_path[PREVIOUS_CLOSE] = opened
                _consume(
                    nodes,
                    amount_hours,
                    multiplier,
                    extents,
                    unseen_exposure,
                    unseen_age,
                    consumed,
                    math.ceil(opened) - first_node,
                    math.floor(opened) - first_node,
                    hours,
                )
            _consume(
                nodes,
                amount_hours,
                multiplier,
                extents,
                open_exposure,
                open_age,
                consumed,
                math.ceil(low) - first_node,
                math.floor(high) - first_node,
                hours,
            )
            close = prices[CLOSE_PRICE, bar]
            _decay(nodes, amount_hours, multiplier, extents, pending_amounts, n_open, usual)
            for entry in range(N_ENTRIES):
                pending_places[n_open, entry] = math.log(prices[entry, bar]) / LOG_STEP
            for half_life in range(N_HALF_LIVES):
                pending_amounts[n_open, half_life] = deposits[bar] / multiplier[half_life]
            pending_hours[n_open] = hours
            open_path[LOWEST] = min(open_path[LOWEST], pending_places[n_open, LOW_PRICE])
            open_path[HIGHEST] = max(open_path[HIGHEST], pending_places[n_open, HIGH_PRICE])
            n_open += 1
        while span < len(span_after) and span_after[span] == bar:
            _release(arrays, structure, n_open, amounts)
            _write_events(arrays, written, span, n_open, close)
            n_open = 0
            center = math.log(close) / BIN_LOG_WIDTH - 0.25
            reach = PUBLISHED_RANGE / BIN_LOG_WIDTH
            written.first_bin[span] = math.ceil(center - reach)
            written.n_bins[span] = math.floor(center + reach) - written.first_bin[span] + 1
            if has_weights:
                _write_map(
                    nodes, extents, multiplier, weights[span], first_node, written, span, scaled
                )
            if len(written.standing):
                _write_standing(nodes, extents, multiplier, first_node, written, span)
            span += 1
    return n_open
