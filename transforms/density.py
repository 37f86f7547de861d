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

import math
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

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

_REFRESH_BARS: Final = 4096
"""Every so many bars running totals are summed anew, so that rounding cannot add up [bars]."""

_CANCELLATION: Final = 1e-3
"""A total that consumption leaves below this share of itself is summed anew [ratio]."""

_SMALL_STEP: Final = 1e-4
"""Largest hazard times step for which a cubic stands for the exponential: its error is 4e-18."""

_NEWTON_ONLY_AFTER: Final = 8
_MOST_ITERATIONS: Final = 100

_BARS, _VIOLATIONS, _IMPUTED, _ON_LAST_PRICE = range(4)

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Return the function compiled, cached on disk and free of the interpreter lock.

    Sums may be reordered to use vector registers. Their order then depends on nothing but the
    span of a row, so results still do not depend on how bars are split into calls.
    """
    compiled: Function = numba.njit(
        cache=True, nogil=True, fastmath={"reassoc", "contract"}, error_model="numpy"
    )(function)
    return compiled


class Rows(NamedTuple):
    """The arrays of a state while it moves; spans are indices into the window, not grid nodes."""

    nodes: FloatArray
    multiplier: FloatArray
    total: FloatArray
    low: IntArray
    high: IntArray
    unlevered: FloatArray
    consumed_quantity: FloatArray
    consumed_usd: FloatArray
    excess_quantity: FloatArray
    balance: FloatArray
    counts: IntArray


class _BarColumns(NamedTuple):
    """What the kernel reads per bar."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    clearing_high: FloatArray
    clearing_low: FloatArray
    buy_ratio: FloatArray
    opened: FloatArray
    closed: FloatArray
    open_interest: FloatArray
    is_violation: BoolArray
    is_imputed: BoolArray


class _Model(NamedTuple):
    """What the kernel is told about positions."""

    offset_steps: FloatArray  # (2, n_tiers) liquidation less entry [nodes]
    weights: FloatArray  # (3, n_tiers + 1) plain, taker, maker [ratio]
    hazards: FloatArray  # (n_tiers + 1,) [1/day]
    entry_weights: FloatArray  # (4,) open, high, low, close [ratio]


class MapArrays(NamedTuple):
    """Arrays that maps are written into, one entry per instant.

    ``first`` sums amounts in position units, ``other`` in the unit that follows from the node's
    price: quantity is units of the asset and ``other`` USD (linear), or the reverse (inverse).
    """

    close: FloatArray
    open_interest: FloatArray
    first_bin: IntArray
    n_bins: IntArray
    liquidation_usd: Float32Array
    in_range: FloatArray
    in_range_other: FloatArray
    near: FloatArray
    near_other: FloatArray
    beyond: FloatArray
    beyond_other: FloatArray
    unlevered: FloatArray
    books_error: FloatArray


class _EventArrays(NamedTuple):
    """Arrays that hold what happened between two instants."""

    consumed_quantity: FloatArray
    consumed_usd: FloatArray
    excess_quantity: FloatArray
    balance: FloatArray
    counts: IntArray


@compiled
def node_factors(first_node: int, n_nodes: int, is_inverse: bool) -> FloatArray:
    """Return what turns quantity on each node into the other unit.

    Parameters
    ----------
    first_node, n_nodes : int
        Window on the grid.
    is_inverse : bool
        Whether quantity is USD.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
        Price of the node (linear) or its reciprocal (inverse).

    Examples
    --------
    >>> node_factors(0, 2, False).round(6).tolist()
    [1.0, 1.001001]
    """
    factors = np.empty(n_nodes)
    for index in range(n_nodes):
        log_price = (first_node + index) * LOG_STEP
        factors[index] = math.exp(-log_price) if is_inverse else math.exp(log_price)
    return factors


@compiled
def _sum_of(row: FloatArray, low: int, high: int) -> float:
    """Return the sum of a row from index `low` to `high`, both included."""
    total = 0.0
    for index in range(low, high + 1):
        total += row[index]
    return total


