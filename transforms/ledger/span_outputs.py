"""What is written of a span: what it consumed, and the map at its end.

Belongs here: writing an entry of ``LedgerOutputs``. Does not belong here: their units
(``ledger_outputs``), and how amounts got onto nodes (``ledger_steps``).
"""

import math

import numpy as np

from transforms.compiler import fast_compiled, inlined
from transforms.grid import BIN_LOG_WIDTH, LOG_STEP, NODES_PER_BIN, PUBLISHED_RANGE
from transforms.ledger.ledger_outputs import LedgerOutputs
from transforms.ledger.ledger_steps import (
    AMOUNT,
    AMOUNT_LOG_AGE,
    CLOSE_PRICE,
    FIRST,
    HIGH_PRICE,
    HIGHEST,
    LAST,
    LOW_PRICE,
    LOWEST,
    OPEN_PRICE,
    PREVIOUS_CLOSE,
    StateArrays,
)
from transforms.ledger.parameter_sets import N_HALF_LIVES
from transforms.series import LONG, FloatArray, IntArray


@inlined
def _drawdown(places: FloatArray, n_open: int, sign: float) -> float:
    """Return the largest rise of sign x place along the candles of a span [nodes].

    See ``calibration.features.drawdown_of`` for the order of the extremes.
    """
    lowest, furthest = math.inf, 0.0
    for bar in range(n_open):
        begin, end = sign * places[bar, OPEN_PRICE], sign * places[bar, CLOSE_PRICE]
        top = max(sign * places[bar, HIGH_PRICE], sign * places[bar, LOW_PRICE])
        bottom = min(sign * places[bar, HIGH_PRICE], sign * places[bar, LOW_PRICE])
        lowest = min(lowest, begin)
        furthest = max(furthest, begin - lowest)
        if end > begin:
            lowest = min(lowest, bottom)
            furthest = max(furthest, top - lowest)
        else:
            furthest = max(furthest, top - lowest)
            lowest = min(lowest, bottom)
        furthest = max(furthest, end - lowest)
    return furthest


@fast_compiled
def write_events(
    arrays: StateArrays, written: LedgerOutputs, span: int, n_open: int, close: float
) -> None:
    """Write what happened in a span, and begin the next one."""
    _, _, _, _, open_exposure, open_age, open_path, pending_places, _, _ = arrays
    before = open_path[PREVIOUS_CLOSE]
    reached = (before - open_path[LOWEST], open_path[HIGHEST] - before)
    for side in range(2):
        for row in range(open_exposure.shape[1]):
            written.exposure[span, side, row] = open_exposure[side, row]
            open_exposure[side, row] = 0.0
        has_moved = n_open > 0 and not math.isnan(before)
        drawdown = _drawdown(pending_places, n_open, -1.0 if side == LONG else 1.0)
        adverse = math.sqrt(max(0.0, reached[side]) ** 2 + drawdown**2)
        written.move[span, side] = adverse * LOG_STEP if has_moved else 0.0
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
    center = math.log(close) / BIN_LOG_WIDTH - 0.25
    reach = PUBLISHED_RANGE / BIN_LOG_WIDTH
    written.first_bin[span] = math.ceil(center - reach)
    written.n_bins[span] = math.floor(center + reach) - written.first_bin[span] + 1


@fast_compiled
def write_map(
    nodes: FloatArray,
    extents: IntArray,
    multiplier: FloatArray,
    weights: FloatArray,
    first_node: int,
    written: LedgerOutputs,
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
def write_standing(
    nodes: FloatArray,
    extents: IntArray,
    multiplier: FloatArray,
    first_node: int,
    written: LedgerOutputs,
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
