"""A ledger over the bars of a series, span by span.

Belongs here: ``advance``, what it checks, and the window of nodes it works in. Does not belong
here: the steps of a bar (``kernel``), fitting weights (``calibration``).
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from transforms.errors import InvalidInput
from transforms.grid import LOG_STEP
from transforms.ledger.kernel import LedgerBars, Structure, advance_spans
from transforms.ledger.ledger_outputs import LedgerOutputs, empty_outputs
from transforms.ledger.ledger_state import LedgerState
from transforms.ledger.ledger_steps import StateArrays
from transforms.ledger.parameter_sets import N_ENTRIES, N_HALF_LIVES, LedgerParameters
from transforms.series import (
    DAY_MICROSECONDS,
    MICROSECONDS,
    Bars,
    ContractKind,
    FloatArray,
    IntArray,
    checked_bar_indices,
)

_SPARE_NODES: Final = 3
"""Nodes of the window beyond those that can hold anything, at either end."""

_HOUR: Final = 3_600 * MICROSECONDS


def advance(
    parameters: LedgerParameters,
    bars: Bars,
    span_after: npt.ArrayLike,
    *,
    state: LedgerState | None = None,
    weights: npt.ArrayLike | None = None,
    wants_standing: bool = False,
    contract_kind: ContractKind = "linear",
) -> tuple[LedgerState, LedgerOutputs]:
    """Return the state after the bars, and what each span consumed and left.

    A span is what is predicted as one. Results do not depend on how bars are split into calls.

    Parameters
    ----------
    parameters : LedgerParameters
        Ledger to run.
    bars : Bars
        Bars of one series that follow those the state has seen; may be empty. ``bar_end`` is needed
        where bars are missing; open interest is not used.
    span_after : array_like of int, shape (n_spans,)
        Last bar of each span, never decreasing; -1: it ended before the first bar of this call.
        One named twice has no bars the second time. Bars after the last one stay in an open span.
    state : LedgerState or None
        State that the call before returned; None starts the series.
    weights : array_like of float, shape (n_spans, n_rows) or (n_rows,), or None
        Weights of rows in ``map`` [USD per deposit unit]; finite, at least 0.
    wants_standing : bool
        Whether to write ``standing``, 257 kB a span.
    contract_kind : {'linear', 'inverse'}
        Whether volume is in units of the asset or in USD.

    Returns
    -------
    state : LedgerState
        To be handed to the next call. The argument is left as it was.
    outputs : LedgerOutputs
        One entry per span.

    Raises
    ------
    InvalidInput
        If the state belongs to another ledger, spans or weights do not fit the bars, bars overlap
        those seen, or bars are missing and ``bar_end`` is not given.

    Examples
    --------
    >>> from transforms.ledger import LEDGERS
    >>> one, none = np.ones(2), np.zeros(2, dtype=np.bool_)
    >>> low = np.array([1.0, 0.99])
    >>> bars = Bars(one, one, low, one, one, low, *[one] * 3, none, none, bar_seconds=3600)
    >>> state, outputs = advance(LEDGERS["path_ledger"], bars, [0, 1])
    >>> outputs.exposure.sum(axis=-1).round(6).tolist(), outputs.move.round(6).tolist()
    ([[0.0, 0.0], [12.0, 0.0]], [[0.0, 0.0], [0.014213, 0.01005]])
    """
    state = LedgerState.empty(parameters) if state is None else state
    if state.structure_hash != parameters.structure_hash:
        raise InvalidInput(
            f"state belongs to ledger {state.structure_hash[:12]}, {parameters.provider} is "
            f"{parameters.structure_hash[:12]}: replay the series from its first bar"
        )
    ends = checked_bar_indices(span_after, bars, "span_after", "a span", state.bar_count)
    row_weights = _checked_weights(weights, len(ends), parameters)
    columns, bar_end = _columns_of(parameters, bars, state, contract_kind)
    window = _window_of(state, bars, parameters)
    arrays = _arrays_of(state, window, len(bars))
    outputs = empty_outputs(len(ends), parameters.n_rows, wants_standing=wants_standing)
    n_open = advance_spans(
        arrays,
        columns,
        _structure_of(parameters, window.start),
        ends,
        row_weights,
        weights is not None,
        outputs,
        len(state.pending_hours),
        state.close,
    )
    return _state_of(state, bars, bar_end, _open_part(arrays, n_open), window.start), outputs


def _structure_of(parameters: LedgerParameters, first_node: int) -> Structure:
    """Return a ledger's parameters as the kernel takes them."""
    return Structure(
        distances=np.array(parameters.distances) / LOG_STEP,
        rates=1.0 / np.array(parameters.half_lives_days),
        entry_weights=np.array(parameters.entry_weights),
        first_node=first_node,
    )