@compiled
def _sums_of(row: FloatArray, factor: FloatArray, low: int, high: int) -> tuple[float, float]:
    """Return the sum of a row and of row times factor from `low` to `high`, both included."""
    total = 0.0
    other = 0.0
    for index in range(low, high + 1):
        total += row[index]
        other += row[index] * factor[index]
    return total, other


@compiled
def _empty_row(rows: Rows, row: int) -> None:
    """Set a row to nothing standing."""
    for index in range(rows.low[row], rows.high[row] + 1):
        rows.nodes[row, index] = 0.0
    rows.multiplier[row] = 1.0
    rows.total[row] = 0.0
    rows.low[row] = 1
    rows.high[row] = 0


@compiled
def _fold_row(rows: Rows, row: int) -> None:
    """Multiply a row's multiplier into its nodes and sum the row anew."""
    factor = rows.multiplier[row]
    total = 0.0
    for index in range(rows.low[row], rows.high[row] + 1):
        value = rows.nodes[row, index] * factor
        rows.nodes[row, index] = value
        total += value
    rows.multiplier[row] = 1.0
    rows.total[row] = total
    if total == 0.0:
        _empty_row(rows, row)


@compiled
def _consume(
    rows: Rows, row: int, low: int, high: int, factor: FloatArray, is_inverse: bool
) -> float:
    """Empty a row from index `low` to `high` and return the quantity that stood there."""
    stored, stored_other = _sums_of(rows.nodes[row], factor, low, high)
    for index in range(low, high + 1):
        rows.nodes[row, index] = 0.0
    quantity = stored * rows.multiplier[row]
    rows.consumed_quantity[row] += quantity
    rows.consumed_usd[row] += quantity if is_inverse else stored_other * rows.multiplier[row]
    before = rows.total[row]
    rows.total[row] = before - quantity
    if low == rows.low[row] and high == rows.high[row]:
        _empty_row(rows, row)
        return quantity
    if low == rows.low[row]:
        rows.low[row] = high + 1
    else:
        rows.high[row] = low - 1
    if rows.total[row] < _CANCELLATION * before:
        rows.total[row] = rows.multiplier[row] * _sum_of(
            rows.nodes[row], rows.low[row], rows.high[row]
        )
    return quantity


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
        for index in range(n_masses):
            factors[index] = math.exp(-hazards[index] * theta)
            stays = masses[index] * factors[index]
            weighted = stays * hazards[index]
            remaining += stays
            slope += weighted
            curve += weighted * hazards[index]


