"""The volume-profile model: open interest of the moment spread over where was traded lately.

Belongs here: the trailing volume profile and its conversion into a map. Does not belong here:
following positions from bar to bar (``density``).

Nothing is remembered about positions. Volume of each bar is added at its prices, and the whole
profile decays with a half-life. At an instant every price of the profile is taken as an entry:
entries map to liquidation prices per tier, what the close has passed cannot be open and is
left out, and the rest is scaled so that together with the unlevered share it equals open interest.
"""

import dataclasses
import math
from typing import Final

import numpy as np

from transforms.compiler import compiled, fast_compiled, inlined
from transforms.density import layout as at
from transforms.density.by_tier import Before, advance_by_cuts
from transforms.density.emit import Events, Maps, write_events, write_map
from transforms.density.inputs import (
    DensityParameters,
    Flows,
    KernelBars,
    KernelParameters,
    columns_of,
    kernel_parameters_of,
)
from transforms.density.outputs import outputs_of
from transforms.density.tier_rows import TierRows, rows_of, state_of, window_of
from transforms.grid import LOG_STEP
from transforms.series import LONG, Bars, BoolArray, FloatArray, IntArray, Outputs
from transforms.state import State

_FOLD_BELOW: Final = 1e-100
"""A multiplier below this is multiplied into the profile before it can leave float64."""


@inlined
def _add_volume(
    profile: TierRows, columns: KernelBars, parameters: KernelParameters, bar: int, decay: float
) -> None:
    """Let the profile decay and add the volume of a bar."""
    nodes, amounts, spans = profile.nodes[at.ALL, 0], profile.amounts, profile.spans
    volume = columns.flows[at.OPENED, bar]
    is_empty = spans[at.LOW, 0] > spans[at.HIGH, 0]
    first = len(nodes) if is_empty else spans[at.LOW, 0]
    last = -1 if is_empty else spans[at.HIGH, 0]
    amounts[at.MULTIPLIER, 0] *= decay
    amounts[at.TOTAL, 0] = amounts[at.TOTAL, 0] * decay + volume
    if amounts[at.MULTIPLIER, 0] < _FOLD_BELOW:
        for node in range(nodes.size):
            nodes[node] *= amounts[at.MULTIPLIER, 0]
        amounts[at.MULTIPLIER, 0] = 1.0
    for entry in range(4):
        position = math.log(columns.prices[entry, bar]) / LOG_STEP
        node = math.floor(position)
        fraction = position - node
        index = node - parameters.first_node
        amount = volume * parameters.entry_weights[entry] / amounts[at.MULTIPLIER, 0]
        nodes[index] += amount * (1.0 - fraction)
        nodes[index + 1] += amount * fraction
        first = min(first, index)
        last = max(last, index + 1)
    spans[at.LOW, 0] = first
    spans[at.HIGH, 0] = last


@inlined
def _spread_side(
    profile: TierRows, rows: TierRows, parameters: KernelParameters, side: int, close: float
) -> float:
    """Write where entries of the profile are liquidated; return the sum, weighted by tier.

    Each tier gets the profile moved by its offset, as far as the close has not passed it.
    """
    n_tiers = parameters.offset_steps.shape[1]
    close_position = math.log(close) / LOG_STEP - parameters.first_node
    low, high = profile.spans[at.LOW, 0], profile.spans[at.HIGH, 0]
    summed = 0.0
    for tier in range(n_tiers):
        row = side * n_tiers + tier
        rows.spans[at.LOW, row] = 1
        rows.spans[at.HIGH, row] = 0
        weight = parameters.weights[0, tier]
        if weight <= 0.0 or low > high:
            continue
        whole = math.floor(parameters.offset_steps[side, tier])
        fraction = parameters.offset_steps[side, tier] - whole
        start = low + whole
        stop = high + whole + 1
        if side == LONG:
            stop = min(stop, math.ceil(close_position) - 1)
        else:
            start = max(start, math.floor(close_position) + 1)
        total = 0.0
        if start <= stop:
            # The profile is 0 on the nodes next to its span, which the window has.
            source = profile.nodes[at.ALL, 0, start - whole : stop - whole + 1]
            before = profile.nodes[at.ALL, 0, start - whole - 1 : stop - whole]
            moved = rows.nodes[at.ALL, row, start : stop + 1]
            for index in range(len(moved)):
                moved[index] = (1.0 - fraction) * source[index] + fraction * before[index]
                total += moved[index]
            rows.spans[at.LOW, row] = start
            rows.spans[at.HIGH, row] = stop
            summed += weight * total
    return summed


@compiled
def _scale_to_open_interest(
    rows: TierRows, weights: FloatArray, side: int, summed: float, open_interest: float
) -> None:
    """Write multipliers and the unlevered part with which a side sums to open interest."""
    n_tiers = len(weights) - 1
    unlevered = open_interest * (weights[n_tiers] if summed > 0.0 else 1.0)
    scale = (open_interest - unlevered) / summed if summed > 0.0 else 0.0
    rows.sides[at.UNLEVERED, side] = unlevered
    for tier in range(n_tiers):
        rows.amounts[at.MULTIPLIER, side * n_tiers + tier] = scale * weights[tier]


