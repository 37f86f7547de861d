"""The density model: from bars to what stands at which price, by a recursion over bars.

Belongs here: the compiled kernel that moves a state over bars and writes maps.
Does not belong here: parameters (``estimators``), liquidation prices (``margin``), the flows of a
bar (``accounting``), containers (``series``).

How callers use the model, whatever the estimator::

    from transforms.estimators import ESTIMATORS, run
    from transforms.margin import default_brackets
    from transforms.series import Bars, State

    state, outputs = run(
        ESTIMATORS["turnover"],      # EstimatorParameters
        bars,                        # series.Bars: one series, open interest filled
        emit_after,                  # int64 (n_emits,): write a map after this bar of `bars`
        brackets=default_brackets("BTC"),   # margin.Brackets in force over these bars
        contract_kind="linear",      # or "inverse"
        state=None,                  # or the State of the call before
    )
    payload = state.to_bytes()       # checkpoint
    state = State.from_bytes(payload)

``emit_after`` is non-decreasing. -1 means before the first bar of this call (an hour without bars
at the head: the state as it was handed in); the same bar may be named several times (hours without
bars in between). Counters of an instant cover what happened since the instant before it, also
across calls: they are part of the state. Results do not depend on how bars are split into calls.

Brackets that change in time: call once per stretch and hand the state on; positions already
standing keep their liquidation prices, positions opened later get the changed ones.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar, cast

import numba
import numpy as np

from transforms.grid import (
    BIN_LOG_WIDTH,
    LOG_STEP,
    N_PUBLISHED_BINS,
    NEAR_RANGE,
    NODES_PER_BIN,
    PUBLISHED_RANGE,
)
from transforms.series import (
    LONG,
    Bars,
    BoolArray,
    Float32Array,
    FloatArray,
    IntArray,
    Outputs,
    State,
)

_SMALLEST_REMAINDER: Final = 1e-9
"""Voluntary closes leave at least this share of a side [ratio]."""

_FOLD_BELOW: Final = 1e-100
_FOLD_ABOVE: Final = 1e100
"""A multiplier outside these bounds is multiplied into its row before it can leave float64."""

_VANISHED: Final = 1e-90
"""A side below this share of open interest is taken as empty and opened afresh [ratio]."""

_REFRESH_BARS: Final = 256
"""Every so many bars running totals are summed anew, so that rounding cannot add up [bars]."""

_CANCELLATION: Final = 0.1
"""A total that consumption leaves below this share of itself is summed anew [ratio]."""

_SMALL_STEP: Final = 1e-5
"""Largest hazard times step that is taken as the last: its error is 1e-15 of the masses."""

_SPARE_NODES: Final = 3
"""Nodes of the window beyond those that bars and state name themselves, at either end."""

_NEGLIGIBLE: Final = 1e-12
"""Start-up mass below this share of open interest is followed no longer [ratio]."""

_PASSED_ALL: Final = 0b1111
"""All four entries of a bar."""

_NEWTON_ONLY_AFTER: Final = 8
_MOST_ITERATIONS: Final = 100

_BARS, _VIOLATIONS, _IMPUTED, _ON_LAST_PRICE = range(4)

_COMPILER_OPTIONS: Final[dict[str, Any]] = {
    "cache": True,
    "nogil": True,
    "fastmath": {"reassoc", "contract"},
    "error_model": "numpy",
}

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Return the function compiled, cached on disk and free of the interpreter lock.

    Arrays are copied element by element in here: assigning one to a slice brings the compiler's
    error messages for shapes with it and doubles the time to compile.

    Sums may be reordered to use vector registers. Their order then depends on nothing but the
    span of a row, so results still do not depend on how bars are split into calls.

    Parameters
    ----------
    function : callable
        A function of numbers, arrays and tuples of arrays.

    Returns
    -------
    callable
        The same function, compiled at its first call.

    Examples
    --------
    >>> node_prices(0, 1).tolist()
    [1.0]
    """
    return cast(Function, numba.njit(**_COMPILER_OPTIONS)(function))


def _inlined(function: Function) -> Function:
    """Return the function compiled and merged into its callers.

    For the steps of a bar. They take arrays one by one: each array of a tuple would be counted as
    referenced and released at every call, which takes longer than some of the steps do.
    """
    return cast(Function, numba.njit(forceinline=True, **_COMPILER_OPTIONS)(function))


class Rows(NamedTuple):
    """The arrays of a state while they are moved; see ``State`` for what they hold.

    ``low`` and ``high`` are the rows' spans as indices into the window, not as grid nodes.
    """

    nodes: FloatArray
    multiplier: FloatArray
    total: FloatArray
    low: IntArray
    high: IntArray
    unlevered: FloatArray
    start_up_nodes: FloatArray
    start_up_low: IntArray
    start_up_high: IntArray
    start_up_unlevered: FloatArray
    consumed_quantity: FloatArray
    consumed_usd: FloatArray
    swept_quantity: FloatArray
    swept_usd: FloatArray
    excess_quantity: FloatArray
    balance: FloatArray
    counts: IntArray


class Maps(NamedTuple):
    """Arrays that maps are written into, one entry per instant; names as in ``Outputs``.

    Amounts are in position units; ``*_priced`` are quantity times the node's price, which is USD
    for linear contracts and means nothing for inverse ones.
    """

    close: FloatArray
    open_interest: FloatArray
    first_bin: IntArray
    n_bins: IntArray
    liquidation_usd: Float32Array
    in_range: FloatArray
    in_range_priced: FloatArray
    near: FloatArray
    near_priced: FloatArray
    beyond: FloatArray
    beyond_priced: FloatArray
    unlevered: FloatArray
    books_error: FloatArray
    start_up_usd: Float32Array
    start_up_ratio: FloatArray
    start_up_in_range_ratio: FloatArray


class Events(NamedTuple):
    """Arrays of what happened between instants; names as in ``Outputs``."""

    consumed_quantity: FloatArray
    consumed_usd: FloatArray
    swept_quantity: FloatArray
    swept_usd: FloatArray
    excess_quantity: FloatArray
    balance: FloatArray
    counts: IntArray


# Compiled functions take plain tuples (``rows[:]``): a named tuple's class would be pickled by name
# into the cache on disk, and renaming it would break every installation that has such a cache.
_RowTuple = tuple[
    FloatArray,
    FloatArray,
    FloatArray,
    IntArray,
    IntArray,
    FloatArray,
    FloatArray,
    IntArray,
    IntArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    IntArray,
]
_MapTuple = tuple[
    FloatArray,
    FloatArray,
    IntArray,
    IntArray,
    Float32Array,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    Float32Array,
    FloatArray,
    FloatArray,
]
_EventTuple = tuple[
    FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, IntArray
]
_BarTuple = tuple[
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    BoolArray,
    BoolArray,
]
_ModelTuple = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


