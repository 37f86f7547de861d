"""The recursion over bars: clear, close, open, balance, and a map wherever one is due.

Belongs here: the order of the steps, and the two entrances to them.
Does not belong here: the steps themselves, one module each.
"""

import dataclasses
import math
from typing import Final

import numpy as np

from transforms.compiler import fast_compiled, inlined
from transforms.density import layout as at
from transforms.density.balance import balance_side, fold_extremes, is_vanished, refresh, side_total
from transforms.density.by_tier import Before, advance_by_cuts
from transforms.density.clear import clear_side, sweep_side
from transforms.density.close import close_side
from transforms.density.emit import (
    Events,
    Maps,
    has_start_up,
    write_events,
    write_map,
    write_start_up,
)
from transforms.density.inputs import (
    DensityParameters,
    Flows,
    KernelBars,
    KernelParameters,
    columns_of,
    kernel_parameters_of,
)
from transforms.density.open import open_side, set_shares, start_side
from transforms.density.outputs import outputs_of
from transforms.density.tier_rows import TierRows, rows_of, state_of, window_of
from transforms.grid import LOG_STEP
from transforms.series import LONG, Bars, Float32Array, FloatArray, IntArray, Outputs
from transforms.state import State

REFRESH_BARS: Final = 256
"""Every so many bars running totals are summed anew, so that rounding cannot add up [bars]."""


@fast_compiled
def advance_rows(
    rows: TierRows,
    columns: KernelBars,
    parameters: KernelParameters,
    emit_after: IntArray,
    maps: Maps,
    events: Events,
    before: Before,
) -> None:
    """Apply all bars to `rows` and write a map and the events at each instant.

    Bars without open interest (NaN) come before the series: what they open is a trail that the
    first bar of the series scales to its open interest.
    """
    bar_count, open_interest, close = before
    bar_prices, flows, flags = columns
    nodes, amounts, spans, sides, balance, counts = rows
    steps, weights, hazards, entry_weights, first_node, prices, is_inverse = parameters
    n_tiers = steps.shape[1]
    shares, passed = np.empty(n_tiers + 1), np.zeros(n_tiers, dtype=np.int64)
    masses, factors = np.empty(n_tiers + 1), np.empty(n_tiers + 1)
    entries, summed = np.empty((2, 4)), np.zeros(nodes.shape[2])
    instant = 0
    # Bar -1 is what was before: instants may lie there, nothing else happens.
    for bar in range(-1, flows.shape[1]):
        if bar >= 0:
            close, open_interest = bar_prices[at.CLOSE_PRICE, bar], flows[at.OPEN_INTEREST, bar]
            opened, closed = flows[at.OPENED, bar], flows[at.CLOSED, bar]
            is_trail = math.isnan(open_interest)
            is_first = bar_count == 0 and not is_trail
            lowest, highest, is_on_last = _read_prices(bar_prices, bar, entry_weights, entries)
            for side in range(2):
                first = math.ceil(lowest) - first_node if side == LONG else 0
                last = nodes.shape[2] - 1 if side == LONG else math.floor(highest) - first_node
                set_shares(weights, shares, flows[at.BUY_RATIO, bar], side)
                swept = sweep_side(
                    amounts, steps, entries, shares, passed, side, opened, is_inverse
                )
                consumed = clear_side(nodes, amounts, spans, prices, side, first, last, is_inverse)
                held = side_total(amounts, side, n_tiers, sides[at.UNLEVERED, side])
                liquidated = consumed + swept
                if liquidated > closed:
                    sides[at.EXCESS, side] += liquidated - closed
                elif closed > liquidated and held > 0.0:
                    left = closed - liquidated
                    close_side(amounts, sides, hazards, masses, factors, side, left)
                fold_extremes(nodes, amounts, spans, side, n_tiers)
                open_side(
                    nodes, amounts, spans, steps, entries, shares, passed, first_node, side, opened
                )
                sides[at.UNLEVERED, side] += opened * shares[n_tiers]
                is_lost = is_vanished(amounts, sides, side, open_interest, is_first)
                if not is_lost:
                    balance_side(amounts, sides, balance, factors, side, open_interest, is_first)
                if (is_lost or is_first) and not is_trail:
                    start_side(
                        rows, parameters, entries, shares, passed, side, open_interest, is_lost
                    )
            if is_first or is_trail:
                # What left the trail was no position of this series.
                amounts[at.CONSUMED_QUANTITY :] = 0.0
                sides[at.EXCESS] = 0.0
            if is_trail:
                continue
            bar_count += 1
            counts[at.BARS] += 1
            counts[at.VIOLATIONS] += flags[at.IS_VIOLATION, bar] and not is_first
            counts[at.IMPUTED] += flags[at.IS_IMPUTED, bar]
            counts[at.ON_LAST_PRICE] += is_on_last
            if bar_count % REFRESH_BARS == 0:
                refresh(rows, open_interest)
        while instant < len(emit_after) and emit_after[instant] == bar:
            write_map(rows, parameters, close, open_interest, maps, instant, summed)
            if has_start_up(spans, sides):
                write_start_up(rows, parameters, maps, instant, summed)
            write_events(rows, events, instant)
            instant += 1


