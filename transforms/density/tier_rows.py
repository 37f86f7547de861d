"""The arrays of a state while bars are applied to them: one row per side and tier.

Belongs here: their layout, the window of grid nodes they cover, conversion from and to ``State``,
and what every step does with a row: sum it, empty it, fold its multiplier.
Does not belong here: the steps of a bar (``clear``, ``close``, ``open``, ``balance``).

The steps take these arrays one by one. Out of a tuple, numba counts a reference to each array at
every use, which takes longer than most of the steps do.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from transforms.compiler import fast_compiled, inlined
from transforms.density import layout as at
from transforms.grid import LOG_STEP
from transforms.series import Bars, FloatArray, IntArray
from transforms.state import ROW_FIGURES, SIDE_FIGURES, State

_SPARE_NODES: Final = 3
"""Nodes of the window beyond those of bars and state, at either end: an entry takes two nodes, a
shifted profile three, and both nodes of every published bin that is touched must be inside."""


class TierRows(NamedTuple):
    """Arrays of a ``State``, which says what they hold, changed in place.

    Parameters
    ----------
    nodes : ndarray of float64, shape (2, n_rows, n_nodes)
        All positions and start-up mass, to be multiplied by the row's multiplier [quantity].
    amounts : ndarray of float64, shape (6, n_rows)
        Figures of each row, from ``MULTIPLIER`` to ``SWEPT_USD``.
    spans : ndarray of int64, shape (4, n_rows)
        Filled nodes of each row as indices into the window.
    sides : ndarray of float64, shape (3, 2)
        Figures of each side, from ``UNLEVERED`` to ``EXCESS`` [quantity].
    balance : ndarray of float64, shape (2,)
        Smallest and largest balance factor [ratio].
    counts : ndarray of int64, shape (4,)
        From ``BARS`` to ``ON_LAST_PRICE`` [bars].
    """

    nodes: FloatArray
    amounts: FloatArray
    spans: IntArray
    sides: FloatArray
    balance: FloatArray
    counts: IntArray


@fast_compiled
def node_prices(first_node: int, n_nodes: int) -> FloatArray:
    """Return the prices of the nodes of a window.

    The compiled counterpart of ``grid.node_price``: a node has one price to the last bit in every
    window.

    Parameters
    ----------
    first_node, n_nodes : int
        Window on the grid.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        Prices [USD per unit of the asset].

    Examples
    --------
    >>> node_prices(0, 2).round(6).tolist()
    [1.0, 1.001001]
    """
    prices = np.empty(n_nodes)
    for index in range(n_nodes):
        prices[index] = math.exp((first_node + index) * LOG_STEP)
    return prices


@fast_compiled
def sum_span(
    nodes: FloatArray, kind: int, row: int, prices: FloatArray, low: int, high: int
) -> tuple[float, float]:
    """Return the sums of a row and of row times price from `low` to `high`, both included."""
    total = 0.0
    priced = 0.0
    if low <= high:
        # Unsigned indices spare the check for negative ones, which keeps loops from vectorising.
        unsigned_kind = np.uint64(kind)
        unsigned_row = np.uint64(row)
        for index in range(np.uint64(low), np.uint64(high + 1)):
            total += nodes[unsigned_kind, unsigned_row, index]
            priced += nodes[unsigned_kind, unsigned_row, index] * prices[index]
    return total, priced


@inlined
def entry_range(entries: FloatArray) -> tuple[float, float]:
    """Return the lowest and highest entry of a bar [nodes]."""
    open_, high = entries[at.PLACE, 0], entries[at.PLACE, 1]
    low, close = entries[at.PLACE, 2], entries[at.PLACE, 3]
    lowest = min(min(open_, high), min(low, close))
    return lowest, max(max(open_, high), max(low, close))


@inlined
def clear_span(nodes: FloatArray, kind: int, row: int, low: int, high: int) -> None:
    """Set a row to 0 from `low` to `high`, both included.

    A loop, as a slice would count a reference to the array.
    """
    if low <= high:
        unsigned_kind = np.uint64(kind)
        unsigned_row = np.uint64(row)
        for index in range(np.uint64(low), np.uint64(high + 1)):
            nodes[unsigned_kind, unsigned_row, index] = 0.0


@fast_compiled
def forget_start_up(nodes: FloatArray, spans: IntArray, row: int) -> None:
    """Stop following the start-up mass of a row."""
    clear_span(nodes, at.START_UP, row, spans[at.START_UP_LOW, row], spans[at.START_UP_HIGH, row])
    spans[at.START_UP_LOW, row] = 1
    spans[at.START_UP_HIGH, row] = 0


@fast_compiled
def empty_row(nodes: FloatArray, amounts: FloatArray, spans: IntArray, row: int) -> None:
    """Remove all positions of a row."""
    clear_span(nodes, at.ALL, row, spans[at.LOW, row], spans[at.HIGH, row])
    amounts[at.MULTIPLIER, row] = 1.0
    amounts[at.TOTAL, row] = 0.0
    spans[at.LOW, row] = 1
    spans[at.HIGH, row] = 0
    forget_start_up(nodes, spans, row)


@fast_compiled
def fold_row(nodes: FloatArray, amounts: FloatArray, spans: IntArray, row: int) -> None:
    """Multiply a row's multiplier into its nodes and sum the row anew."""
    summed = 0.0
    scale = amounts[at.MULTIPLIER, row]
    for index in range(spans[at.LOW, row], spans[at.HIGH, row] + 1):
        value = nodes[at.ALL, row, index] * scale
        nodes[at.ALL, row, index] = value
        summed += value
    for index in range(spans[at.START_UP_LOW, row], spans[at.START_UP_HIGH, row] + 1):
        nodes[at.START_UP, row, index] *= scale
    amounts[at.MULTIPLIER, row] = 1.0
    amounts[at.TOTAL, row] = summed
    if summed == 0.0:
        empty_row(nodes, amounts, spans, row)


