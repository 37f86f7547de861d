"""What is written at an instant: the map, its sums per tier, and what happened since the last one.

Belongs here: the arrays of maps and events, and writing an entry of them.
Does not belong here: the units of outputs (``outputs``), and how positions got there.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from transforms.compiler import fast_compiled, inlined
from transforms.density import layout as at
from transforms.density.inputs import KernelParameters
from transforms.density.tier_rows import TierRows, sum_span
from transforms.grid import (
    BIN_LOG_WIDTH,
    LOG_STEP,
    N_PUBLISHED_BINS,
    NEAR_RANGE,
    NODES_PER_BIN,
    PUBLISHED_RANGE,
)
from transforms.series import Float32Array, FloatArray, IntArray

_NEGLIGIBLE_START_UP: Final = 1e-6
"""Start-up mass below this share of a side within the published bins has no map of its own."""

_N_SUMS: Final = 6


class Maps(NamedTuple):
    """Arrays that maps are written into, one entry per instant; names as in ``Outputs``.

    Amounts are in position units. ``sums`` has shape (6, n_instants, 2, n_tiers), its first axis
    in the order of ``IN_RANGE`` to ``BEYOND_PRICED``.
    """

    close: FloatArray
    open_interest: FloatArray
    first_bin: IntArray
    n_bins: IntArray
    liquidation_usd: Float32Array
    sums: FloatArray
    unlevered: FloatArray
    books_error: FloatArray
    start_up_usd: Float32Array
    start_up_ratio: FloatArray
    start_up_in_range_ratio: FloatArray


class Events(NamedTuple):
    """Arrays of what happened between instants; names as in ``Outputs``.

    ``by_tier`` has shape (4, n_instants, 2, n_tiers): quantity and USD consumed, then swept.
    """

    by_tier: FloatArray
    excess_quantity: FloatArray
    balance: FloatArray
    counts: IntArray


def empty_maps(n_instants: int, n_tiers: int) -> Maps:
    """Return arrays for some instants, all 0.

    Parameters
    ----------
    n_instants, n_tiers : int
        Lengths of the axes.

    Returns
    -------
    Maps
        To be written by ``write_map`` and ``write_start_up``.

    Examples
    --------
    >>> empty_maps(3, 9).sums.shape
    (6, 3, 2, 9)
    """
    by_side, bins = (n_instants, 2), (n_instants, 2, N_PUBLISHED_BINS)
    return Maps(
        close=np.zeros(n_instants),
        open_interest=np.zeros(n_instants),
        first_bin=np.zeros(n_instants, dtype=np.int64),
        n_bins=np.zeros(n_instants, dtype=np.int64),
        liquidation_usd=np.zeros(bins, dtype=np.float32),
        sums=np.zeros((_N_SUMS, n_instants, 2, n_tiers)),
        unlevered=np.zeros(by_side),
        books_error=np.zeros(by_side),
        start_up_usd=np.zeros(bins, dtype=np.float32),
        start_up_ratio=np.zeros(by_side),
        start_up_in_range_ratio=np.zeros(by_side),
    )


def empty_events(n_instants: int, n_tiers: int) -> Events:
    """Return arrays for some instants, all 0.

    Parameters
    ----------
    n_instants, n_tiers
        As in ``empty_maps``.

    Returns
    -------
    Events
        To be written by ``write_events``.

    Examples
    --------
    >>> empty_events(3, 9).by_tier.shape
    (4, 3, 2, 9)
    """
    by_side = (n_instants, 2)
    return Events(
        by_tier=np.zeros((4, n_instants, 2, n_tiers)),
        excess_quantity=np.zeros(by_side),
        balance=np.zeros(by_side),
        counts=np.zeros((n_instants, 4), dtype=np.int64),
    )


class Surroundings(NamedTuple):
    """Where the published bins and the nodes near the close lie in the window, ends included."""

    first_bin: int
    n_bins: int
    range_low: int
    range_high: int
    near_low: int
    near_high: int


@fast_compiled
def _surroundings(close: float, first_node: int) -> Surroundings:
    """Return the nodes around a close as indices into a window; some may lie outside of it."""
    log_close = math.log(close)
    center = log_close / BIN_LOG_WIDTH - 0.25
    reach = PUBLISHED_RANGE / BIN_LOG_WIDTH
    first_bin = math.ceil(center - reach)
    n_bins = math.floor(center + reach) - first_bin + 1
    range_low = NODES_PER_BIN * first_bin - first_node
    return Surroundings(
        first_bin,
        n_bins,
        range_low,
        range_low + NODES_PER_BIN * n_bins - 1,
        math.ceil((log_close - NEAR_RANGE) / LOG_STEP) - first_node,
        math.floor((log_close + NEAR_RANGE) / LOG_STEP) - first_node,
    )


@fast_compiled
def add_span(
    nodes: FloatArray,
    kind: int,
    row: int,
    prices: FloatArray,
    low: int,
    high: int,
    scale: float,
    summed: FloatArray,
) -> tuple[float, float]:
    """Return ``sum_span`` and add the row times scale to `summed`."""
    total = 0.0
    priced = 0.0
    if low <= high:
        unsigned_kind = np.uint64(kind)
        unsigned_row = np.uint64(row)
        for index in range(np.uint64(low), np.uint64(high + 1)):
            value = nodes[unsigned_kind, unsigned_row, index]
            total += value
            priced += value * prices[index]
            summed[index] += scale * value
    return total, priced


@inlined
def _sum_tiers(
    nodes: FloatArray,
    amounts: FloatArray,
    spans: IntArray,
    kind: int,
    side: int,
    around: Surroundings,
    prices: FloatArray,
    unlevered: float,
    sums: FloatArray,
    summed: FloatArray,
) -> tuple[float, int, int]:
    """Write `sums` of each tier of a side and add its published nodes to `summed`.

    `kind` is ``ALL`` or ``START_UP``. Returns the quantity of the side, `unlevered` included, and
    the span of nodes added to.
    """
    n_tiers = amounts.shape[1] // 2
    touched_low = nodes.shape[2]
    touched_high = -1
    quantity = unlevered
    for tier in range(n_tiers):
        row = side * n_tiers + tier
        scale = amounts[at.MULTIPLIER, row]
        start, stop = spans[2 * kind, row], spans[2 * kind + 1, row]
        low, high = around.range_low, around.range_high
        below, below_priced = sum_span(nodes, kind, row, prices, start, min(stop, low - 1))
        above, above_priced = sum_span(nodes, kind, row, prices, max(start, high + 1), stop)
        start = max(start, low)
        stop = min(stop, high)
        low, high = around.near_low, around.near_high
        left, left_priced = add_span(
            nodes, kind, row, prices, start, min(stop, low - 1), scale, summed
        )
        near, near_priced = add_span(
            nodes, kind, row, prices, max(start, low), min(stop, high), scale, summed
        )
        right, right_priced = add_span(
            nodes, kind, row, prices, max(start, high + 1), stop, scale, summed
        )
        inside = left + near + right
        sums[at.IN_RANGE, tier] = scale * inside
        sums[at.IN_RANGE_PRICED, tier] = scale * (left_priced + near_priced + right_priced)
        sums[at.NEAR, tier] = scale * near
        sums[at.NEAR_PRICED, tier] = scale * near_priced
        sums[at.BEYOND, tier] = scale * (below + above)
        sums[at.BEYOND_PRICED, tier] = scale * (below_priced + above_priced)
        quantity += scale * (inside + below + above)
        if start <= stop:
            touched_low = min(touched_low, start)
            touched_high = max(touched_high, stop)
    return quantity, touched_low, touched_high


@fast_compiled
def write_bins(
    summed: FloatArray,
    prices: FloatArray,
    low: int,
    high: int,
    range_low: int,
    is_inverse: bool,
    usd: Float32Array,
) -> None:
    """Write the USD of the nodes from `low` to `high` by bin, and set `summed` to 0 there.

    The first bin begins at node `range_low`.
    """
    if low > high:
        return
    first = (low - range_low) // NODES_PER_BIN
    last = (high - range_low) // NODES_PER_BIN
    start = range_low + NODES_PER_BIN * first
    stop = range_low + NODES_PER_BIN * (last + 1)
    bins = usd[first : last + 1]
    sums = summed[start:stop]
    bin_prices = prices[start:stop]
    for index in range(len(bins)):
        left, right = sums[2 * index], sums[2 * index + 1]
        if not is_inverse:
            left, right = left * bin_prices[2 * index], right * bin_prices[2 * index + 1]
        bins[index] = left + right
    sums[:] = 0.0


@fast_compiled
def write_map(
    rows: TierRows,
    parameters: KernelParameters,
    close: float,
    open_interest: float,
    maps: Maps,
    instant: int,
    summed: FloatArray,
) -> None:
    """Write the map of all positions into entry `instant` of `maps`."""
    nodes, amounts, spans, sides, _, _ = rows
    first_node, prices, is_inverse = parameters[4:]
    around = _surroundings(close, first_node)
    maps.close[instant] = close
    maps.open_interest[instant] = open_interest
    maps.first_bin[instant] = around.first_bin
    maps.n_bins[instant] = around.n_bins
    for side in range(2):
        sums, usd = maps.sums[:, instant, side], maps.liquidation_usd[instant, side]
        unlevered = sides[at.UNLEVERED, side]
        booked, low, high = _sum_tiers(
            nodes, amounts, spans, at.ALL, side, around, prices, unlevered, sums, summed
        )
        write_bins(summed, prices, low, high, around.range_low, is_inverse, usd)
        maps.unlevered[instant, side] = unlevered
        if open_interest > 0.0:
            maps.books_error[instant, side] = abs(booked - open_interest) / open_interest


@fast_compiled
def write_start_up(
    rows: TierRows, parameters: KernelParameters, maps: Maps, instant: int, summed: FloatArray
) -> None:
    """Write which part of entry `instant` of `maps` is start-up mass, once that is written."""
    nodes, amounts, spans, sides, _, _ = rows
    first_node, prices, is_inverse = parameters[4:]
    open_interest = maps.open_interest[instant]
    around = _surroundings(maps.close[instant], first_node)
    low, high = around.range_low, around.range_high
    # Published bins are not split into near and far: all of them are near.
    around = Surroundings(around.first_bin, around.n_bins, low, high, low, high)
    n_tiers = amounts.shape[1] // 2
    sums = np.empty((_N_SUMS, n_tiers))
    kind = at.IN_RANGE if is_inverse else at.IN_RANGE_PRICED
    for side in range(2):
        unlevered = sides[at.START_UP_UNLEVERED, side]
        held, low, high = _sum_tiers(
            nodes, amounts, spans, at.START_UP, side, around, prices, unlevered, sums, summed
        )
        started = 0.0
        shown = 0.0
        for tier in range(n_tiers):
            started += sums[kind, tier]
            shown += maps.sums[kind, instant, side, tier]
        if started > _NEGLIGIBLE_START_UP * shown:
            usd = maps.start_up_usd[instant, side]
            write_bins(summed, prices, low, high, around.range_low, is_inverse, usd)
        elif low <= high:
            summed[low : high + 1] = 0.0
        maps.start_up_ratio[instant, side] = held / open_interest if open_interest > 0.0 else 0.0
        maps.start_up_in_range_ratio[instant, side] = started / shown if shown > 0.0 else 0.0


@fast_compiled
def write_events(rows: TierRows, events: Events, instant: int) -> None:
    """Write what happened since the last instant into `events`, and begin to count anew."""
    _, amounts, _, sides, balance, counts = rows
    n_tiers = amounts.shape[1] // 2
    for kind in range(at.CONSUMED_QUANTITY, at.SWEPT_USD + 1):
        for row in range(2 * n_tiers):
            side, tier = row // n_tiers, row % n_tiers
            events.by_tier[kind - at.CONSUMED_QUANTITY, instant, side, tier] = amounts[kind, row]
            amounts[kind, row] = 0.0
    has_balance = balance[0] <= balance[1]
    for each in range(2):
        events.excess_quantity[instant, each] = sides[at.EXCESS, each]
        events.balance[instant, each] = balance[each] if has_balance else math.nan
        sides[at.EXCESS, each] = 0.0
    balance[0] = math.inf
    balance[1] = -math.inf
    for kind in range(len(counts)):
        events.counts[instant, kind] = counts[kind]
        counts[kind] = 0


@inlined
def has_start_up(spans: IntArray, sides: FloatArray) -> bool:
    """Return whether start-up mass of either side is still followed."""
    is_followed: bool = sides[at.START_UP_UNLEVERED, 0] + sides[at.START_UP_UNLEVERED, 1] > 0.0
    for row in range(spans.shape[1]):
        is_followed = is_followed or spans[2 * at.START_UP, row] <= spans[2 * at.START_UP + 1, row]
    return is_followed
