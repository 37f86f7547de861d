"""Replaying the reference path of an asset: hourly bars in, what price reached and maps out.

Belongs here: running the models of a path over a span, cut at checkpoints, with the fit and the
capture in force at each hour. Does not belong here: the recursions (``transforms``), the path
itself (``reference_path``), and how results are stored (``path_rows``).

Bars of a venue that is set apart are no bars of the path: it goes on from the hour in which the
venue no longer is, or from the next midnight on another's.

An hour has the fit that held before it and the capture of the hours before it, so nothing of what
is predicted is used. Instants are int64 microseconds since 1970, UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from jobs.build.path_quantiles import FittedHours, ledger_quantiles
from jobs.build.path_records import (
    CAPTURE_HOURS,
    NO_AMOUNTS,
    AssetPath,
    ExpectedLiquidations,
    HourlyAmounts,
    PathCheckpoint,
    PathInputs,
    PathModel,
    PathStretch,
)
from jobs.build.reference_path import ContractBars, ContractKey, PathBars, hourly_bars
from jobs.build.replay import STALE_MICROSECONDS
from jobs.build.replay_inputs import InstrumentBars
from jobs.build.replay_records import ReplaySpan
from jobs.instants import HOUR_MICROSECONDS
from transforms.calibration.capture import silence_in_windows, trailing_capture
from transforms.calibration.features import adverse_move
from transforms.engine import run
from transforms.ledger import LedgerOutputs, LedgerParameters, LedgerState, advance
from transforms.ledger.ledger_fit import LedgerFit
from transforms.path_only import PATH_ONLY, PATH_ONLY_BRACKETS, hold_constant
from transforms.series import Bars, BoolArray, Float32Array, FloatArray, IntArray
from transforms.state import State
from transforms.uncertainty import draw_capture

_NO_HOURS = np.zeros(0, dtype=np.int64)


def replay_path(
    path: AssetPath,
    models: Sequence[PathModel],
    bars: InstrumentBars,
    inputs: PathInputs,
    span: ReplaySpan,
) -> list[PathStretch]:
    """Advance the path of an asset to the end of a span and return the results of each model.

    Modifies `path`.

    Parameters
    ----------
    path : AssetPath
        As it is at the start of the span.
    models : sequence of PathModel
        Models to run.
    bars : mapping of (venue, instrument) to BarColumns
        Bars that end in the span, of the asset's contracts and perhaps others.
    inputs : PathInputs
        Fits, and what was published.
    span : ReplaySpan
        What to cover and to return; it begins and ends on the hour.
    """
    hours: dict[ContractKey, ContractBars] = {}
    for key in path.contracts:
        own = bars.get((key.venue, key.instrument))
        if own is not None:
            first = int(np.searchsorted(own.end, span.start, side="right"))
            own = own.part(first, len(own))
            bars_of_hours = hourly_bars(own, "inverse" if key.is_inverse else "linear")
            hours[key] = bars_of_hours.without(inputs.set_apart.get(key.venue, _NO_HOURS))
    before = path.reference.contract
    followed = path.reference.follow(hours, span.start, span.end)
    if path.last_bar_end is None and len(followed.bars) == 0:
        return []
    timeline = _timeline(path, followed, span)
    if inputs.set_apart:
        is_apart = _is_set_apart(timeline.hours, before, followed, inputs.set_apart)
        timeline = replace(timeline, is_kept=timeline.is_kept & ~is_apart)
    if path.first_bar_start is None:
        path.first_bar_start = int(followed.bars.end[0]) - HOUR_MICROSECONDS
    if len(followed.bars):
        path.last_bar_end = int(followed.bars.end[-1])
    return [
        _run_path_only(path, model, timeline)
        if model.ledger is None
        else _run_ledger(path, model, model.ledger, timeline, inputs)
        for model in models
    ]


def _is_set_apart(
    hours: IntArray,
    before: ContractKey | None,
    followed: PathBars,
    set_apart: Mapping[str, IntArray],
) -> BoolArray:
    """Return in which hours the contract of the day is set apart: nothing is held from before.

    `before` is the contract followed where the hours begin; None where the path does.
    """
    first = before or followed.contracts[int(followed.contract[0])]
    of_day = [first, *followed.chosen.values()]
    # A midnight ends the day before.
    day = np.searchsorted(list(followed.chosen), hours)
    is_apart = np.zeros(len(hours), dtype=np.bool_)
    for venue, apart in set_apart.items():
        is_of_venue = np.array([key.venue == venue for key in of_day])
        is_apart |= is_of_venue[day] & np.isin(hours, apart)
    return is_apart


@dataclass(frozen=True, slots=True)
class _PathPiece:
    """A part of a span up to a checkpoint or its end.

    Parameters
    ----------
    end, last_bar_end : int
        Its end, and that of the last bar by then [microseconds].
    hours : slice
        Its hours.
    bars : Bars
        Bars that end in it.
    span_after : ndarray of int64
        Index in `bars` of the last bar by each of its hours; -1 before the first.
    chosen : ContractKey, optional
        Contract of the day that begins at its end, where it is a checkpoint.
    """

    end: int
    last_bar_end: int
    hours: slice
    bars: Bars
    span_after: IntArray
    chosen: ContractKey | None


@dataclass(frozen=True, slots=True)
class _PathTimeline:
    """What the models of a path share over a span.

    Parameters
    ----------
    hours : ndarray of int64, shape (n_hours,)
        Instants [microseconds], consecutive.
    is_kept, has_bar : ndarray of bool, shape (n_hours,)
        Whether an hour is returned, and whether it has a bar.
    contract : ndarray of int64, shape (n_hours,)
        Index of the contract followed in it; of no meaning without a bar.
    contracts : tuple of ContractKey
        The contracts.
    bars : Bars
        All bars of the span.
    pieces : tuple of _PathPiece
        In order of time.
    """

    hours: IntArray
    is_kept: BoolArray
    has_bar: BoolArray
    contract: IntArray
    contracts: tuple[ContractKey, ...]
    bars: Bars
    pieces: tuple[_PathPiece, ...]


def _timeline(path: AssetPath, followed: PathBars, span: ReplaySpan) -> _PathTimeline:
    """Return the timeline of a path over a span that has bars, or follows some."""
    bars = followed.bars
    start = span.start if path.last_bar_end is not None else int(bars.end[0]) - HOUR_MICROSECONDS
    hours = np.arange(start + HOUR_MICROSECONDS, span.end + 1, HOUR_MICROSECONDS, dtype=np.int64)
    last_bar = np.searchsorted(bars.end, hours, side="right") - 1
    before = start if path.last_bar_end is None else path.last_bar_end
    ends = np.concatenate(([before], bars.end))
    last_end = ends[last_bar + 1]
    model_bars = _model_bars(bars, path.last_bar_end)
    pieces, bar_start, hour_start = [], 0, 0
    for cut in [*(at for at in span.checkpoints if start < at < span.end), span.end]:
        bar_stop = int(np.searchsorted(bars.end, cut, side="right"))
        hour_stop = int(np.searchsorted(hours, cut, side="right"))
        pieces.append(
            _PathPiece(
                end=cut,
                last_bar_end=int(ends[bar_stop]),
                hours=slice(hour_start, hour_stop),
                bars=model_bars.part(bar_start, bar_stop),
                span_after=last_bar[hour_start:hour_stop] - bar_start,
                chosen=followed.chosen.get(cut) if cut in span.checkpoints else None,
            )
        )
        bar_start, hour_start = bar_stop, hour_stop
    return _PathTimeline(
        hours=hours,
        is_kept=(hours > span.store_after) & (hours - last_end < STALE_MICROSECONDS),
        has_bar=last_end == hours,
        contract=np.append(followed.contract, 0)[last_bar],
        contracts=followed.contracts,
        bars=model_bars,
        pieces=tuple(pieces),
    )


def _model_bars(bars: ContractBars, last_bar_end: int | None) -> Bars:
    """Return the bars of a path as models read them, all volume in units of the asset."""
    n_bars = len(bars)
    names = ("open", "high", "low", "close", "mark_high", "mark_low")
    steps = np.diff(bars.end, prepend=bars.end[:1] if last_bar_end is None else last_bar_end)
    return Bars(
        **dict(zip(names, bars.prices, strict=True)),
        volume=bars.volume_usd / bars.prices[3],
        taker_buy=np.full(n_bars, np.nan),
        open_interest=np.zeros(n_bars),
        is_imputed=np.zeros(n_bars, dtype=np.bool_),
        has_gap_before=steps > HOUR_MICROSECONDS,
        bar_seconds=3600,
        bar_end=bars.end,
    )


@dataclass(frozen=True, slots=True)
class _LedgerRun:
    """What a ledger gave over a timeline, hour by hour; columns as in ``LedgerOutputs``."""

    exposure: FloatArray
    move: FloatArray
    log_age: FloatArray
    close: FloatArray
    first_bin: IntArray
    map: Float32Array

    @classmethod
    def of(cls, pieces: Sequence[LedgerOutputs]) -> "_LedgerRun":
        """Return the outputs of pieces one after the other."""
        return cls(
            *(
                np.concatenate([getattr(each, column.name) for each in pieces])
                for column in fields(cls)
            )
        )


def _run_ledger(
    path: AssetPath,
    model: PathModel,
    ledger: LedgerParameters,
    timeline: _PathTimeline,
    inputs: PathInputs,
) -> PathStretch:
    """Run a ledger piece by piece and return its results."""
    force = _FitsByHour.of(inputs.fits.get(model.provider, ()), timeline.hours, ledger.n_rows)
    state = before = path.ledger_states.get(model.provider)
    made: list[LedgerOutputs] = []
    checkpoints: list[PathCheckpoint] = []
    for piece in timeline.pieces:
        state, outputs = advance(
            ledger,
            piece.bars,
            piece.span_after,
            state=state,
            weights=force.weights[piece.hours] if force.fits else None,
        )
        path.ledger_states[model.provider] = state
        made.append(outputs)
        checkpoints += _checkpoint(piece, state)
    ran, kept = _LedgerRun.of(made), timeline.is_kept
    amounts = _expected_amounts(path, model.provider, timeline, force, inputs.realised, ran)
    quantiles: Float32Array | None = None
    if (force.number[kept] >= 0).any():
        fitted = FittedHours(force.fits, force.number, kept, amounts.capture_draws)
        pieces = ((piece.hours, piece.bars, piece.span_after) for piece in timeline.pieces)
        quantiles = ledger_quantiles(ledger, before, pieces, fitted)
    return PathStretch(
        model=model,
        hours=timeline.hours[kept],
        has_bar=timeline.has_bar[kept],
        contract=timeline.contract[kept],
        contracts=timeline.contracts,
        exposure=ran.exposure[kept],
        move=ran.move[kept],
        log_age=ran.log_age[kept],
        expected=ExpectedLiquidations(
            fits=force.fits,
            fit=force.number[kept],
            map_usd=amounts.map_usd[kept],
            move_usd=amounts.move_usd[kept],
            constant_usd=amounts.constant_usd[kept],
            capture=amounts.capture[kept],
            capture_hours=amounts.capture_hours[kept],
            close=ran.close[kept],
            first_bin=ran.first_bin[kept],
            map=ran.map[kept],
            quantiles_usd=quantiles,
        ),
        checkpoints=tuple(checkpoints),
    )


def _run_path_only(path: AssetPath, model: PathModel, timeline: _PathTimeline) -> PathStretch:
    """Run the estimator that knows the path alone piece by piece and return its results."""
    state = path.path_only_state
    move = _moves(timeline, np.nan if state is None else state.close)
    exposures: list[FloatArray] = []
    checkpoints: list[PathCheckpoint] = []
    for piece in timeline.pieces:
        state, outputs = run(
            PATH_ONLY,
            hold_constant(piece.bars),
            piece.span_after,
            brackets=PATH_ONLY_BRACKETS,
            state=state,
        )
        path.path_only_state = state
        exposures.append(outputs.consumed_usd + outputs.swept_usd)
        checkpoints += _checkpoint(piece, state)
    kept = timeline.is_kept
    exposure = np.concatenate(exposures)[kept]
    return PathStretch(
        model=model,
        hours=timeline.hours[kept],
        has_bar=timeline.has_bar[kept],
        contract=timeline.contract[kept],
        contracts=timeline.contracts,
        exposure=exposure,
        move=move[kept],
        log_age=np.full(exposure.shape[:2], np.nan),
        expected=None,
        checkpoints=tuple(checkpoints),
    )


def _moves(timeline: _PathTimeline, close_before: float) -> FloatArray:
    """Return the log move against each side hour by hour; 0 in the first of a path."""
    bars = timeline.bars
    previous_close = np.append(close_before, bars.close)[:-1]
    moves = np.zeros((len(timeline.hours), 2))
    moves[timeline.has_bar] = np.nan_to_num(
        adverse_move(previous_close, bars.open, bars.high, bars.low, bars.close)
    )
    return moves


def _checkpoint(piece: _PathPiece, state: LedgerState | State) -> list[PathCheckpoint]:
    """Return the checkpoint at the end of a piece where one is wanted."""
    if piece.chosen is None:
        return []
    return [PathCheckpoint(piece.end, piece.last_bar_end, piece.chosen, state)]


@dataclass(frozen=True, slots=True)
class _FitsByHour:
    """The fits of a ledger, and which is in force in each hour.

    Parameters
    ----------
    fits : tuple of LedgerFit
        In order of ``valid_from``.
    number : ndarray of int64, shape (n_hours,)
        Index of the fit of each hour; -1 where there is none.
    weights : ndarray of float64, shape (n_hours, n_rows)
        Its weights [USD per deposit unit]; 0 without a fit.
    terms : ndarray of float64, shape (3, n_hours)
        Its weight of the move, constant and floor [USD per ln^2; USD; USD]; NaN without a fit.
    """

    fits: tuple[LedgerFit, ...]
    number: IntArray
    weights: FloatArray
    terms: FloatArray

    @classmethod
    def of(cls, fits: tuple[LedgerFit, ...], hours: IntArray, n_rows: int) -> "_FitsByHour":
        """Return it for some hours. A fit holds for later instants than it is valid from."""
        valid_from = np.array([fit.valid_from for fit in fits], dtype=np.int64)
        number = np.searchsorted(valid_from, hours, side="left") - 1
        weights = np.stack([*(fit.weights for fit in fits), np.zeros(n_rows)])
        terms = [(fit.move_weight, fit.constant, fit.floor) for fit in fits]
        return cls(fits, number, weights[number], np.array([*terms, (np.nan,) * 3])[number].T)


@dataclass(frozen=True, slots=True)
class _ExpectedAmounts:
    """What a fitted ledger expects over a timeline, hour by hour, before capture, and the capture.

    Columns as in ``ExpectedLiquidations``; ``capture_draws`` has shape (n_hours, n_draws).
    """

    map_usd: FloatArray
    move_usd: FloatArray
    constant_usd: FloatArray
    capture: FloatArray
    capture_hours: IntArray
    capture_draws: Float32Array


def _expected_amounts(
    path: AssetPath,
    provider: str,
    timeline: _PathTimeline,
    force: _FitsByHour,
    published: HourlyAmounts,
    ran: _LedgerRun,
) -> _ExpectedAmounts:
    """Return what a fitted ledger expects hour by hour, and the capture of the week before."""
    move_weight, constant, floor = force.terms[:, :, np.newaxis]
    has_fit = ~np.isnan(constant)
    map_usd = np.where(has_fit, (ran.exposure * force.weights[:, np.newaxis]).sum(axis=2), np.nan)
    move_usd = move_weight * ran.move**2
    total = map_usd + move_usd + constant
    constant_usd = constant + np.maximum(floor - total, 0.0)

    start = int(timeline.hours[0]) - HOUR_MICROSECONDS
    week_before = start - CAPTURE_HOURS * HOUR_MICROSECONDS
    end = int(timeline.hours[-1])
    own = np.where(timeline.has_bar[:, np.newaxis], map_usd + move_usd + constant_usd, np.nan)
    predicted = np.concatenate(
        (path.expected.get(provider, NO_AMOUNTS).over(week_before, start), own)
    )
    realised = published.over(week_before, end)
    capture = trailing_capture(realised, predicted, CAPTURE_HOURS)[CAPTURE_HOURS:]
    is_known = ~np.isnan(realised + predicted).any(axis=1)
    counted = np.concatenate(([0], np.cumsum(is_known)))
    hours = np.arange(CAPTURE_HOURS, len(predicted))
    capture_hours = counted[hours] - counted[hours - CAPTURE_HOURS]
    for hour, silent in silence_in_windows(realised, hours - CAPTURE_HOURS, hours).items():
        capture_hours[hour] -= np.count_nonzero(is_known[hour : hour + CAPTURE_HOURS] & silent)
    path.expected[provider] = HourlyAmounts(
        end - (CAPTURE_HOURS - 1) * HOUR_MICROSECONDS, predicted[-CAPTURE_HOURS:]
    )
    ends = end + HOUR_MICROSECONDS * np.arange(1 - len(predicted), 1)
    return _ExpectedAmounts(
        map_usd=map_usd,
        move_usd=move_usd,
        constant_usd=constant_usd,
        capture=capture,
        capture_hours=capture_hours,
        capture_draws=draw_capture(realised, predicted, ends)[CAPTURE_HOURS:],
    )