@fast_compiled
def _advance_profile(
    profile: TierRows,
    rows: TierRows,
    columns: KernelBars,
    parameters: KernelParameters,
    decay: float,
    emit_after: IntArray,
    maps: Maps,
    events: Events,
    before: Before,
) -> None:
    """Add all bars to the profile; at each instant spread it over the tiers of `rows`."""
    bar_count, open_interest, close = before
    scratch = np.zeros(profile.nodes.shape[2])
    instant = 0
    for bar in range(-1, columns.flows.shape[1]):
        if bar >= 0:
            open_interest = columns.flows[at.OPEN_INTEREST, bar]
            close = columns.prices[at.CLOSE_PRICE, bar]
            _add_volume(profile, columns, parameters, bar, decay)
            rows.counts[at.BARS] += 1
            rows.counts[at.VIOLATIONS] += columns.flags[at.IS_VIOLATION, bar] and bar_count > 0
            rows.counts[at.IMPUTED] += columns.flags[at.IS_IMPUTED, bar]
            bar_count += 1
        while instant < len(emit_after) and emit_after[instant] == bar:
            for side in range(2):
                summed = _spread_side(profile, rows, parameters, side, close)
                _scale_to_open_interest(rows, parameters.weights[0], side, summed, open_interest)
            write_map(rows, parameters, close, open_interest, maps, instant, scratch)
            write_events(rows, events, instant)
            instant += 1


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
    state: State, bars: Bars, half_life_bars: float, parameters: DensityParameters
) -> State:
    """Return a state whose profile also holds bars before the first open interest.

    Parameters
    ----------
    state, bars, parameters
        As in ``density.lay_trail``.
    half_life_bars : float
        Half-life of the profile [bars].

    Returns
    -------
    State
        Without a bar of the series yet.

    Examples
    --------
    >>> five = np.full(2, 5.0)
    >>> bars = Bars(*[five] * 9, five < 0, five < 0, bar_seconds=300)
    >>> parameters = DensityParameters(
    ...     log_offsets=np.array([[-0.1], [0.1]]), weights=np.array([[0.75, 0.25]]),
    ...     hazards=np.ones(2), entry_weights=np.full(4, 0.25),
    ... )
    >>> lay_trail(State.empty(1), bars, 1.0, parameters).total.tolist()
    [7.5]
    """
    laid, _ = advance(
        state,
        bars,
        np.zeros(0, dtype=np.int64),
        np.zeros(len(bars), dtype=np.bool_),
        half_life_bars,
        parameters,
    )
    return dataclasses.replace(
        laid, bar_count=0, open_interest=0.0, counts=np.zeros_like(laid.counts)
    )


def advance(
    state: State,
    bars: Bars,
    emit_after: IntArray,
    is_violation: BoolArray,
    half_life_bars: float,
    parameters: DensityParameters,
    n_by_tier: int = 0,
) -> tuple[State, Outputs]:
    """Return the profile after the bars and the maps at some instants.

    ``engine.run`` is what callers want.

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
    half_life_bars : float
        Half-life of the profile [bars]; missing bars do not count.
    parameters : DensityParameters
        What the estimator assumes; only plain weights, offsets and entry weights are used.
    n_by_tier : int
        As in ``density.advance``.

    Returns
    -------
    state : State
        After the last bar.
    outputs : Outputs
        One entry per instant; NaN for what needs positions followed in time.

    Examples
    --------
    >>> eight = np.full(1, 8.0)
    >>> bars = Bars(*[eight] * 9, eight < 0, eight < 0, bar_seconds=300)
    >>> parameters = DensityParameters(
    ...     log_offsets=np.array([[-0.1], [0.1]]), weights=np.array([[0.75, 0.25]]),
    ...     hazards=np.ones(2), entry_weights=np.full(4, 0.25),
    ... )
    >>> state, outputs = advance(
    ...     State.empty(1), bars, np.array([0]), eight < 0, 2880.0, parameters
    ... )
    >>> outputs.in_range_base[0, :, 0].round(6).tolist(), outputs.unlevered_base.tolist()
    ([6.0, 6.0], [[2.0, 2.0]])
    """
    n_tiers = parameters.log_offsets.shape[1]
    first_node, n_nodes = _window_of(state, bars, parameters.log_offsets)
    profile = rows_of(state, first_node, n_nodes)
    # Each instant overwrites the spans it names, and nothing outside of them is read.
    rows = rows_of(State.empty(2 * n_tiers), first_node, n_nodes)._replace(counts=profile.counts)
    constants = kernel_parameters_of(parameters, first_node, n_nodes)
    decay = 0.5 ** (1.0 / half_life_bars)

    def advance_part(
        part: KernelBars, after: IntArray, maps: Maps, events: Events, before: Before
    ) -> None:
        _advance_profile(profile, rows, part, constants, decay, after, maps, events, before)

    maps, events, by_tier = advance_by_cuts(
        advance_part,
        rows,
        columns_of(bars, Flows(bars.volume, bars.volume, is_violation), parameters),
        constants,
        emit_after,
        n_by_tier,
        Before(state.bar_count, state.open_interest, state.close),
    )
    happened = events.by_tier, events.excess_quantity, events.balance
    for unknown in (*happened, maps.start_up_ratio, maps.start_up_in_range_ratio):
        unknown[:] = np.nan
    after = state_of(state, bars, profile, first_node)
    return after, outputs_of(maps, events, by_tier, parameters.is_inverse)