@compiled
def node_prices(first_node: int, n_nodes: int) -> FloatArray:
    """Return the prices of the nodes of a window.

    The compiled counterpart of ``grid.node_price``: one node has one price to the last bit,
    whatever window it is in.

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


@compiled
def _sums_of(
    nodes: FloatArray, row: int, prices: FloatArray, low: int, high: int
) -> tuple[float, float]:
    """Return the sums of a row and of row times price from `low` to `high`, both included."""
    total = 0.0
    other = 0.0
    if low <= high:
        # Unsigned indices spare the check for negative ones, which keeps loops from vectorising.
        unsigned_row = np.uint64(row)
        for index in range(np.uint64(low), np.uint64(high + 1)):
            total += nodes[unsigned_row, index]
            other += nodes[unsigned_row, index] * prices[index]
    return total, other


@compiled
def _add_segment(
    nodes: FloatArray,
    row: int,
    prices: FloatArray,
    low: int,
    high: int,
    scale: float,
    standing: FloatArray,
) -> tuple[float, float]:
    """Return ``_sums_of`` and add the row times scale to `standing`."""
    total = 0.0
    other = 0.0
    if low <= high:
        unsigned_row = np.uint64(row)
        for index in range(np.uint64(low), np.uint64(high + 1)):
            value = nodes[unsigned_row, index]
            total += value
            other += value * prices[index]
            standing[index] += scale * value
    return total, other


@compiled
def _empty_row(
    nodes: FloatArray,
    multiplier: FloatArray,
    total: FloatArray,
    low: IntArray,
    high: IntArray,
    start_up_nodes: FloatArray,
    start_up_low: IntArray,
    start_up_high: IntArray,
    row: int,
) -> None:
    """Set a row to nothing standing."""
    nodes[row, low[row] : high[row] + 1] = 0.0
    multiplier[row] = 1.0
    total[row] = 0.0
    low[row] = 1
    high[row] = 0
    start_up_nodes[row, start_up_low[row] : start_up_high[row] + 1] = 0.0
    start_up_low[row] = 1
    start_up_high[row] = 0


@compiled
def _fold_row(
    nodes: FloatArray,
    multiplier: FloatArray,
    total: FloatArray,
    low: IntArray,
    high: IntArray,
    start_up_nodes: FloatArray,
    start_up_low: IntArray,
    start_up_high: IntArray,
    row: int,
) -> None:
    """Multiply a row's multiplier into its nodes and sum the row anew."""
    summed = 0.0
    scale = multiplier[row]
    for index in range(low[row], high[row] + 1):
        value = nodes[row, index] * scale
        nodes[row, index] = value
        summed += value
    for index in range(start_up_low[row], start_up_high[row] + 1):
        start_up_nodes[row, index] *= scale
    multiplier[row] = 1.0
    total[row] = summed
    if summed == 0.0:
        _empty_row(
            nodes, multiplier, total, low, high, start_up_nodes, start_up_low, start_up_high, row
        )


@compiled
def _exponential(power: float) -> float:
    """Return exp(power) for powers from -1 to 0, to 1e-15, by operations that vectorise.

    The eleventh-order Taylor polynomial at a quarter of the power, squared twice.
    """
    quarter = 0.25 * power
    value = 1.0 + quarter * (1 / 11)
    value = 1.0 + quarter * (1 / 10) * value
    value = 1.0 + quarter * (1 / 9) * value
    value = 1.0 + quarter * 0.125 * value
    value = 1.0 + quarter * (1 / 7) * value
    value = 1.0 + quarter * (1 / 6) * value
    value = 1.0 + quarter * (1 / 5) * value
    value = 1.0 + quarter * 0.25 * value
    value = 1.0 + quarter * (1 / 3) * value
    value = 1.0 + quarter * 0.5 * value
    value = 1.0 + quarter * value
    value *= value
    return value * value


@compiled
def _closing_factors(
    masses: FloatArray, hazards: FloatArray, closed: float, factors: FloatArray
) -> None:
    """Write the share of each mass that stays when `closed` leaves by hazard.

    Solves ``sum m exp(-hazard theta) = sum m - closed`` for ``theta``. The logarithm of the left
    side is convex and falls, so Newton's method on it approaches from the left and converges from
    anywhere; a second-order step saves iterations.
    """
    n_masses = len(masses)
    before = 0.0
    slope = 0.0
    curve = 0.0
    fastest = 0.0
    for index in range(n_masses):
        weighted = masses[index] * hazards[index]
        before += masses[index]
        slope += weighted
        curve += weighted * hazards[index]
        fastest = max(fastest, hazards[index])
    target = max(before - closed, _SMALLEST_REMAINDER * before)
    remaining = before
    theta = 0.0
    for index in range(n_masses):
        factors[index] = 1.0
    for iteration in range(_MOST_ITERATIONS):
        distance = math.log(remaining / target)
        mean = slope / remaining
        step = distance / mean
        discriminant = mean * mean - 2.0 * (curve / remaining - mean * mean) * distance
        if iteration < _NEWTON_ONLY_AFTER and discriminant > 0.0:
            step = 2.0 * distance / (mean + math.sqrt(discriminant))
        if abs(step) * fastest < _SMALL_STEP:
            for index in range(n_masses):
                power = hazards[index] * step
                factors[index] *= 1.0 - power * (1.0 - power * (0.5 - power / 6.0))
            return
        theta = max(theta + step, 0.0)
        remaining = 0.0
        slope = 0.0
        curve = 0.0
        if theta * fastest < 1.0:
            for index in range(n_masses):
                factors[index] = _exponential(-hazards[index] * theta)
        else:
            for index in range(n_masses):
                factors[index] = math.exp(-hazards[index] * theta)
        for index in range(n_masses):
            stays = masses[index] * factors[index]
            weighted = stays * hazards[index]
            remaining += stays
            slope += weighted
            curve += weighted * hazards[index]


@_inlined
def _sweep(
    side: int,
    quantity: float,
    shares: FloatArray,
    offset_steps: FloatArray,
    entries: FloatArray,
    entry_weights: FloatArray,
    is_inverse: bool,
    swept_quantity: FloatArray,
    swept_usd: FloatArray,
    passed: IntArray,
) -> float:
    """Return how much of what opens is liquidated within the bar, and add it to what was swept.

    That is what was entered where its liquidation price is already on the wrong side of the
    bar's close. Of each tier, bit `entry` of `passed` says whether what was entered there is.
    """
    n_tiers = offset_steps.shape[1]
    is_long = side == LONG
    close = entries[3]
    lowest = min(min(entries[0], entries[1]), min(entries[2], close))
    highest = max(max(entries[0], entries[1]), max(entries[2], close))
    swept = 0.0
    for tier in range(n_tiers):
        passed[tier] = 0
        offset = offset_steps[side, tier]
        # Few tiers are as near to their entry as the close is to the bar's extreme.
        if highest + offset < close if is_long else lowest + offset > close:
            continue
        amount = quantity * shares[tier]
        if amount <= 0.0:
            continue
        for entry in range(4):
            position = entries[entry] + offset
            if position < close if is_long else position > close:
                continue
            part = amount * entry_weights[entry]
            passed[tier] |= 1 << entry
            swept += part
            swept_quantity[side * n_tiers + tier] += part
            swept_usd[side * n_tiers + tier] += (
                part if is_inverse else part * math.exp(position * LOG_STEP)
            )
    return swept