def _checked_weights(
    weights: npt.ArrayLike | None, n_spans: int, parameters: LedgerParameters
) -> FloatArray:
    """Return weights of rows for each span, after checking them; none without weights."""
    n_rows = parameters.n_rows
    if weights is None:
        return np.zeros((0, n_rows))
    given = np.asarray(weights, dtype=np.float64)
    if given.shape not in ((n_rows,), (n_spans, n_rows)):
        raise InvalidInput(
            f"weights have shape {given.shape}, {parameters.provider} has {n_rows} rows: expected "
            f"({n_rows},) or ({n_spans}, {n_rows})"
        )
    if not np.all(np.isfinite(given) & (given >= 0.0)):
        raise InvalidInput("weights have a value that is not finite and at least 0: fit them anew")
    # A copy: a read-only view would be another type to the compiler, compiled all over again.
    return np.array(np.broadcast_to(given, (n_spans, n_rows)), order="C")


def _columns_of(
    parameters: LedgerParameters, bars: Bars, state: LedgerState, contract_kind: ContractKind
) -> tuple[LedgerBars, IntArray]:
    """Return what the kernel reads of bars, and their ends [microseconds since 1970, UTC]."""
    is_on_last = np.isnan(bars.mark_high) | np.isnan(bars.mark_low)
    clearing_high = np.where(is_on_last, bars.high, bars.mark_high)
    clearing_low = np.where(is_on_last, bars.low, bars.mark_low)
    bar_end = _bar_ends(bars, state)
    first_end = state.first_end if state.bar_count or not len(bars) else bar_end[0]
    before = np.concatenate(([state.last_end], bar_end[:-1]))[: len(bars)]
    gap = bar_end - before - bars.bar_seconds * MICROSECONDS
    if state.bar_count == 0:
        gap[:1] = 0
    if np.any(gap < 0):
        raise InvalidInput(
            f"bars.bar_end[0] is {bar_end[0]}, the state has seen bars up to {state.last_end}: "
            "hand in only bars that follow"
        )
    columns = LedgerBars(
        prices=np.stack([bars.open, bars.high, bars.low, bars.close, clearing_high, clearing_low]),
        deposits=_deposits_of(parameters, bars, contract_kind),
        hours=(bar_end - first_end) / _HOUR,
        gap_days=gap / DAY_MICROSECONDS,
        bar_days=bars.bar_seconds * MICROSECONDS / DAY_MICROSECONDS,
    )
    return columns, bar_end


def _bar_ends(bars: Bars, state: LedgerState) -> IntArray:
    """Return the ends of bars; where they are not given, bars follow one another."""
    if bars.bar_end is not None:
        return bars.bar_end
    has_gap = bars.has_gap_before.copy()
    if state.bar_count == 0:
        has_gap[:1] = False
    if np.any(has_gap):
        raise InvalidInput(
            f"bars are missing before bar {int(np.argmax(has_gap))} and bars.bar_end is not given: "
            "what is held decays by the clock, so say when bars end"
        )
    steps = np.arange(1, len(bars) + 1, dtype=np.int64)
    return state.last_end + steps * (bars.bar_seconds * MICROSECONDS)


def _deposits_of(
    parameters: LedgerParameters, bars: Bars, contract_kind: ContractKind
) -> FloatArray:
    """Return what each bar deposits [deposit units]."""
    if contract_kind not in ("linear", "inverse"):
        raise InvalidInput(f"contract_kind is {contract_kind!r}, expected 'linear' or 'inverse'")
    if parameters.deposit == "path":
        return np.ones(len(bars))
    volume_usd = bars.volume * bars.close if contract_kind == "linear" else bars.volume
    return volume_usd / np.maximum(np.log(bars.high / bars.low), parameters.range_floor)