@inlined
def _read_prices(
    prices: FloatArray, bar: int, entry_weights: FloatArray, entries: FloatArray
) -> tuple[float, float, bool]:
    """Write the entries of a bar; return the price range that liquidates, and if it is the last's.

    Prices are in nodes.
    """
    for entry in range(4):
        entries[at.PLACE, entry] = math.log(prices[entry, bar]) / LOG_STEP
        entries[at.WEIGHT, entry] = entry_weights[entry]
    high, low = prices[at.CLEARING_HIGH, bar], prices[at.CLEARING_LOW, bar]
    is_on_last = math.isnan(low) or math.isnan(high)
    if is_on_last:
        lowest, highest = entries[at.PLACE, at.LOW_PRICE], entries[at.PLACE, at.HIGH_PRICE]
    else:
        lowest, highest = math.log(low) / LOG_STEP, math.log(high) / LOG_STEP
    return lowest, highest, is_on_last


def advance(
    state: State,
    bars: Bars,
    emit_after: IntArray,
    flows: Flows,
    parameters: DensityParameters,
    n_by_tier: int = 0,
) -> tuple[State, Outputs]:
    """Return the state after the bars and the maps at some instants.

    The recursion itself; ``engine.run`` is what callers want.

    Parameters
    ----------
    state : State
        State before the first bar, with ``2 n_tiers`` rows.
    bars : Bars
        Bars that follow.
    emit_after : ndarray of int64, shape (n_emits,)
        Index of the bar after which each instant lies; -1: before the first.
    flows : Flows
        Opens and closes of these bars.
    parameters : DensityParameters
        What the estimator assumes.
    n_by_tier : int
        How many of the instants, the last ones, get a map by tier.

    Returns
    -------
    state : State
        After the last bar.
    outputs : Outputs
        One entry per instant.

    Examples
    --------
    >>> eight = np.full(1, 8.0)
    >>> bars = Bars(*[eight] * 9, eight < 0, eight < 0, bar_seconds=300)
    >>> parameters = DensityParameters(
    ...     log_offsets=np.array([[-0.1], [0.1]]), weights=np.array([[0.75, 0.25]] * 3),
    ...     hazards=np.ones(2), entry_weights=np.full(4, 0.25),
    ... )
    >>> flows = Flows(opened=0 * eight, closed=0 * eight, is_violation=eight < 0)
    >>> state, outputs = advance(State.empty(2), bars, np.array([0]), flows, parameters)
    >>> outputs.in_range_base[0, :, 0].round(6).tolist(), state.unlevered.tolist()
    ([6.0, 6.0], [2.0, 2.0])
    """
    if state.bar_count == 0 and len(bars):
        # What the first bar opens is the newest part of the trail; without one, open interest.
        opened, closed = flows.opened.copy(), flows.closed.copy()
        opened[0] = bars.volume[0] if state.has_trail else 0.0
        closed[0] = 0.0
        flows = Flows(opened, closed, flows.is_violation)
    after, maps, events, by_tier = _move_state(
        state, bars, flows, parameters, emit_after, n_by_tier
    )
    return after, outputs_of(maps, events, by_tier, parameters.is_inverse)


def lay_trail(state: State, bars: Bars, opened: FloatArray, parameters: DensityParameters) -> State:
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
    parameters : DensityParameters
        What the estimator assumes.

    Returns
    -------
    State
        Without a bar of the series yet.

    Examples
    --------
    >>> one = np.ones(2)
    >>> bars = Bars(*[one] * 9, one < 0, one < 0, bar_seconds=300)
    >>> low = np.array([1.0, 0.8])
    >>> bars = dataclasses.replace(bars, low=low, mark_low=low)
    >>> parameters = DensityParameters(
    ...     log_offsets=np.array([[-0.1], [0.1]]), weights=np.array([[0.75, 0.25]] * 3),
    ...     hazards=np.ones(2), entry_weights=np.full(4, 0.25),
    ... )
    >>> state = lay_trail(State.empty(2), bars, 4 * one, parameters)
    >>> state.total.round(6).tolist(), state.unlevered.tolist(), state.bar_count
    ([3.0, 5.25], [2.0, 2.0], 0)
    """
    none = np.zeros(len(bars))
    flows = Flows(opened, none, none > 0.0)
    laid, *_ = _move_state(state, bars, flows, dataclasses.replace(parameters, is_inverse=False))
    return dataclasses.replace(laid, bar_count=0, open_interest=0.0)


def _move_state(
    state: State,
    bars: Bars,
    flows: Flows,
    parameters: DensityParameters,
    emit_after: IntArray | None = None,
    n_by_tier: int = 0,
) -> tuple[State, Maps, Events, Float32Array]:
    """Return the state after the bars and what was written; without instants they are a trail."""
    first_node, n_nodes = window_of(state, bars, parameters.log_offsets)
    rows = rows_of(state, first_node, n_nodes)
    constants = kernel_parameters_of(parameters, first_node, n_nodes)

    def advance_part(
        part: KernelBars, after: IntArray, maps: Maps, events: Events, before: Before
    ) -> None:
        advance_rows(rows, part, constants, after, maps, events, before)

    maps, events, by_tier = advance_by_cuts(
        advance_part,
        rows,
        columns_of(bars, flows, parameters, is_trail=emit_after is None),
        constants,
        np.zeros(0, dtype=np.int64) if emit_after is None else emit_after,
        n_by_tier,
        Before(state.bar_count, state.open_interest, state.close),
    )
    return state_of(state, bars, rows, first_node), maps, events, by_tier