@_inlined
def _clear(
    nodes: FloatArray,
    multiplier: FloatArray,
    total: FloatArray,
    low: IntArray,
    high: IntArray,
    start_up_nodes: FloatArray,
    start_up_low: IntArray,
    start_up_high: IntArray,
    first_row: int,
    n_tiers: int,
    first: int,
    last: int,
    prices: FloatArray,
    is_inverse: bool,
    consumed_quantity: FloatArray,
    consumed_usd: FloatArray,
) -> float:
    """Empty the nodes of one side from `first` to `last`, both included; return what stood there.

    One of the two lies beyond everything that stands on the side.
    """
    consumed = 0.0
    for row in range(first_row, first_row + n_tiers):
        start = max(first, low[row])
        stop = min(last, high[row])
        if start > stop:
            continue
        stored, stored_priced = _sums_of(nodes, row, prices, start, stop)
        quantity = stored * multiplier[row]
        consumed += quantity
        consumed_quantity[row] += quantity
        consumed_usd[row] += quantity if is_inverse else stored_priced * multiplier[row]
        if start == low[row] and stop == high[row]:
            _empty_row(
                nodes,
                multiplier,
                total,
                low,
                high,
                start_up_nodes,
                start_up_low,
                start_up_high,
                row,
            )
            continue
        nodes[row, start : stop + 1] = 0.0
        is_upper_end = stop == high[row]
        if is_upper_end:
            high[row] = start - 1
        else:
            low[row] = stop + 1
        if start_up_low[row] <= start_up_high[row]:
            start = max(start, start_up_low[row])
            stop = min(stop, start_up_high[row])
            start_up_nodes[row, start : stop + 1] = 0.0
            start_up_low[row] = max(start_up_low[row], low[row])
            start_up_high[row] = min(start_up_high[row], high[row])
        before = total[row]
        total[row] = before - quantity
        if total[row] < _CANCELLATION * before:
            rest, _ = _sums_of(nodes, row, prices, low[row], high[row])
            total[row] = rest * multiplier[row]
    return consumed


@_inlined
def _held(total: FloatArray, first_row: int, n_tiers: int, unlevered: float) -> float:
    """Return what stands on one side.

    Nothing is written in the loop: whether it may be vectorised, and with it the order of the
    sum, would hang on where arrays lie in memory.
    """
    held = unlevered
    for row in range(first_row, first_row + n_tiers):
        held += total[row]
    return held


@_inlined
def _multiply(
    multiplier: FloatArray, total: FloatArray, first_row: int, factors: FloatArray
) -> None:
    """Multiply the rows of one side by a factor each."""
    for tier in range(len(factors) - 1):
        total[first_row + tier] *= factors[tier]
        multiplier[first_row + tier] *= factors[tier]


@_inlined
def _share(weights: FloatArray, buy_ratio: float, is_long: bool, shares: FloatArray) -> None:
    """Write the shares in which fresh positions of one side spread over the tiers."""
    taker_share = buy_ratio if is_long else 1.0 - buy_ratio
    for tier in range(len(shares)):
        if math.isnan(buy_ratio):
            shares[tier] = weights[0, tier]
        else:
            shares[tier] = taker_share * weights[1, tier] + (1.0 - taker_share) * weights[2, tier]


@compiled
def _open(
    nodes: FloatArray,
    multiplier: FloatArray,
    total: FloatArray,
    low: IntArray,
    high: IntArray,
    side: int,
    quantity: float,
    shares: FloatArray,
    offset_steps: FloatArray,
    entries: FloatArray,
    entry_weights: FloatArray,
    passed: IntArray,
    first_node: int,
) -> None:
    """Add fresh positions of one side where those entered at `entries` [nodes] are liquidated.

    What `passed` names is left out (see ``_sweep``).
    """
    n_tiers = offset_steps.shape[1]
    lowest = min(min(entries[0], entries[1]), min(entries[2], entries[3]))
    highest = max(max(entries[0], entries[1]), max(entries[2], entries[3]))
    for tier in range(n_tiers):
        amount = quantity * shares[tier]
        if amount <= 0.0 or passed[tier] == _PASSED_ALL:
            continue
        # Unsigned indices spare the check for negative ones, a fifth of this function's time.
        row = np.uint64(side * n_tiers + tier)
        stored = amount / multiplier[row]
        first = lowest
        last = highest
        kept = 1.0
        if passed[tier] != 0:
            first = math.inf
            last = -math.inf
            kept = 0.0
        for entry in range(4):
            # The fraction is taken on the grid, not in the window, to be the same in any window.
            position = entries[entry] + offset_steps[side, tier]
            share = stored * entry_weights[entry]
            if passed[tier] != 0:
                if passed[tier] >> entry & 1:
                    continue
                first = min(first, entries[entry])
                last = max(last, entries[entry])
                kept += entry_weights[entry]
            node = math.floor(position)
            index = np.uint64(node - first_node)
            right = share * (position - node)
            nodes[row, index] += share - right
            nodes[row, index + np.uint64(1)] += right
        start = math.floor(first + offset_steps[side, tier]) - first_node
        stop = math.floor(last + offset_steps[side, tier]) - first_node + 1
        is_empty = low[row] > high[row]
        low[row] = start if is_empty else min(low[row], start)
        high[row] = stop if is_empty else max(high[row], stop)
        total[row] += amount * kept


@compiled
def _write_bins(
    amounts: FloatArray,
    prices: FloatArray,
    low: int,
    high: int,
    range_low: int,
    is_inverse: bool,
    usd: Float32Array,
) -> None:
    """Write the USD of the nodes from `low` to `high` by bin, and set their amounts to 0.

    The first bin begins at node `range_low`.
    """
    first = (low - range_low) // NODES_PER_BIN
    last = (high - range_low) // NODES_PER_BIN
    start = range_low + NODES_PER_BIN * first
    stop = range_low + NODES_PER_BIN * (last + 1)
    bins = usd[first : last + 1]
    sums = amounts[start:stop]
    bin_prices = prices[start:stop]
    for index in range(len(bins)):
        left, right = sums[2 * index], sums[2 * index + 1]
        if not is_inverse:
            left, right = left * bin_prices[2 * index], right * bin_prices[2 * index + 1]
        bins[index] = left + right
    sums[:] = 0.0


