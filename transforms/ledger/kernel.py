"""The recursion of a ledger over bars: consume, decay, hold back; deposit when a span ends.

Belongs here: the order of the steps, and what they read of bars. Does not belong here: the steps
themselves (``ledger_steps``, ``span_outputs``), and what callers hand in and get back (``spans``).
"""

import math
from typing import NamedTuple

import numpy as np

from transforms.compiler import fast_compiled, inlined
from transforms.grid import LOG_STEP
from transforms.ledger.ledger_outputs import LedgerOutputs
from transforms.ledger.ledger_steps import (
    CLOSE_PRICE,
    HIGH_PRICE,
    HIGHEST,
    LOW_PRICE,
    LOWEST,
    OPEN_PRICE,
    PREVIOUS_CLOSE,
    SLOWEST,
    StateArrays,
    consume,
    decay,
    deposit,
)
from transforms.ledger.parameter_sets import N_ENTRIES, N_HALF_LIVES
from transforms.ledger.span_outputs import write_events, write_map, write_standing
from transforms.series import LONG, FloatArray, IntArray

CLEARING_HIGH, CLEARING_LOW = range(4, 6)
"""First axis of ``LedgerBars.prices`` after the four of a bar: extremes of what consumes."""


class LedgerBars(NamedTuple):
    """Columns of bars.

    Parameters
    ----------
    prices : ndarray of float64, shape (6, n_bars)
        From ``ledger_steps.OPEN_PRICE`` to ``CLEARING_LOW`` [USD per unit of the asset].
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
        if pending_amounts[bar, SLOWEST] <= 0.0:
            continue
        for entry in range(N_ENTRIES):
            for half_life in range(N_HALF_LIVES):
                amounts[entry, half_life] = entry_weights[entry] * pending_amounts[bar, half_life]
        places = pending_places[bar]
        hours = pending_hours[bar]
        for side in range(2):
            deposit(
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


@inlined
def _hold_back(arrays: StateArrays, columns: LedgerBars, bar: int, n_open: int) -> None:
    """Keep what a bar deposits until its span ends."""
    places, amounts = arrays.pending_places[n_open], arrays.pending_amounts[n_open]
    for entry in range(N_ENTRIES):
        places[entry] = math.log(columns.prices[entry, bar]) / LOG_STEP
    for half_life in range(N_HALF_LIVES):
        amounts[half_life] = columns.deposits[bar] / arrays.multiplier[half_life]
    arrays.pending_hours[n_open] = columns.hours[bar]
    arrays.open_path[LOWEST] = min(arrays.open_path[LOWEST], places[LOW_PRICE])
    arrays.open_path[HIGHEST] = max(arrays.open_path[HIGHEST], places[HIGH_PRICE])


@fast_compiled
def advance_spans(
    arrays: StateArrays,
    columns: LedgerBars,
    structure: Structure,
    span_after: IntArray,
    weights: FloatArray,
    has_weights: bool,
    written: LedgerOutputs,
    n_open: int,
    close: float,
) -> int:
    """Apply all bars to `arrays` and write each span; return how many bars are left open."""
    nodes, amount_hours, multiplier, extents, open_exposure, open_age, open_path = arrays[:7]
    pending_amounts = arrays.pending_amounts
    prices, deposits, all_hours, gap_days, bar_days = columns
    rates, first_node = structure.rates, structure.first_node
    usual, after_gap = np.empty(N_HALF_LIVES), np.empty(N_HALF_LIVES)
    consumed, scaled = np.empty(nodes.shape[2]), np.empty(nodes.shape[2])
    amounts = np.empty((N_ENTRIES, N_HALF_LIVES))
    unseen_exposure, unseen_age = np.zeros_like(open_exposure), np.zeros_like(open_age)
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
                decay(nodes, amount_hours, multiplier, extents, pending_amounts, n_open, after_gap)
            if gap_days[bar] > 0.0 and n_open == 0:
                # What price passed before the span began is gone, and no part of the span.
                opened = math.log(prices[OPEN_PRICE, bar]) / LOG_STEP
                open_path[PREVIOUS_CLOSE] = opened
                consume(
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
            low = math.log(prices[CLEARING_LOW, bar]) / LOG_STEP
            high = math.log(prices[CLEARING_HIGH, bar]) / LOG_STEP
            consume(
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
            decay(nodes, amount_hours, multiplier, extents, pending_amounts, n_open, usual)
            _hold_back(arrays, columns, bar, n_open)
            n_open += 1
        while span < len(span_after) and span_after[span] == bar:
            _release(arrays, structure, n_open, amounts)
            write_events(arrays, written, span, n_open, close)
            n_open = 0
            if has_weights:
                write_map(
                    nodes, extents, multiplier, weights[span], first_node, written, span, scaled
                )
            if len(written.standing):
                write_standing(nodes, extents, multiplier, first_node, written, span)
            span += 1
    return n_open
