"""The volume-profile model: open interest of the moment spread over where was traded lately.

Belongs here: the trailing volume profile and its conversion into a map. Does not belong here:
following positions from bar to bar (``density``).

Nothing is remembered about positions. Volume of each bar is added at its prices, and the whole
profile decays with a half-life. At an instant every price of the profile is taken as an entry:
entries map to liquidation prices per tier, what the close has passed cannot be standing and is
left out, and the rest is scaled so that together with the unlevered share it equals open interest.
"""

import dataclasses
import math

import numpy as np

from transforms.density import (
    compiled,
    empty_events,
    empty_maps,
    node_prices,
    outputs_of,
    rows_of,
    state_of,
    window_of,
    write_map,
)
from transforms.grid import LOG_STEP
from transforms.series import LONG, Bars, BoolArray, FloatArray, IntArray, Outputs, State

_FOLD_BELOW = 1e-100
"""A multiplier below this is multiplied into the profile before it can leave float64."""


@compiled
def _add_volume(
    profile: FloatArray,
    multiplier: FloatArray,
    total: FloatArray,
    low: IntArray,
    high: IntArray,
    first_node: int,
    prices: FloatArray,
    volume: FloatArray,
    entry_weights: FloatArray,
    decay: float,
) -> None:
    """Let the profile decay and add the volume of each bar, prices of shape (n_bars, 4)."""
    is_empty = low[0] > high[0]
    first = len(profile) if is_empty else low[0]
    last = -1 if is_empty else high[0]
    for bar in range(len(volume)):
        multiplier[0] *= decay
        total[0] = total[0] * decay + volume[bar]
        if multiplier[0] < _FOLD_BELOW:
            profile[:] *= multiplier[0]
            multiplier[0] = 1.0
        for entry in range(4):
            position = math.log(prices[bar, entry]) / LOG_STEP
            node = math.floor(position)
            fraction = position - node
            index = node - first_node
            amount = volume[bar] * entry_weights[entry] / multiplier[0]
            profile[index] += amount * (1.0 - fraction)
            profile[index + 1] += amount * fraction
            first = min(first, index)
            last = max(last, index + 1)
    if last >= 0:
        low[0] = first
        high[0] = last


@compiled
def _spread(
    profile: FloatArray,
    low: int,
    high: int,
    offset_steps: FloatArray,
    weights: FloatArray,
    close_position: float,
    nodes: FloatArray,
    row_low: IntArray,
    row_high: IntArray,
) -> FloatArray:
    """Write where entries of the profile are liquidated; return what stands per side, weighted.

    Row ``side * n_tiers + tier`` of `nodes` gets the profile moved by the tier's offset, as far
    as the close, at index `close_position`, has not passed it.
    """
    n_tiers = offset_steps.shape[1]
    standing = np.zeros(2)
    for side in range(2):
        for tier in range(n_tiers):
            row = side * n_tiers + tier
            row_low[row] = 1
            row_high[row] = 0
            if weights[tier] <= 0.0 or low > high:
                continue
            whole = math.floor(offset_steps[side, tier])
            fraction = offset_steps[side, tier] - whole
            start = low + whole
            stop = high + whole + 1
            if side == LONG:
                stop = min(stop, math.ceil(close_position) - 1)
            else:
                start = max(start, math.floor(close_position) + 1)
            total = 0.0
            if start <= stop:
                # The profile is 0 on the nodes next to its span, which the window has.
                source = profile[start - whole : stop - whole + 1]
                before = profile[start - whole - 1 : stop - whole]
                moved = nodes[row, start : stop + 1]
                for index in range(len(moved)):
                    moved[index] = (1.0 - fraction) * source[index] + fraction * before[index]
                    total += moved[index]
                row_low[row] = start
                row_high[row] = stop
                standing[side] += weights[tier] * total
    return standing