@compiled
def write_map(
    nodes: FloatArray,
    multiplier: FloatArray,
    low: IntArray,
    high: IntArray,
    unlevered: FloatArray,
    close: float,
    open_interest: float,
    first_node: int,
    prices: FloatArray,
    is_inverse: bool,
    maps: _MapTuple,
    instant: int,
    scratch: FloatArray,
) -> None:
    """Write what stands into entry `instant` of `maps`.

    Parameters
    ----------
    nodes : ndarray of float64, shape (2 n_tiers, n_nodes)
        Stored amount per row and node of the window [quantity].
    multiplier : ndarray of float64, shape (2 n_tiers,)
        Factor of each row [ratio].
    low, high : ndarray of int64, shape (2 n_tiers,)
        Span of each row as indices into the window, both included.
    unlevered : ndarray of float64, shape (2,)
        What no price can liquidate [quantity].
    close, open_interest : float
        Last close [USD per unit of the asset] and open interest [quantity].
    first_node : int
        Grid node of the window's first column.
    prices : ndarray of float64, shape (n_nodes,)
        ``node_prices`` of the window.
    is_inverse : bool
        Whether quantity is USD.
    maps : tuple of ndarray
        The fields of ``Maps``, to write into; ``liquidation_usd`` holds zeros.
    instant : int
        Entry to write.
    scratch : ndarray of float64, shape (n_nodes,)
        Working space, zeros before and after.

    Examples
    --------
    >>> nodes, maps = np.zeros((2, 9)), empty_maps(1, 1)
    >>> nodes[0, 2] = 5.0
    >>> low, high = np.array([2, 1]), np.array([2, 0])
    >>> prices = node_prices(-4, 9)
    >>> write_map(
    ...     nodes, np.ones(2), low, high, np.ones(2), 1.0, 6.0, -4, prices, False, maps[:], 0,
    ...     np.zeros(9),
    ... )
    >>> maps.in_range.tolist(), maps.books_error[:, 0].tolist()
    ([[[5.0], [0.0]]], [0.0])
    """
    (
        out_close,
        out_open_interest,
        out_first_bin,
        out_n_bins,
        out_map,
        out_in_range,
        out_in_range_priced,
        out_near,
        out_near_priced,
        out_beyond,
        out_beyond_priced,
        out_unlevered,
        out_books_error,
        _,
        _,
        _,
    ) = maps
    n_tiers = nodes.shape[0] // 2
    log_close = math.log(close)
    center = log_close / BIN_LOG_WIDTH - 0.25
    reach = PUBLISHED_RANGE / BIN_LOG_WIDTH
    first_bin = math.ceil(center - reach)
    n_bins = math.floor(center + reach) - first_bin + 1
    range_low = NODES_PER_BIN * first_bin - first_node
    range_high = range_low + NODES_PER_BIN * n_bins - 1
    near_low = math.ceil((log_close - NEAR_RANGE) / LOG_STEP) - first_node
    near_high = math.floor((log_close + NEAR_RANGE) / LOG_STEP) - first_node
    out_close[instant] = close
    out_open_interest[instant] = open_interest
    out_first_bin[instant] = first_bin
    out_n_bins[instant] = n_bins
    for side in range(2):
        touched_low = nodes.shape[1]
        touched_high = -1
        booked = unlevered[side]
        for tier in range(n_tiers):
            row = side * n_tiers + tier
            scale = multiplier[row]
            start = low[row]
            stop = high[row]
            below, below_priced = _sums_of(nodes, row, prices, start, min(stop, range_low - 1))
            above, above_priced = _sums_of(nodes, row, prices, max(start, range_high + 1), stop)
            start = max(start, range_low)
            stop = min(stop, range_high)
            left, left_priced = _add_segment(
                nodes, row, prices, start, min(stop, near_low - 1), scale, scratch
            )
            near, near_priced = _add_segment(
                nodes, row, prices, max(start, near_low), min(stop, near_high), scale, scratch
            )
            right, right_priced = _add_segment(
                nodes, row, prices, max(start, near_high + 1), stop, scale, scratch
            )
            inside = left + near + right
            out_in_range[instant, side, tier] = scale * inside
            out_in_range_priced[instant, side, tier] = scale * (
                left_priced + near_priced + right_priced
            )
            out_near[instant, side, tier] = scale * near
            out_near_priced[instant, side, tier] = scale * near_priced
            out_beyond[instant, side, tier] = scale * (below + above)
            out_beyond_priced[instant, side, tier] = scale * (below_priced + above_priced)
            booked += scale * (inside + below + above)
            if start <= stop:
                touched_low = min(touched_low, start)
                touched_high = max(touched_high, stop)
        if touched_low <= touched_high:
            _write_bins(
                scratch,
                prices,
                touched_low,
                touched_high,
                range_low,
                is_inverse,
                out_map[instant, side],
            )
        out_unlevered[instant, side] = unlevered[side]
        if open_interest > 0.0:
            out_books_error[instant, side] = abs(booked - open_interest) / open_interest


@compiled
def write_start_up(
    start_up_nodes: FloatArray,
    multiplier: FloatArray,
    start_up_low: IntArray,
    start_up_high: IntArray,
    start_up_unlevered: FloatArray,
    first_node: int,
    prices: FloatArray,
    is_inverse: bool,
    maps: _MapTuple,
    instant: int,
    scratch: FloatArray,
) -> None:
    """Write which part of entry `instant` of `maps` is start-up mass, once that is written.

    Parameters
    ----------
    start_up_nodes : ndarray of float64, shape (2 n_tiers, n_nodes)
        Stored amount per row and node of the window [quantity].
    multiplier : ndarray of float64, shape (2 n_tiers,)
        Factor of each row [ratio].
    start_up_low, start_up_high : ndarray of int64, shape (2 n_tiers,)
        Span of each row as indices into the window, both included.
    start_up_unlevered : ndarray of float64, shape (2,)
        The part of it that no price can liquidate [quantity].
    first_node : int
        Grid node of the window's first column.
    prices : ndarray of float64, shape (n_nodes,)
        ``node_prices`` of the window.
    is_inverse : bool
        Whether quantity is USD.
    maps : tuple of ndarray
        The fields of ``Maps``, to write into; ``start_up_usd`` holds zeros.
    instant : int
        Entry to write.
    scratch : ndarray of float64, shape (n_nodes,)
        Working space, zeros before and after.

    Examples
    --------
    >>> nodes, maps = np.zeros((2, 9)), empty_maps(1, 1)
    >>> nodes[0, 4] = 5.0
    >>> low, high, one = np.array([4, 1]), np.array([4, 0]), np.ones(2)
    >>> prices, scratch = node_prices(-4, 9), np.zeros(9)
    >>> write_map(nodes, one, low, high, one, 1.0, 6.0, -4, prices, True, maps[:], 0, scratch)
    >>> halves = 0.5 * nodes, one, low, high, 0.1 * one
    >>> write_start_up(*halves, -4, prices, True, maps[:], 0, scratch)
    >>> maps.start_up_ratio.round(6).tolist(), float(maps.start_up_usd.sum())
    ([[0.433333, 0.016667]], 2.5)
    """
    open_interest, first_bin, n_bins = maps[1][instant], maps[2][instant], maps[3][instant]
    in_range, in_range_priced = maps[5], maps[6]
    out_usd, out_ratio, out_in_range_ratio = maps[13], maps[14], maps[15]
    n_tiers = start_up_nodes.shape[0] // 2
    range_low = NODES_PER_BIN * first_bin - first_node
    range_high = range_low + NODES_PER_BIN * n_bins - 1
    for side in range(2):
        touched_low = start_up_nodes.shape[1]
        touched_high = -1
        held = start_up_unlevered[side]
        held_in_range = 0.0
        shown = 0.0
        for tier in range(n_tiers):
            row = side * n_tiers + tier
            scale = multiplier[row]
            start, stop = start_up_low[row], start_up_high[row]
            below, _ = _sums_of(start_up_nodes, row, prices, start, min(stop, range_low - 1))
            above, _ = _sums_of(start_up_nodes, row, prices, max(start, range_high + 1), stop)
            start = max(start, range_low)
            stop = min(stop, range_high)
            inside, inside_priced = _add_segment(
                start_up_nodes, row, prices, start, stop, scale, scratch
            )
            held += scale * (below + inside + above)
            held_in_range += scale * (inside if is_inverse else inside_priced)
            shown += (in_range if is_inverse else in_range_priced)[instant, side, tier]
            if start <= stop:
                touched_low = min(touched_low, start)
                touched_high = max(touched_high, stop)
        if touched_low <= touched_high:
            _write_bins(
                scratch,
                prices,
                touched_low,
                touched_high,
                range_low,
                is_inverse,
                out_usd[instant, side],
            )
        out_ratio[instant, side] = held / open_interest if open_interest > 0.0 else 0.0
        out_in_range_ratio[instant, side] = held_in_range / shown if shown > 0.0 else 0.0