def _window_of(state: LedgerState, bars: Bars, parameters: LedgerParameters) -> range:
    """Return the grid nodes that hold the state, its open span and what the bars can deposit."""
    # All four: nothing promises that a bar opens and closes between its low and its high.
    prices = (bars.open, bars.high, bars.low, bars.close)
    places = [np.log(price) / LOG_STEP for price in prices if len(price)]
    places += [state.pending_places] if len(state.pending_places) else []
    first, stop = state.first_node, state.first_node + state.nodes.shape[1]
    if places:
        reach = parameters.distances[-1] / LOG_STEP
        low = math.floor(min(map(np.min, places)) - reach) - _SPARE_NODES
        high = math.floor(max(map(np.max, places)) + reach) + _SPARE_NODES
        first, stop = (min(first, low), max(stop, high + 1)) if first < stop else (low, high + 1)
    return range(first, stop)


def _arrays_of(state: LedgerState, window: range, n_bars: int) -> StateArrays:
    """Return the arrays of a state copied into a window, with room for bars of an open span."""
    n_held, start = state.nodes.shape[1], state.first_node - window.start
    nodes = np.zeros((2, len(window), state.nodes.shape[2]))
    amount_hours = np.zeros((2, len(window), state.amount_hours.shape[2]))
    nodes[:, start : start + n_held] = state.nodes
    amount_hours[:, start : start + n_held] = state.amount_hours
    n_open = len(state.pending_hours)
    places, amounts = (
        np.zeros((n_open + n_bars, N_ENTRIES)),
        np.zeros((n_open + n_bars, N_HALF_LIVES)),
    )
    hours = np.zeros(n_open + n_bars)
    places[:n_open], amounts[:n_open] = state.pending_places, state.pending_amounts
    hours[:n_open] = state.pending_hours
    is_filled = state.extents[:, :1] <= state.extents[:, 1:]
    return StateArrays(
        nodes=nodes,
        amount_hours=amount_hours,
        multiplier=state.multiplier.copy(),
        extents=np.where(is_filled, state.extents - window.start, [1, 0]),
        open_exposure=state.open_exposure.copy(),
        open_age=state.open_age.copy(),
        open_path=state.open_path.copy(),
        pending_places=places,
        pending_amounts=amounts,
        pending_hours=hours,
    )


def _open_part(arrays: StateArrays, n_open: int) -> StateArrays:
    """Return the arrays with those of the open span cut to its bars."""
    names = ("pending_places", "pending_amounts", "pending_hours")
    return arrays._replace(**{name: getattr(arrays, name)[:n_open].copy() for name in names})


def _state_of(
    before: LedgerState, bars: Bars, bar_end: IntArray, arrays: StateArrays, first_node: int
) -> LedgerState:
    """Return the state that changed arrays amount to, cut to the nodes that can hold anything."""
    is_filled = arrays.extents[:, 0] <= arrays.extents[:, 1]
    start = int(arrays.extents[is_filled, 0].min()) if is_filled.any() else 0
    stop = int(arrays.extents[is_filled, 1].max()) + 1 if is_filled.any() else 0
    is_first = before.bar_count == 0 and len(bars) > 0
    cut = arrays._replace(
        nodes=arrays.nodes[:, start:stop].copy(),
        amount_hours=arrays.amount_hours[:, start:stop].copy(),
        extents=np.where(is_filled[:, np.newaxis], arrays.extents + first_node, [1, 0]),
    )
    return LedgerState(
        structure_hash=before.structure_hash,
        bar_count=before.bar_count + len(bars),
        first_end=int(bar_end[0]) if is_first else before.first_end,
        last_end=int(bar_end[-1]) if len(bars) else before.last_end,
        close=float(bars.close[-1]) if len(bars) else before.close,
        first_node=first_node + start if is_filled.any() else 0,
        **cut._asdict(),
    )