def _window_of(state: State, bars: Bars, log_offsets: FloatArray) -> tuple[int, int]:
    """Return a window that also holds where entries of the profile would be liquidated."""
    first_node, n_nodes = window_of(state, bars, log_offsets)
    last_node = first_node + n_nodes - 1
    if state.low_node[0] <= state.high_node[0]:
        lowest = math.floor(min(log_offsets.min(), 0.0) / LOG_STEP) - 1
        highest = math.ceil(max(log_offsets.max(), 0.0) / LOG_STEP) + 1
        first_node = min(first_node, int(state.low_node[0]) + lowest)
        last_node = max(last_node, int(state.high_node[0]) + highest)
    return first_node, last_node - first_node + 1


def lay_trail(
    state: State, bars: Bars, *, entry_weights: FloatArray, half_life_bars: float
) -> State:
    """Return a state whose profile also holds bars before the first open interest.

    Parameters
    ----------
    state : State
        Empty state.
    bars : Bars
        Bars right before the first one with open interest; theirs is not used.
    entry_weights : ndarray of float64, shape (4,)
        Shares of a bar's volume at open, high, low and close [ratio].
    half_life_bars : float
        Half-life of the profile [bars].

    Returns
    -------
    State
        Without a bar of the series yet.

    Examples
    --------
    >>> one = np.ones(2)
    >>> bars = Bars(
    ...     open=one, high=one, low=one, close=one, mark_high=one, mark_low=one, volume=5 * one,
    ...     taker_buy=one, open_interest=0 * one, is_imputed=one < 0, has_gap_before=one < 0,
    ...     bar_seconds=300,
    ... )
    >>> weights = np.full(4, 0.25)
    >>> lay_trail(State.empty(1), bars, entry_weights=weights, half_life_bars=1.0).total.tolist()
    [7.5]
    """
    first_node, n_nodes = window_of(state, bars, np.zeros((2, 1)))
    rows = rows_of(state, first_node, n_nodes)
    _add_volume(
        rows.nodes[0],
        rows.multiplier,
        rows.total,
        rows.low,
        rows.high,
        first_node,
        np.stack([bars.open, bars.high, bars.low, bars.close], axis=1),
        bars.volume,
        entry_weights,
        0.5 ** (1.0 / half_life_bars),
    )
    laid = state_of(state, bars, rows, first_node)
    return dataclasses.replace(laid, bar_count=0, open_interest=0.0)