@_inlined
def _emit(
    rows: _RowTuple,
    close: float,
    open_interest: float,
    first_node: int,
    prices: FloatArray,
    is_inverse: bool,
    maps: _MapTuple,
    events: _EventTuple,
    instant: int,
    scratch: FloatArray,
) -> None:
    """Write the map and the events of an instant, and begin to count events anew."""
    nodes, multiplier, _, low, high, unlevered = rows[:6]
    start_up_nodes, start_up_low, start_up_high, start_up_unlevered = rows[6:10]
    per_row, per_side, balance, counts = rows[10:14], rows[14], rows[15], rows[16]
    out_per_row, out_per_side, out_balance, out_counts = events[:4], events[4], events[5], events[6]
    n_tiers = nodes.shape[0] // 2
    write_map(
        nodes,
        multiplier,
        low,
        high,
        unlevered,
        close,
        open_interest,
        first_node,
        prices,
        is_inverse,
        maps,
        instant,
        scratch,
    )
    has_start_up = start_up_unlevered[0] + start_up_unlevered[1] > 0.0
    for row in range(2 * n_tiers):
        has_start_up = has_start_up or start_up_low[row] <= start_up_high[row]
    if has_start_up:
        write_start_up(
            start_up_nodes,
            multiplier,
            start_up_low,
            start_up_high,
            start_up_unlevered,
            first_node,
            prices,
            is_inverse,
            maps,
            instant,
            scratch,
        )
    for kind in range(len(per_row)):
        for row in range(2 * n_tiers):
            out_per_row[kind][instant, row // n_tiers, row % n_tiers] = per_row[kind][row]
        per_row[kind][:] = 0.0
    for side in range(2):
        out_per_side[instant, side] = per_side[side]
    has_balance = balance[0] <= balance[1]
    out_balance[instant, 0] = balance[0] if has_balance else math.nan
    out_balance[instant, 1] = balance[1] if has_balance else math.nan
    for kind in range(len(counts)):
        out_counts[instant, kind] = counts[kind]
    per_side[:] = 0.0
    balance[0] = math.inf
    balance[1] = -math.inf
    counts[:] = 0


@_inlined
def _refresh(rows: _RowTuple, n_tiers: int, open_interest: float) -> None:
    """Sum every row anew, and forget start-up mass of a side of which next to none is left."""
    nodes, multiplier, total, low, high = rows[:5]
    start_up_nodes, start_up_low, start_up_high, start_up_unlevered = rows[6:10]
    for side in range(2):
        held = start_up_unlevered[side]
        for row in range(side * n_tiers, (side + 1) * n_tiers):
            _fold_row(
                nodes,
                multiplier,
                total,
                low,
                high,
                start_up_nodes,
                start_up_low,
                start_up_high,
                row,
            )
            for index in range(start_up_low[row], start_up_high[row] + 1):
                held += start_up_nodes[row, index]
        if held <= _NEGLIGIBLE * open_interest:
            start_up_unlevered[side] = 0.0
            for row in range(side * n_tiers, (side + 1) * n_tiers):
                start_up_nodes[row, start_up_low[row] : start_up_high[row] + 1] = 0.0
                start_up_low[row] = 1
                start_up_high[row] = 0


@compiled
def _begin(
    rows: _RowTuple,
    model: _ModelTuple,
    entries: FloatArray,
    shares: FloatArray,
    passed: IntArray,
    side: int,
    is_empty: bool,
    open_interest: float,
    first_node: int,
) -> None:
    """Take all that stands on one side as start-up mass.

    Where nothing does, open interest is placed at the prices of the bar, and none of it swept.
    """
    nodes, multiplier, total, low, high, unlevered = rows[:6]
    start_up_nodes, start_up_low, start_up_high, start_up_unlevered = rows[6:10]
    offset_steps, _, _, entry_weights = model
    n_tiers = offset_steps.shape[1]
    first_row = side * n_tiers
    if is_empty:
        for row in range(first_row, first_row + n_tiers):
            _empty_row(
                nodes,
                multiplier,
                total,
                low,
                high,
                start_up_nodes,
                start_up_low,
                start_up_high,
                row,
            )
        passed[:] = 0
        unlevered[side] = open_interest * shares[n_tiers]
        if open_interest > 0.0:
            _open(
                nodes,
                multiplier,
                total,
                low,
                high,
                side,
                open_interest,
                shares,
                offset_steps,
                entries,
                entry_weights,
                passed,
                first_node,
            )
    start_up_unlevered[side] = unlevered[side]
    for row in range(first_row, first_row + n_tiers):
        start_up_low[row] = low[row]
        start_up_high[row] = high[row]
        for index in range(low[row], high[row] + 1):
            start_up_nodes[row, index] = nodes[row, index]


@compiled
def _advance_rows(
    rows: _RowTuple,
    bars: _BarTuple,
    model: _ModelTuple,
    emit_after: IntArray,
    maps: _MapTuple,
    events: _EventTuple,
    bar_count: int,
    open_interest: float,
    close: float,
    first_node: int,
    prices: FloatArray,
    is_inverse: bool,
) -> None:
    """Move `rows` over all bars and write a map and the events at each instant.

    Bars without open interest (NaN) come before the series: what they open is a trail that the
    first bar of the series scales to its open interest.
    """
    nodes, multiplier, total, low, high, unlevered = rows[:6]
    start_up_nodes, start_up_low, start_up_high, start_up_unlevered = rows[6:10]
    consumed_quantity, consumed_usd, swept_quantity, swept_usd = rows[10:14]
    excess_quantity, balance, counts = rows[14:]
    bar_open, bar_high, bar_low, bar_close, bar_clearing_high, bar_clearing_low = bars[:6]
    bar_is_violation, bar_is_imputed = bars[10:]
    bar_buy_ratio, bar_opened, bar_closed, bar_open_interest = bars[6:10]
    offset_steps, weights, hazards, entry_weights = model
    n_nodes = nodes.shape[1]
    n_tiers = offset_steps.shape[1]
    entries = np.empty(4)
    masses = np.empty(n_tiers + 1)
    factors = np.empty(n_tiers + 1)
    shares = np.empty(n_tiers + 1)
    passed = np.empty(n_tiers, dtype=np.int64)
    scratch = np.zeros(n_nodes)
    instant = 0
    # Bar -1 stands for what was before: instants may lie there, nothing else happens.
    for bar in range(-1, len(bar_close)):
        if bar >= 0:
            entries[0] = math.log(bar_open[bar]) / LOG_STEP
            entries[1] = math.log(bar_high[bar]) / LOG_STEP
            entries[2] = math.log(bar_low[bar]) / LOG_STEP
            entries[3] = math.log(bar_close[bar]) / LOG_STEP
            is_on_last = math.isnan(bar_clearing_high[bar]) or math.isnan(bar_clearing_low[bar])
            clearing_high = entries[1]
            clearing_low = entries[2]
            if not is_on_last:
                clearing_high = math.log(bar_clearing_high[bar]) / LOG_STEP
                clearing_low = math.log(bar_clearing_low[bar]) / LOG_STEP
            first_long = math.ceil(clearing_low) - first_node
            last_short = math.floor(clearing_high) - first_node
            close = bar_close[bar]
            open_interest = bar_open_interest[bar]
            opened = bar_opened[bar]
            closed = bar_closed[bar]
            is_trail = math.isnan(open_interest)
            is_first = bar_count == 0 and not is_trail
            for side in range(2):
                first_row = side * n_tiers
                _share(weights, bar_buy_ratio[bar], side == LONG, shares)
                swept = _sweep(
                    side,
                    opened,
                    shares,
                    offset_steps,
                    entries,
                    entry_weights,
                    is_inverse,
                    swept_quantity,
                    swept_usd,
                    passed,
                )
                consumed = _clear(
                    nodes,
                    multiplier,
                    total,
                    low,
                    high,
                    start_up_nodes,
                    start_up_low,
                    start_up_high,
                    first_row,
                    n_tiers,
                    first_long if side == LONG else 0,
                    n_nodes - 1 if side == LONG else last_short,
                    prices,
                    is_inverse,
                    consumed_quantity,
                    consumed_usd,
                )
                left = consumed + swept
                if left > closed:
                    excess_quantity[side] += left - closed
                elif closed > left and _held(total, first_row, n_tiers, unlevered[side]) > 0.0:
                    for tier in range(n_tiers):
                        masses[tier] = total[first_row + tier]
                    masses[n_tiers] = unlevered[side]
                    _closing_factors(masses, hazards, closed - left, factors)
                    _multiply(multiplier, total, first_row, factors)
                    unlevered[side] *= factors[n_tiers]
                    start_up_unlevered[side] *= factors[n_tiers]
                for row in range(first_row, first_row + n_tiers):
                    if not _FOLD_BELOW < multiplier[row] < _FOLD_ABOVE:
                        _fold_row(
                            nodes,
                            multiplier,
                            total,
                            low,
                            high,
                            start_up_nodes,
                            start_up_low,
                            start_up_high,
                            row,
                        )
                if opened > 0.0:
                    _open(
                        nodes,
                        multiplier,
                        total,
                        low,
                        high,
                        side,
                        opened,
                        shares,
                        offset_steps,
                        entries,
                        entry_weights,
                        passed,
                        first_node,
                    )
                    unlevered[side] += opened * shares[n_tiers]
                held = _held(total, first_row, n_tiers, unlevered[side])
                is_lost = not held > _VANISHED * open_interest or open_interest == 0.0
                if is_first:
                    # Of a trail that price has emptied the unlevered share alone is no start.
                    is_lost = is_lost or _held(total, first_row, n_tiers, 0.0) <= 0.0
                if not is_lost:
                    ratio = open_interest / held
                    factors[:] = ratio
                    _multiply(multiplier, total, first_row, factors)
                    unlevered[side] *= ratio
                    start_up_unlevered[side] *= ratio
                    if not is_first:
                        balance[0] = min(balance[0], ratio)
                        balance[1] = max(balance[1], ratio)
                if (is_lost or is_first) and not is_trail:
                    _begin(
                        rows,
                        model,
                        entries,
                        shares,
                        passed,
                        side,
                        is_lost,
                        open_interest,
                        first_node,
                    )
            if is_first or is_trail:
                # What left the trail was no position of this series.
                consumed_quantity[:] = 0.0
                consumed_usd[:] = 0.0
                swept_quantity[:] = 0.0
                swept_usd[:] = 0.0
                excess_quantity[:] = 0.0
            if is_trail:
                continue
            bar_count += 1
            counts[_BARS] += 1
            counts[_VIOLATIONS] += bar_is_violation[bar] and not is_first
            counts[_IMPUTED] += bar_is_imputed[bar]
            counts[_ON_LAST_PRICE] += is_on_last
            if bar_count % _REFRESH_BARS == 0:
                _refresh(rows, n_tiers, open_interest)
        while instant < len(emit_after) and emit_after[instant] == bar:
            _emit(
                rows,
                close,
                open_interest,
                first_node,
                prices,
                is_inverse,
                maps,
                events,
                instant,
                scratch,
            )
            instant += 1


def empty_maps(n_instants: int, n_tiers: int) -> Maps:
    """Return arrays for so many instants, all 0.

    Parameters
    ----------
    n_instants, n_tiers : int
        Lengths of the axes.

    Returns
    -------
    Maps
        To be written by ``write_map``.

    Examples
    --------
    >>> empty_maps(3, 9).in_range.shape
    (3, 2, 9)
    """
    per_tier = (n_instants, 2, n_tiers)
    return Maps(
        close=np.zeros(n_instants),
        open_interest=np.zeros(n_instants),
        first_bin=np.zeros(n_instants, dtype=np.int64),
        n_bins=np.zeros(n_instants, dtype=np.int64),
        liquidation_usd=np.zeros((n_instants, 2, N_PUBLISHED_BINS), dtype=np.float32),
        in_range=np.zeros(per_tier),
        in_range_priced=np.zeros(per_tier),
        near=np.zeros(per_tier),
        near_priced=np.zeros(per_tier),
        beyond=np.zeros(per_tier),
        beyond_priced=np.zeros(per_tier),
        unlevered=np.zeros((n_instants, 2)),
        books_error=np.zeros((n_instants, 2)),
        start_up_usd=np.zeros((n_instants, 2, N_PUBLISHED_BINS), dtype=np.float32),
        start_up_ratio=np.zeros((n_instants, 2)),
        start_up_in_range_ratio=np.zeros((n_instants, 2)),
    )


def empty_events(n_instants: int, n_tiers: int) -> Events:
    """Return arrays for so many instants, all 0.

    Parameters
    ----------
    n_instants, n_tiers : int
        Lengths of the axes.

    Returns
    -------
    Events
        To be written by the kernel.

    Examples
    --------
    >>> empty_events(3, 9).swept_usd.shape
    (3, 2, 9)
    """
    per_tier = (n_instants, 2, n_tiers)
    return Events(
        consumed_quantity=np.zeros(per_tier),
        consumed_usd=np.zeros(per_tier),
        swept_quantity=np.zeros(per_tier),
        swept_usd=np.zeros(per_tier),
        excess_quantity=np.zeros((n_instants, 2)),
        balance=np.zeros((n_instants, 2)),
        counts=np.zeros((n_instants, 4), dtype=np.int64),
    )


def outputs_of(
    maps: Maps,
    is_inverse: bool,
    *,
    consumed_quantity: FloatArray,
    consumed_usd: FloatArray,
    swept_quantity: FloatArray,
    swept_usd: FloatArray,
    excess_quantity: FloatArray,
    balance: FloatArray,
    counts: IntArray,
) -> Outputs:
    """Return the outputs of an estimator from its maps and events.

    Parameters
    ----------
    maps : Maps
        What stands at each instant.
    is_inverse : bool
        Whether quantity is USD.
    consumed_quantity, consumed_usd, swept_quantity, swept_usd : ndarray of float64
        Of shape (n_emits, 2, n_tiers), as in ``Outputs`` [quantity; USD; quantity; USD].
    excess_quantity : ndarray of float64, shape (n_emits, 2)
        As in ``Outputs`` [quantity].
    balance : ndarray of float64, shape (n_emits, 2)
        Smallest and largest balance factor [ratio].
    counts : ndarray of int64, shape (n_emits, 4)
        Bars, violations, imputed bars and bars on last price [bars].

    Returns
    -------
    Outputs
        In base and USD.

    Examples
    --------
    >>> events = empty_events(1, 9)
    >>> len(outputs_of(empty_maps(1, 9), False, **events._asdict()))
    1
    """
    own = (maps.in_range, maps.near, maps.beyond, maps.unlevered)
    close = maps.close[:, np.newaxis]
    if is_inverse:
        # At the close, as open interest is: at each node's own price the sides of one open
        # interest would have different sums.
        usd = own
        base = (*(part / close[..., np.newaxis] for part in own[:3]), maps.unlevered / close)
    else:
        base = own
        usd = (maps.in_range_priced, maps.near_priced, maps.beyond_priced, maps.unlevered * close)
    return Outputs(
        close=maps.close,
        open_interest=maps.open_interest,
        first_bin=maps.first_bin,
        n_bins=maps.n_bins,
        liquidation_usd=maps.liquidation_usd,
        in_range_base=base[0],
        in_range_usd=usd[0],
        near_base=base[1],
        near_usd=usd[1],
        beyond_base=base[2],
        beyond_usd=usd[2],
        unlevered_base=base[3],
        unlevered_usd=usd[3],
        consumed_quantity=consumed_quantity,
        consumed_usd=consumed_usd,
        swept_quantity=swept_quantity,
        swept_usd=swept_usd,
        excess_quantity=excess_quantity,
        balance_min=balance[:, 0],
        balance_max=balance[:, 1],
        bar_count=counts[:, _BARS],
        violation_count=counts[:, _VIOLATIONS],
        imputed_count=counts[:, _IMPUTED],
        last_price_count=counts[:, _ON_LAST_PRICE],
        books_error=maps.books_error,
        start_up_usd=maps.start_up_usd,
        start_up_ratio=maps.start_up_ratio,
        start_up_in_range_ratio=maps.start_up_in_range_ratio,
    )


def advance(
    state: State,
    bars: Bars,
    emit_after: IntArray,
    *,
    opened: FloatArray,
    closed: FloatArray,
    is_violation: BoolArray,
    log_offsets: FloatArray,
    weights: FloatArray,
    hazards: FloatArray,
    entry_weights: FloatArray,
    uses_mark: bool,
    uses_taker: bool,
    is_inverse: bool,
) -> tuple[State, Outputs]:
    """Return the state after the bars and the maps at the instants asked for.

    The recursion itself; ``estimators.run`` is what callers want.

    Parameters
    ----------
    state : State
        State before the first bar, with ``2 n_tiers`` rows.
    bars : Bars
        Bars that follow.
    emit_after : ndarray of int64, shape (n_emits,)
        Index of the bar after which each instant lies; -1: before the first.
    opened, closed : ndarray of float64, shape (n_bars,)
        Opens and closes of each side [quantity]; those of a series' first bar are
        not used.
    is_violation : ndarray of bool, shape (n_bars,)
        Bars whose change of open interest cannot be.
    log_offsets : ndarray of float64, shape (2, n_tiers)
        ``margin.tier_log_offsets`` [ln].
    weights : ndarray of float64, shape (3, n_tiers + 1)
        Shares of fresh positions per tier, unlevered last: plain, takers', makers' [ratio].
    hazards : ndarray of float64, shape (n_tiers + 1,)
        Rate at which positions close of their own will, unlevered last [1/day].
    entry_weights : ndarray of float64, shape (4,)
        Shares entered at open, high, low and close [ratio].
    uses_mark : bool
        Whether the mark price liquidates, where it is known.
    uses_taker : bool
        Whether takers' and makers' shares differ, where takers' volume is known.
    is_inverse : bool
        Whether quantity is USD.

    Returns
    -------
    state : State
        After the last bar.
    outputs : Outputs
        One entry per instant.

    Examples
    --------
    >>> one = np.ones(1)
    >>> bars = Bars(
    ...     open=100 * one, high=100 * one, low=100 * one, close=100 * one,
    ...     mark_high=np.nan * one, mark_low=np.nan * one, volume=5 * one, taker_buy=np.nan * one,
    ...     open_interest=8 * one, is_imputed=one < 0, has_gap_before=one < 0, bar_seconds=300,
    ... )
    >>> state, outputs = advance(
    ...     State.empty(2), bars, np.array([0]), opened=0 * one, closed=0 * one,
    ...     is_violation=one < 0, log_offsets=np.array([[-0.1], [0.1]]),
    ...     weights=np.array([[0.75, 0.25]] * 3), hazards=np.ones(2),
    ...     entry_weights=np.full(4, 0.25), uses_mark=True, uses_taker=False, is_inverse=False,
    ... )
    >>> outputs.in_range_base[0, :, 0].round(6).tolist(), state.unlevered.tolist()
    ([6.0, 6.0], [2.0, 2.0])
    """
    n_tiers = log_offsets.shape[1]
    first_node, n_nodes = window_of(state, bars, log_offsets)
    rows = rows_of(state, first_node, n_nodes)
    if state.bar_count == 0 and len(bars):
        # What the first bar opens is the newest part of the trail; without one, open interest.
        opened, closed = opened.copy(), closed.copy()
        opened[0] = bars.volume[0] if state.has_trail else 0.0
        closed[0] = 0.0
    n_emits = len(emit_after)
    maps = empty_maps(n_emits, n_tiers)
    events = empty_events(n_emits, n_tiers)
    _advance_rows(
        rows[:],
        _columns_of(bars, opened, closed, bars.open_interest, is_violation, uses_mark, uses_taker),
        (log_offsets / LOG_STEP, weights, hazards, entry_weights),
        emit_after,
        maps[:],
        events[:],
        state.bar_count,
        state.open_interest,
        state.close,
        first_node,
        node_prices(first_node, n_nodes),
        is_inverse,
    )
    outputs = outputs_of(maps, is_inverse, **events._asdict())
    return state_of(state, bars, rows, first_node), outputs


def lay_trail(
    state: State,
    bars: Bars,
    *,
    opened: FloatArray,
    log_offsets: FloatArray,
    weights: FloatArray,
    entry_weights: FloatArray,
    uses_mark: bool,
    uses_taker: bool,
) -> State:
    """Return a state that starts from entries spread over bars before the first open interest.

    What each bar opens is placed as positions are, and leaves where a later bar reaches its
    liquidation price. The first bar of the series scales what is left to its open interest.

    Parameters
    ----------
    state : State
        Empty state.
    bars : Bars
        Bars right before the first one with open interest; theirs is not used.
    opened : ndarray of float64, shape (n_bars,)
        What to place of each bar, in any unit; the first bar of the series places its volume.
    log_offsets, weights, entry_weights, uses_mark, uses_taker
        As for ``advance``.

    Returns
    -------
    State
        Without a bar of the series yet.

    Examples
    --------
    >>> one = np.ones(2)
    >>> bars = Bars(
    ...     open=one, high=one, low=np.array([1.0, 0.8]), close=one, mark_high=np.nan * one,
    ...     mark_low=np.nan * one, volume=one, taker_buy=np.nan * one, open_interest=0 * one,
    ...     is_imputed=one < 0, has_gap_before=one < 0, bar_seconds=300,
    ... )
    >>> state = lay_trail(
    ...     State.empty(2), bars, opened=4 * one, log_offsets=np.array([[-0.1], [0.1]]),
    ...     weights=np.array([[0.75, 0.25]] * 3), entry_weights=np.full(4, 0.25), uses_mark=True,
    ...     uses_taker=False,
    ... )
    >>> state.total.round(6).tolist(), state.unlevered.tolist(), state.bar_count
    ([3.0, 5.25], [2.0, 2.0], 0)
    """
    n_tiers = log_offsets.shape[1]
    first_node, n_nodes = window_of(state, bars, log_offsets)
    rows = rows_of(state, first_node, n_nodes)
    none = np.zeros(len(bars))
    _advance_rows(
        rows[:],
        _columns_of(bars, opened, none, none + np.nan, none > 0.0, uses_mark, uses_taker),
        (log_offsets / LOG_STEP, weights, np.zeros(n_tiers + 1), entry_weights),
        np.zeros(0, dtype=np.int64),
        empty_maps(0, n_tiers)[:],
        empty_events(0, n_tiers)[:],
        0,
        0.0,
        state.close,
        first_node,
        node_prices(first_node, n_nodes),
        False,
    )
    laid = state_of(state, bars, rows, first_node)
    return dataclasses.replace(laid, bar_count=0, open_interest=0.0)


def _columns_of(
    bars: Bars,
    opened: FloatArray,
    closed: FloatArray,
    open_interest: FloatArray,
    is_violation: BoolArray,
    uses_mark: bool,
    uses_taker: bool,
) -> _BarTuple:
    """Return what the kernel reads of bars; NaN for what is not known or not used."""
    unknown = np.full(len(bars), np.nan)
    buy_ratio = unknown
    if uses_taker:
        is_known = bars.volume > 0.0
        buy_ratio = np.divide(bars.taker_buy, bars.volume, out=unknown.copy(), where=is_known)
        buy_ratio = np.minimum(buy_ratio, 1.0)
    return (
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.mark_high if uses_mark else unknown,
        bars.mark_low if uses_mark else unknown,
        buy_ratio,
        opened,
        closed,
        open_interest,
        is_violation,
        bars.is_imputed,
    )


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
    >>> bars = Bars(
    ...     open=one, high=one, low=one, close=one, mark_high=one, mark_low=one, volume=one,
    ...     taker_buy=one, open_interest=one, is_imputed=one < 0, has_gap_before=one < 0,
    ...     bar_seconds=300,
    ... )
    >>> window_of(State.empty(2), bars, np.array([[-0.0105], [0.0105]]))
    (-14, 28)
    """
    n_nodes = state.nodes.shape[1]
    # Spare nodes at both ends: deposits take two nodes, a shifted profile three, and both nodes
    # of every published bin that is touched must lie in the window.
    low, high = state.first_node - _SPARE_NODES, state.first_node + n_nodes - 1 + _SPARE_NODES
    prices = np.stack([bars.open, bars.high, bars.low, bars.close])
    if len(bars) == 0:
        prices = np.array([1.0 if math.isnan(state.close) else state.close])
    lowest = math.log(prices.min()) + min(log_offsets.min(), 0.0)
    highest = math.log(prices.max()) + max(log_offsets.max(), 0.0)
    from_bars = math.floor(lowest / LOG_STEP) - _SPARE_NODES
    to_bars = math.floor(highest / LOG_STEP) + _SPARE_NODES
    first_node = from_bars if n_nodes == 0 else min(low, from_bars)
    last_node = to_bars if n_nodes == 0 else max(high, to_bars)
    return first_node, last_node - first_node + 1


def rows_of(state: State, first_node: int, n_nodes: int) -> Rows:
    """Return the arrays of a state copied into a window.

    Parameters
    ----------
    state : State
        State to copy.
    first_node, n_nodes : int
        Window that holds all of the state's nodes.

    Returns
    -------
    Rows
        To be moved in place.

    Examples
    --------
    >>> rows_of(State.empty(2), 0, 5).nodes.shape
    (2, 5)
    """
    nodes, start_up_nodes = np.zeros((2, len(state.total), n_nodes))
    shift = state.first_node - first_node
    if state.nodes.shape[1]:
        nodes[:, shift : shift + state.nodes.shape[1]] = state.nodes
        start_up_nodes[:, shift : shift + state.nodes.shape[1]] = state.start_up_nodes
    is_filled = state.low_node <= state.high_node
    is_start_up = state.start_up_low_node <= state.start_up_high_node
    return Rows(
        nodes=nodes,
        multiplier=state.multiplier.copy(),
        total=state.total.copy(),
        low=np.where(is_filled, state.low_node - first_node, 1),
        high=np.where(is_filled, state.high_node - first_node, 0),
        unlevered=state.unlevered.copy(),
        start_up_nodes=start_up_nodes,
        start_up_low=np.where(is_start_up, state.start_up_low_node - first_node, 1),
        start_up_high=np.where(is_start_up, state.start_up_high_node - first_node, 0),
        start_up_unlevered=state.start_up_unlevered.copy(),
        consumed_quantity=state.consumed_quantity.copy(),
        consumed_usd=state.consumed_usd.copy(),
        swept_quantity=state.swept_quantity.copy(),
        swept_usd=state.swept_usd.copy(),
        excess_quantity=state.excess_quantity.copy(),
        balance=state.balance.copy(),
        counts=state.counts.copy(),
    )


def state_of(before: State, bars: Bars, rows: Rows, first_node: int) -> State:
    """Return the state that moved arrays amount to, cut to the nodes that hold anything.

    Parameters
    ----------
    before : State
        State before the bars.
    bars : Bars
        Bars that were added.
    rows : Rows
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
    >>> bars = Bars(
    ...     open=one, high=one, low=one, close=one, mark_high=one, mark_low=one, volume=one,
    ...     taker_buy=one, open_interest=one, is_imputed=one < 0, has_gap_before=one < 0,
    ...     bar_seconds=300,
    ... )
    >>> state_of(State.empty(2), bars, rows_of(State.empty(2), 0, 5), 0).bar_count
    1
    """
    is_filled = rows.low <= rows.high
    start = int(rows.low[is_filled].min()) if is_filled.any() else 0
    stop = int(rows.high[is_filled].max()) + 1 if is_filled.any() else 0
    is_start_up = rows.start_up_low <= rows.start_up_high
    return State(
        params_hash=before.params_hash,
        bar_count=before.bar_count + len(bars),
        open_interest=float(bars.open_interest[-1]) if len(bars) else before.open_interest,
        close=float(bars.close[-1]) if len(bars) else before.close,
        first_node=first_node + start if is_filled.any() else 0,
        nodes=rows.nodes[:, start:stop].copy(),
        multiplier=rows.multiplier,
        total=rows.total,
        low_node=np.where(is_filled, rows.low + first_node, 1),
        high_node=np.where(is_filled, rows.high + first_node, 0),
        unlevered=rows.unlevered,
        start_up_nodes=rows.start_up_nodes[:, start:stop].copy(),
        start_up_low_node=np.where(is_start_up, rows.start_up_low + first_node, 1),
        start_up_high_node=np.where(is_start_up, rows.start_up_high + first_node, 0),
        start_up_unlevered=rows.start_up_unlevered,
        consumed_quantity=rows.consumed_quantity,
        consumed_usd=rows.consumed_usd,
        swept_quantity=rows.swept_quantity,
        swept_usd=rows.swept_usd,
        excess_quantity=rows.excess_quantity,
        balance=rows.balance,
        counts=rows.counts,
    )