@compiled
def _open(
    rows: Rows,
    model: _Model,
    side: int,
    quantity: float,
    shares: FloatArray,
    entries: FloatArray,
    first_node: int,
) -> None:
    """Add fresh positions of one side at the liquidation prices that follow from `entries`."""
    n_tiers = model.offset_steps.shape[1]
    for tier in range(n_tiers):
        amount = quantity * shares[tier]
        if amount <= 0.0:
            continue
        row = side * n_tiers + tier
        stored = amount / rows.multiplier[row]
        low = rows.low[row]
        high = rows.high[row]
        if low > high:
            low = rows.nodes.shape[1]
            high = -1
        for entry in range(4):
            position = entries[entry] + model.offset_steps[side, tier]
            node = math.floor(position)
            fraction = position - node
            index = node - first_node
            share = stored * model.entry_weights[entry]
            rows.nodes[row, index] += share * (1.0 - fraction)
            rows.nodes[row, index + 1] += share * fraction
            low = min(low, index)
            high = max(high, index + 1)
        rows.low[row] = low
        rows.high[row] = high
        rows.total[row] += amount
    rows.unlevered[side] += quantity * shares[n_tiers]


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
    factor: FloatArray,
    is_inverse: bool,
    maps: MapArrays,
    instant: int,
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
    factor : ndarray of float64, shape (n_nodes,)
        ``node_factors`` of the window.
    is_inverse : bool
        Whether quantity is USD.
    maps : MapArrays
        Arrays to write into; ``liquidation_usd`` holds zeros.
    instant : int
        Entry to write.
    """
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
    maps.close[instant] = close
    maps.open_interest[instant] = open_interest
    maps.first_bin[instant] = first_bin
    maps.n_bins[instant] = n_bins
    standing = np.zeros(NODES_PER_BIN * N_PUBLISHED_BINS)
    for side in range(2):
        touched_low = NODES_PER_BIN * N_PUBLISHED_BINS
        touched_high = -1
        booked = unlevered[side]
        for tier in range(n_tiers):
            row = side * n_tiers + tier
            scale = multiplier[row]
            stored = nodes[row]
            start = low[row]
            stop = high[row]
            below, below_other = _sums_of(stored, factor, start, min(stop, range_low - 1))
            above, above_other = _sums_of(stored, factor, max(start, range_high + 1), stop)
            start = max(start, range_low)
            stop = min(stop, range_high)
            left, left_other = _sums_of(stored, factor, start, min(stop, near_low - 1))
            near, near_other = _sums_of(stored, factor, max(start, near_low), min(stop, near_high))
            right, right_other = _sums_of(stored, factor, max(start, near_high + 1), stop)
            inside = left + near + right
            maps.in_range[instant, side, tier] = scale * inside
            maps.in_range_other[instant, side, tier] = scale * (
                left_other + near_other + right_other
            )
            maps.near[instant, side, tier] = scale * near
            maps.near_other[instant, side, tier] = scale * near_other
            maps.beyond[instant, side, tier] = scale * (below + above)
            maps.beyond_other[instant, side, tier] = scale * (below_other + above_other)
            booked += scale * (inside + below + above)
            if start <= stop:
                touched_low = min(touched_low, start - range_low)
                touched_high = max(touched_high, stop - range_low)
                for index in range(start, stop + 1):
                    standing[index - range_low] += scale * stored[index]
        if touched_low <= touched_high:
            for bin_offset in range(touched_low // 2, touched_high // 2 + 1):
                amount = 0.0
                for index in range(NODES_PER_BIN * bin_offset, NODES_PER_BIN * (bin_offset + 1)):
                    if is_inverse or standing[index] == 0.0:
                        amount += standing[index]
                    else:
                        amount += standing[index] * factor[index + range_low]
                    standing[index] = 0.0
                maps.liquidation_usd[instant, side, bin_offset] = amount
        maps.unlevered[instant, side] = unlevered[side]
        if open_interest > 0.0:
            maps.books_error[instant, side] = abs(booked - open_interest) / open_interest


@compiled
def _write_events(rows: Rows, events: _EventArrays, instant: int) -> None:
    """Write what happened since the last instant into entry `instant`, and begin anew."""
    n_tiers = rows.total.shape[0] // 2
    for side in range(2):
        for tier in range(n_tiers):
            row = side * n_tiers + tier
            events.consumed_quantity[instant, side, tier] = rows.consumed_quantity[row]
            events.consumed_usd[instant, side, tier] = rows.consumed_usd[row]
        events.excess_quantity[instant, side] = rows.excess_quantity[side]
    if rows.balance[0] <= rows.balance[1]:
        events.balance[instant, 0] = rows.balance[0]
        events.balance[instant, 1] = rows.balance[1]
    else:
        events.balance[instant, 0] = math.nan
        events.balance[instant, 1] = math.nan
    events.counts[instant] = rows.counts
    rows.consumed_quantity[:] = 0.0
    rows.consumed_usd[:] = 0.0
    rows.excess_quantity[:] = 0.0
    rows.balance[0] = math.inf
    rows.balance[1] = -math.inf
    rows.counts[:] = 0


@compiled
def _advance_rows(
    rows: Rows,
    columns: _BarColumns,
    model: _Model,
    emit_after: IntArray,
    maps: MapArrays,
    events: _EventArrays,
    bar_count: int,
    open_interest: float,
    close: float,
    first_node: int,
    factor: FloatArray,
    is_inverse: bool,
) -> None:
    """Move `rows` over all bars and write a map at each instant."""
    n_bars = len(columns.close)
    n_tiers = model.offset_steps.shape[1]
    entries = np.empty(4)
    masses = np.empty(n_tiers + 1)
    factors = np.empty(n_tiers + 1)
    shares = np.empty(n_tiers + 1)
    instant = 0
    for bar in range(-1, n_bars):
        if bar >= 0:
            entries[0] = math.log(columns.open[bar]) / LOG_STEP
            entries[1] = math.log(columns.high[bar]) / LOG_STEP
            entries[2] = math.log(columns.low[bar]) / LOG_STEP
            entries[3] = math.log(columns.close[bar]) / LOG_STEP
            clearing_high = entries[1]
            clearing_low = entries[2]
            if math.isnan(columns.clearing_high[bar]) or math.isnan(columns.clearing_low[bar]):
                rows.counts[_ON_LAST_PRICE] += 1
            else:
                clearing_high = math.log(columns.clearing_high[bar]) / LOG_STEP
                clearing_low = math.log(columns.clearing_low[bar]) / LOG_STEP
            first_long = math.ceil(clearing_low) - first_node
            last_short = math.floor(clearing_high) - first_node
            open_interest = columns.open_interest[bar]
            close = columns.close[bar]
            is_first = bar_count == 0
            opened = open_interest if is_first else columns.opened[bar]
            closed = 0.0 if is_first else columns.closed[bar]
            for side in range(2):
                first_row = side * n_tiers
                consumed = 0.0
                for row in range(first_row, first_row + n_tiers):
                    if rows.low[row] > rows.high[row]:
                        continue
                    if side == LONG:
                        if rows.high[row] >= first_long:
                            consumed += _consume(
                                rows,
                                row,
                                max(first_long, rows.low[row]),
                                rows.high[row],
                                factor,
                                is_inverse,
                            )
                    elif rows.low[row] <= last_short:
                        consumed += _consume(
                            rows,
                            row,
                            rows.low[row],
                            min(last_short, rows.high[row]),
                            factor,
                            is_inverse,
                        )
                if consumed > closed:
                    rows.excess_quantity[side] += consumed - closed
                elif closed > consumed:
                    standing = rows.unlevered[side]
                    for tier in range(n_tiers):
                        masses[tier] = rows.total[first_row + tier]
                        standing += masses[tier]
                    masses[n_tiers] = rows.unlevered[side]
                    if standing > 0.0:
                        _closing_factors(masses, model.hazards, closed - consumed, factors)
                        for tier in range(n_tiers):
                            rows.total[first_row + tier] *= factors[tier]
                            rows.multiplier[first_row + tier] *= factors[tier]
                        rows.unlevered[side] *= factors[n_tiers]
                buy_ratio = columns.buy_ratio[bar]
                if math.isnan(buy_ratio):
                    shares[:] = model.weights[0]
                else:
                    taker_share = buy_ratio if side == LONG else 1.0 - buy_ratio
                    for tier in range(n_tiers + 1):
                        shares[tier] = (
                            taker_share * model.weights[1, tier]
                            + (1.0 - taker_share) * model.weights[2, tier]
                        )
                for row in range(first_row, first_row + n_tiers):
                    if not _FOLD_BELOW < rows.multiplier[row] < _FOLD_ABOVE:
                        _fold_row(rows, row)
                if opened > 0.0:
                    _open(rows, model, side, opened, shares, entries, first_node)
                standing = rows.unlevered[side]
                for row in range(first_row, first_row + n_tiers):
                    standing += rows.total[row]
                if standing > _VANISHED * open_interest:
                    balance = open_interest / standing
                    for row in range(first_row, first_row + n_tiers):
                        rows.total[row] *= balance
                        rows.multiplier[row] *= balance
                    rows.unlevered[side] *= balance
                    if open_interest > 0.0:
                        rows.balance[0] = min(rows.balance[0], balance)
                        rows.balance[1] = max(rows.balance[1], balance)
                if open_interest == 0.0 or not standing > _VANISHED * open_interest:
                    for row in range(first_row, first_row + n_tiers):
                        _empty_row(rows, row)
                    rows.unlevered[side] = 0.0
                    if open_interest > 0.0:
                        _open(rows, model, side, open_interest, shares, entries, first_node)
            bar_count += 1
            rows.counts[_BARS] += 1
            if columns.is_violation[bar] and not is_first:
                rows.counts[_VIOLATIONS] += 1
            if columns.is_imputed[bar]:
                rows.counts[_IMPUTED] += 1
            if bar_count % _REFRESH_BARS == 0:
                for row in range(2 * n_tiers):
                    _fold_row(rows, row)
        while instant < len(emit_after) and emit_after[instant] == bar:
            write_map(
                rows.nodes,
                rows.multiplier,
                rows.low,
                rows.high,
                rows.unlevered,
                close,
                open_interest,
                first_node,
                factor,
                is_inverse,
                maps,
                instant,
            )
            _write_events(rows, events, instant)
            instant += 1


def empty_maps(n_instants: int, n_tiers: int) -> MapArrays:
    """Return arrays for so many instants, all 0.

    Parameters
    ----------
    n_instants, n_tiers : int
        Lengths of the axes.

    Returns
    -------
    MapArrays
        To be written by ``write_map``.

    Examples
    --------
    >>> empty_maps(3, 9).in_range.shape
    (3, 2, 9)
    """
    per_tier = (n_instants, 2, n_tiers)
    return MapArrays(
        close=np.zeros(n_instants),
        open_interest=np.zeros(n_instants),
        first_bin=np.zeros(n_instants, dtype=np.int64),
        n_bins=np.zeros(n_instants, dtype=np.int64),
        liquidation_usd=np.zeros((n_instants, 2, N_PUBLISHED_BINS), dtype=np.float32),
        in_range=np.zeros(per_tier),
        in_range_other=np.zeros(per_tier),
        near=np.zeros(per_tier),
        near_other=np.zeros(per_tier),
        beyond=np.zeros(per_tier),
        beyond_other=np.zeros(per_tier),
        unlevered=np.zeros((n_instants, 2)),
        books_error=np.zeros((n_instants, 2)),
    )


def outputs_of(
    maps: MapArrays,
    is_inverse: bool,
    *,
    consumed_quantity: FloatArray,
    consumed_usd: FloatArray,
    excess_quantity: FloatArray,
    balance: FloatArray,
    counts: IntArray,
) -> Outputs:
    """Return the outputs of an estimator from its maps and events.

    Parameters
    ----------
    maps : MapArrays
        What stands at each instant.
    is_inverse : bool
        Whether quantity is USD.
    consumed_quantity, consumed_usd : ndarray of float64, shape (n_emits, 2, n_tiers)
        As in ``Outputs`` [quantity; USD].
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
    >>> events = np.zeros((1, 2, 9)), np.zeros((1, 2, 9)), np.zeros((1, 2)), np.ones((1, 2))
    >>> names = "consumed_quantity", "consumed_usd", "excess_quantity", "balance"
    >>> counts = np.zeros((1, 4), dtype=np.int64)
    >>> empty = empty_maps(1, 9)
    >>> len(outputs_of(empty, False, **dict(zip(names, events)), counts=counts))
    1
    """
    own = (maps.in_range, maps.near, maps.beyond, maps.unlevered)
    other = (
        maps.in_range_other,
        maps.near_other,
        maps.beyond_other,
        maps.unlevered / maps.close[:, np.newaxis]
        if is_inverse
        else maps.unlevered * maps.close[:, np.newaxis],
    )
    base, usd = (other, own) if is_inverse else (own, other)
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
        excess_quantity=excess_quantity,
        balance_min=balance[:, 0],
        balance_max=balance[:, 1],
        bar_count=counts[:, _BARS],
        violation_count=counts[:, _VIOLATIONS],
        imputed_count=counts[:, _IMPUTED],
        last_price_count=counts[:, _ON_LAST_PRICE],
        books_error=maps.books_error,
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
        Opens and closes of each side [quantity].
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
    unknown = np.full(len(bars), np.nan)
    buy_ratio = unknown
    if uses_taker:
        is_known = bars.volume > 0.0
        buy_ratio = np.divide(bars.taker_buy, bars.volume, out=unknown.copy(), where=is_known)
        buy_ratio = np.minimum(buy_ratio, 1.0)
    n_emits = len(emit_after)
    maps = empty_maps(n_emits, n_tiers)
    events = _EventArrays(
        consumed_quantity=np.zeros((n_emits, 2, n_tiers)),
        consumed_usd=np.zeros((n_emits, 2, n_tiers)),
        excess_quantity=np.zeros((n_emits, 2)),
        balance=np.zeros((n_emits, 2)),
        counts=np.zeros((n_emits, 4), dtype=np.int64),
    )
    _advance_rows(
        rows,
        _BarColumns(
            open=bars.open,
            high=bars.high,
            low=bars.low,
            close=bars.close,
            clearing_high=bars.mark_high if uses_mark else unknown,
            clearing_low=bars.mark_low if uses_mark else unknown,
            buy_ratio=buy_ratio,
            opened=opened,
            closed=closed,
            open_interest=bars.open_interest,
            is_violation=is_violation,
            is_imputed=bars.is_imputed,
        ),
        _Model(
            offset_steps=log_offsets / LOG_STEP,
            weights=weights,
            hazards=hazards,
            entry_weights=entry_weights,
        ),
        emit_after,
        maps,
        events,
        state.bar_count,
        state.open_interest,
        state.close,
        first_node,
        node_factors(first_node, n_nodes, is_inverse),
        is_inverse,
    )
    outputs = outputs_of(maps, is_inverse, **events._asdict())
    return state_of(state, bars, rows, first_node), outputs


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
    (-12, 25)
    """
    n_nodes = state.nodes.shape[1]
    low, high = state.first_node, state.first_node + n_nodes - 1
    if len(bars) == 0:
        prices = np.array([state.close])
    else:
        prices = np.stack([bars.open, bars.high, bars.low, bars.close])
    # Entries themselves and everything up to their liquidation, with room for rounding.
    lowest = math.floor((math.log(prices.min()) + min(log_offsets.min(), 0.0)) / LOG_STEP) - 1
    highest = math.floor((math.log(prices.max()) + max(log_offsets.max(), 0.0)) / LOG_STEP) + 2
    if n_nodes == 0:
        return lowest, highest - lowest + 1
    first_node = min(low, lowest)
    return first_node, max(high, highest) - first_node + 1


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
    nodes = np.zeros((len(state.total), n_nodes))
    shift = state.first_node - first_node
    if state.nodes.shape[1]:
        nodes[:, shift : shift + state.nodes.shape[1]] = state.nodes
    is_filled = state.low_node <= state.high_node
    return Rows(
        nodes=nodes,
        multiplier=state.multiplier.copy(),
        total=state.total.copy(),
        low=np.where(is_filled, state.low_node - first_node, 1),
        high=np.where(is_filled, state.high_node - first_node, 0),
        unlevered=state.unlevered.copy(),
        consumed_quantity=state.consumed_quantity.copy(),
        consumed_usd=state.consumed_usd.copy(),
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
        consumed_quantity=rows.consumed_quantity,
        consumed_usd=rows.consumed_usd,
        excess_quantity=rows.excess_quantity,
        balance=rows.balance,
        counts=rows.counts,
    )