def window_of(state: State, bars: Bars, log_offsets: FloatArray) -> tuple[int, int]:
    """Return the window of nodes that holds the state and all that the bars can open.

    Parameters
    ----------
    state : State
        State before the bars.
    bars : Bars
        Bars that follow.
    log_offsets : ndarray of float64, shape (2, n_tiers)
        Liquidation less entry [ln].

    Returns
    -------
    first_node, n_nodes : int
        Grid node of the window's first column, and number of columns.

    Examples
    --------
    >>> one = np.ones(1)
    >>> bars = Bars(*[one] * 9, one < 0, one < 0, bar_seconds=300)
    >>> window_of(State.empty(2), bars, np.array([[-0.0105], [0.0105]]))
    (-14, 28)
    """
    prices = np.stack([bars.open, bars.high, bars.low, bars.close])
    if len(bars) == 0:
        prices = np.array([1.0 if math.isnan(state.close) else state.close])
    lowest = math.log(prices.min()) + min(log_offsets.min(), 0.0)
    highest = math.log(prices.max()) + max(log_offsets.max(), 0.0)
    first_node = math.floor(lowest / LOG_STEP) - _SPARE_NODES
    last_node = math.floor(highest / LOG_STEP) + _SPARE_NODES
    n_nodes = state.nodes.shape[1]
    if n_nodes > 0:
        first_node = min(first_node, state.first_node - _SPARE_NODES)
        last_node = max(last_node, state.first_node + n_nodes - 1 + _SPARE_NODES)
    return first_node, last_node - first_node + 1


def rows_of(state: State, first_node: int, n_nodes: int) -> TierRows:
    """Return the arrays of a state copied into a window.

    Parameters
    ----------
    state : State
        State to copy.
    first_node, n_nodes : int
        Window that holds all of the state's nodes.

    Returns
    -------
    TierRows
        To be changed in place.

    Examples
    --------
    >>> rows_of(State.empty(2), 0, 5).nodes.shape
    (2, 2, 5)
    """
    nodes = np.zeros((2, len(state.total), n_nodes))
    columns = slice(state.first_node - first_node, None)
    for held, kind in zip((state.nodes, state.start_up_nodes), nodes, strict=True):
        kind[:, columns][:, : held.shape[1]] = held
    spans = np.stack(
        [state.low_node, state.high_node, state.start_up_low_node, state.start_up_high_node]
    )
    return TierRows(
        nodes=nodes,
        amounts=np.stack([getattr(state, name) for name in ROW_FIGURES]),
        spans=_shift(spans, -first_node),
        sides=np.stack([getattr(state, name) for name in SIDE_FIGURES]),
        balance=state.balance.copy(),
        counts=state.counts.copy(),
    )


def state_of(before: State, bars: Bars, rows: TierRows, first_node: int) -> State:
    """Return the state that changed arrays amount to, cut to the nodes that hold anything.

    Parameters
    ----------
    before : State
        State before the bars.
    bars : Bars
        Bars that were added.
    rows : TierRows
        Arrays after them.
    first_node : int
        Grid node of the window's first column.

    Returns
    -------
    State
        After the bars.

    Examples
    --------
    >>> one = np.ones(1)
    >>> bars = Bars(*[one] * 9, one < 0, one < 0, bar_seconds=300)
    >>> state_of(State.empty(2), bars, rows_of(State.empty(2), 0, 5), 0).bar_count
    1
    """
    low, high = rows.spans[:2]
    is_filled = low <= high
    start = int(low[is_filled].min()) if is_filled.any() else 0
    stop = int(high[is_filled].max()) + 1 if is_filled.any() else 0
    low_node, high_node, start_up_low_node, start_up_high_node = _shift(rows.spans, first_node)
    nodes, start_up_nodes = rows.nodes[:, :, start:stop]
    return State(
        params_hash=before.params_hash,
        bar_count=before.bar_count + len(bars),
        open_interest=float(bars.open_interest[-1]) if len(bars) else before.open_interest,
        close=float(bars.close[-1]) if len(bars) else before.close,
        first_node=first_node + start if is_filled.any() else 0,
        nodes=nodes.copy(),
        low_node=low_node,
        high_node=high_node,
        start_up_nodes=start_up_nodes.copy(),
        start_up_low_node=start_up_low_node,
        start_up_high_node=start_up_high_node,
        balance=rows.balance,
        counts=rows.counts,
        **dict(zip(ROW_FIGURES, rows.amounts, strict=True)),
        **dict(zip(SIDE_FIGURES, rows.sides, strict=True)),
    )


def _shift(spans: IntArray, n_nodes: int) -> IntArray:
    """Return spans moved by some nodes; an empty one runs from 1 to 0 wherever it is."""
    is_filled = np.repeat(spans[::2] <= spans[1::2], 2, axis=0)
    return np.where(is_filled, spans + n_nodes, np.array([[1], [0], [1], [0]]))