def advance(
    state: State,
    bars: Bars,
    emit_after: IntArray,
    *,
    is_violation: BoolArray,
    log_offsets: FloatArray,
    weights: FloatArray,
    entry_weights: FloatArray,
    half_life_bars: float,
    is_inverse: bool,
) -> tuple[State, Outputs]:
    """Return the profile after the bars and the maps at the instants asked for.

    ``estimators.run`` is what callers want.

    Parameters
    ----------
    state : State
        State before the first bar, with one row: the volume profile [quantity].
    bars : Bars
        Bars that follow.
    emit_after : ndarray of int64, shape (n_emits,)
        Index of the bar after which each instant lies; -1: before the first.
    is_violation : ndarray of bool, shape (n_bars,)
        Bars whose change of open interest cannot be.
    log_offsets : ndarray of float64, shape (2, n_tiers)
        ``margin.tier_log_offsets`` [ln].
    weights : ndarray of float64, shape (n_tiers + 1,)
        Shares of positions per tier, unlevered last [ratio].
    entry_weights : ndarray of float64, shape (4,)
        Shares of a bar's volume at open, high, low and close [ratio].
    half_life_bars : float
        Half-life of the profile [bars]; missing bars do not count.
    is_inverse : bool
        Whether quantity is USD.

    Returns
    -------
    state : State
        After the last bar.
    outputs : Outputs
        One entry per instant; NaN for what needs positions followed in time.

    Examples
    --------
    >>> one = np.ones(1)
    >>> bars = Bars(
    ...     open=100 * one, high=100 * one, low=100 * one, close=100 * one,
    ...     mark_high=np.nan * one, mark_low=np.nan * one, volume=5 * one, taker_buy=np.nan * one,
    ...     open_interest=8 * one, is_imputed=one < 0, has_gap_before=one < 0, bar_seconds=300,
    ... )
    >>> state, outputs = advance(
    ...     State.empty(1), bars, np.array([0]), is_violation=one < 0,
    ...     log_offsets=np.array([[-0.1], [0.1]]), weights=np.array([0.75, 0.25]),
    ...     entry_weights=np.full(4, 0.25), half_life_bars=2880.0, is_inverse=False,
    ... )
    >>> outputs.in_range_base[0, :, 0].round(6).tolist(), outputs.unlevered_base.tolist()
    ([6.0, 6.0], [[2.0, 2.0]])
    """
    n_tiers = log_offsets.shape[1]
    n_emits = len(emit_after)
    first_node, n_nodes = _window_of(state, bars, log_offsets)
    rows = rows_of(state, first_node, n_nodes)
    prices = np.stack([bars.open, bars.high, bars.low, bars.close], axis=1)
    decay = 0.5 ** (1.0 / half_life_bars)
    maps = empty_maps(n_emits, n_tiers)
    prices_of_nodes = node_prices(first_node, n_nodes)
    flags = np.zeros((len(bars), len(rows.counts)), dtype=np.int64)
    flags[:, 0] = 1
    flags[:, 1] = is_violation
    flags[:, 2] = bars.is_imputed
    if state.bar_count == 0:
        flags[:1, 1] = 0
    counts = np.zeros((n_emits, flags.shape[1]), dtype=np.int64)
    # Each instant overwrites the spans it names, and nothing outside of them is read.
    nodes = np.empty((2 * n_tiers, n_nodes))
    scratch = np.zeros(n_nodes)
    multiplier = np.empty(2 * n_tiers)
    row_low, row_high = np.ones((2, 2 * n_tiers), dtype=np.int64)
    done = 0

    def add_bars(stop: int) -> None:
        part = slice(done, stop)
        _add_volume(
            rows.nodes[0],
            rows.multiplier,
            rows.total,
            rows.low,
            rows.high,
            first_node,
            prices[part],
            bars.volume[part],
            entry_weights,
            decay,
        )
        rows.counts[:] += flags[part].sum(axis=0)

    for instant, bar in enumerate(emit_after.tolist()):
        add_bars(bar + 1)
        done = bar + 1
        close = float(bars.close[bar]) if bar >= 0 else state.close
        open_interest = float(bars.open_interest[bar]) if bar >= 0 else state.open_interest
        standing = _spread(
            rows.nodes[0],
            int(rows.low[0]),
            int(rows.high[0]),
            log_offsets / LOG_STEP,
            weights,
            math.log(close) / LOG_STEP - first_node,
            nodes,
            row_low,
            row_high,
        )
        has_any = standing > 0.0
        unlevered = open_interest * np.where(has_any, weights[-1], 1.0)
        scale = np.divide(open_interest - unlevered, standing, out=np.zeros(2), where=has_any)
        multiplier[:] = np.outer(scale, weights[:-1]).reshape(-1)
        write_map(
            nodes,
            multiplier,
            row_low,
            row_high,
            unlevered,
            close,
            open_interest,
            first_node,
            prices_of_nodes,
            is_inverse,
            maps[:],
            instant,
            scratch,
        )
        counts[instant] = rows.counts
        rows.counts[:] = 0
    add_bars(len(bars))
    events = empty_events(n_emits, n_tiers)
    for unknown in (*events[:-1], maps.start_up_ratio, maps.start_up_in_range_ratio):
        unknown[:] = np.nan
    outputs = outputs_of(maps, is_inverse, **{**events._asdict(), "counts": counts})
    return state_of(state, bars, rows, first_node), outputs
