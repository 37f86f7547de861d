"""Replaying one series over a span of time: bars from the warehouse in, hours and states out.

Belongs here: what surrounds the recursion whatever the estimator: filling holes in open interest,
cutting at checkpoints and at changes of brackets, finding the last bar of each hour. Does not
belong here: the recursion (``transforms``), and how results are stored (``window_store``).

Instants are int64 microseconds since 1970, UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from jobs.build.bracket_choice import HeldBrackets, default_by_size, in_force
from jobs.build.replay_records import (
    EMPTY_BARS,
    BarColumns,
    Checkpoint,
    ReplaySpan,
    Series,
    Stretch,
)
from jobs.instants import DAY_MICROSECONDS, SECOND_MICROSECONDS
from sources.venues.brackets import margin_rule
from transforms.accounting import impute_open_interest
from transforms.engine import is_warm_up, run, start_state
from transforms.estimators import EstimatorParameters
from transforms.margin import Brackets
from transforms.series import Bars, BoolArray, FloatArray, IntArray, Outputs
from transforms.state import State

TRAIL_MICROSECONDS = 30 * DAY_MICROSECONDS
"""The first open interest of a series is spread over the bars of this long before it: three
half-lives of a volume profile, beyond which an eighth of it lies."""

STALE_MICROSECONDS = DAY_MICROSECONDS
"""A series without a bar for this long has ended or is broken: its map is no longer shown."""

_NEVER = np.iinfo(np.int64).min // 2


def replay(
    series: Series,
    estimators: Sequence[EstimatorParameters],
    bars: BarColumns,
    ahead: BarColumns,
    span: ReplaySpan,
) -> list[Stretch]:
    """Advance a series to the end of a span and return the results of each estimator.

    Modifies `series`.

    Parameters
    ----------
    series : Series
        As it is at the start of the span.
    estimators : sequence of EstimatorParameters
        Estimators to run.
    bars, ahead : BarColumns
        Bars that end within the span, and some after it: an observation of open interest there
        fills a hole that is open at the end.
    span : ReplaySpan
        What to cover and to return.
    """
    trail = EMPTY_BARS
    if series.first_bar_start is None:
        trail, bars = _begin(series, bars)
        if len(bars) == 0:
            return []
        series.first_bar_start = int((trail if len(trail) else bars).start[0])
    settled = _Settled.of(series, bars, span.longest_hole)
    timeline = _timeline(series, bars, ahead, span, settled.checkpoints(span))
    if len(bars):
        _remember(series, bars)
    stretches = (_run(series, each, trail, timeline, settled) for each in estimators)
    return [stretch for stretch in stretches if stretch is not None]


def _begin(series: Series, bars: BarColumns) -> tuple[BarColumns, BarColumns]:
    """Start a series at its first bar with open interest; return its trail and its bars.

    The trail is the bars of the last ``TRAIL_MICROSECONDS`` before it that are as long as the
    last of them.
    """
    known = np.flatnonzero(~np.isnan(bars.open_interest))
    first = int(known[0]) if len(known) else len(bars)
    trail = series.trail.followed_by(bars.part(0, first))
    bars = bars.part(first, len(bars))
    if len(trail):
        until = bars.start[0] if len(bars) else trail.end[-1]
        lengths = trail.end - trail.start
        is_left_out = (trail.start < until - TRAIL_MICROSECONDS) | (lengths != lengths[-1])
        kept_from = len(trail) - int(np.argmax(is_left_out[::-1])) if is_left_out.any() else 0
        trail = trail.part(kept_from, len(trail))
    series.trail = EMPTY_BARS if len(bars) else trail
    return trail, bars


def _remember(series: Series, bars: BarColumns) -> None:
    """Note the last observation of open interest and the volume since."""
    observed = np.flatnonzero(~np.isnan(bars.open_interest))
    if len(observed):
        series.observed = float(bars.open_interest[observed[-1]])
        series.observed_end = int(bars.end[observed[-1]])
        series.unobserved_volume = bars.volume[observed[-1] + 1 :]
    else:
        series.unobserved_volume = np.concatenate((series.unobserved_volume, bars.volume))
    series.last_bar_end = int(bars.end[-1])


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a span over which brackets and bar length are constant.

    Parameters
    ----------
    start, end : int
        Its ends [microseconds].
    bars : Bars
        Bars that end in it.
    last_bar_end : int
        End of the last bar by its end [microseconds].
    emit_after : ndarray of int64
        Index in `bars` of the last bar by each of its hours; negative before the first.
    n_by_tier : int
        How many of these hours, the last ones, get a map by tier.
    is_checkpoint : bool
        Whether the state at its end is wanted.
    """

    start: int
    end: int
    bars: Bars
    last_bar_end: int
    emit_after: IntArray
    n_by_tier: int
    is_checkpoint: bool


@dataclass(frozen=True, slots=True)
class _Timeline:
    """What the estimators share on one series: brackets, hours and pieces of the span.

    Parameters
    ----------
    brackets : tuple of HeldBrackets
        Oldest first.
    hours : ndarray of int64, shape (n_hours,)
        Instants of maps [microseconds].
    is_kept : ndarray of bool, shape (n_hours,)
        Whether the map of an hour is returned.
    pieces : tuple of _Piece
        In order of time.
    first_bar_start : int or None
        Of the span's bars [microseconds]; None where it has none.
    """

    brackets: tuple[HeldBrackets, ...]
    hours: IntArray
    is_kept: BoolArray
    pieces: tuple[_Piece, ...]
    first_bar_start: int | None


def _timeline(
    series: Series,
    bars: BarColumns,
    ahead: BarColumns,
    span: ReplaySpan,
    checkpoints: Sequence[int],
) -> _Timeline:
    """Return the timeline of a series over a span."""
    previous_end = series.last_bar_end
    open_interest, is_imputed = _fill(series, bars, ahead, span.longest_hole)
    has_gap_before = np.ones(len(bars), dtype=np.bool_)
    if len(bars):
        has_gap_before[1:] = bars.start[1:] != bars.end[:-1]
        has_gap_before[0] = previous_end is not None and previous_end != bars.start[0]
    model_bars = _model_bars(bars, open_interest, is_imputed, has_gap_before)

    # A new series has its first hour at the end of its first bar, one that goes on at once.
    reached = span.start if previous_end is not None else int(bars.end[0]) - 1
    first_hour = (reached // span.step + 1) * span.step
    hours = np.arange(first_hour, span.end + 1, span.step, dtype=np.int64)
    last_bar = np.searchsorted(bars.end, hours, side="right") - 1
    ends = np.concatenate(([_NEVER if previous_end is None else previous_end], bars.end))
    is_fresh = hours - ends[last_bar + 1] < STALE_MICROSECONDS

    held = series.brackets or _default_brackets(series, bars, open_interest, span.start)
    cuts = _cuts(held, bars, span, checkpoints)
    pieces, piece_start, bar_start, hour_start = [], span.start, 0, 0
    for cut in cuts:
        bar_stop = int(np.searchsorted(bars.end, cut, side="right"))
        hour_stop = int(np.searchsorted(hours, cut, side="right"))
        pieces.append(
            _Piece(
                start=piece_start,
                end=cut,
                bars=_bars_of_piece(model_bars, bars, bar_start, bar_stop),
                last_bar_end=int(ends[bar_stop]),
                emit_after=last_bar[hour_start:hour_stop] - bar_start,
                n_by_tier=int(np.sum(hours[hour_start:hour_stop] > span.by_tier_after)),
                is_checkpoint=cut in checkpoints,
            )
        )
        piece_start, bar_start, hour_start = cut, bar_stop, hour_stop
    return _Timeline(
        brackets=tuple(held),
        hours=hours,
        is_kept=(hours > span.store_after) & is_fresh,
        pieces=tuple(pieces),
        first_bar_start=int(bars.start[0]) if len(bars) else None,
    )


def _fill(
    series: Series, bars: BarColumns, ahead: BarColumns, longest_hole: int
) -> tuple[FloatArray, BoolArray]:
    """Return the bars' open interest without holes, and which values are imputed.

    Uses the observations before and after the bars. Over a hole longer than `longest_hole` the
    value before it is held.
    """
    n_before = len(series.unobserved_volume)
    nothing = np.full(n_before, np.nan)
    observed = np.concatenate((nothing, bars.open_interest, ahead.open_interest))
    filled, is_imputed = impute_open_interest(
        observed,
        np.concatenate((series.unobserved_volume, bars.volume, ahead.volume)),
        series.observed,
    )
    # The observation before the first bar counts as that of a bar -1.
    values = np.concatenate(([series.observed], observed))
    before = bars.end[:1] if series.observed_end is None else np.array([series.observed_end])
    ends = np.concatenate((before, np.zeros(n_before, dtype=np.int64), bars.end, ahead.end))
    known = np.flatnonzero(~np.isnan(values))
    is_too_long = (np.diff(known) > 1) & (np.diff(ends[known]) > longest_hole)
    for at in np.flatnonzero(is_too_long):
        filled[known[at] : known[at + 1] - 1] = values[known[at]]
    own = slice(n_before, n_before + len(bars))
    return filled[own], is_imputed[own]


def _model_bars(
    bars: BarColumns, open_interest: FloatArray, is_imputed: BoolArray, has_gap_before: BoolArray
) -> Bars:
    names = ("open", "high", "low", "close", "mark_high", "mark_low")
    return Bars(
        **dict(zip(names, bars.prices, strict=True)),
        volume=bars.volume,
        taker_buy=bars.taker_buy,
        open_interest=open_interest,
        is_imputed=is_imputed,
        has_gap_before=has_gap_before,
        bar_seconds=int((bars.end[0] - bars.start[0]) // SECOND_MICROSECONDS)
        if len(bars)
        else 3600,
    )


def _bars_of_piece(model_bars: Bars, bars: BarColumns, start: int, stop: int) -> Bars:
    """Return a part of the bars with their own length."""
    part = model_bars.part(start, stop)
    if stop == start:
        return part
    seconds = int((bars.end[start] - bars.start[start]) // SECOND_MICROSECONDS)
    return part if seconds == part.bar_seconds else replace(part, bar_seconds=seconds)


def _default_brackets(
    series: Series, bars: BarColumns, open_interest: FloatArray, start: int
) -> list[HeldBrackets]:
    """Return the default ladders over these bars, which follow the series' states."""
    state = next(iter(series.states.values()), None)
    before = (np.nan, np.nan) if state is None else (state.open_interest, state.close)
    is_inverse = series.contract_kind == "inverse"
    return default_by_size(
        series.asset,
        fee_ratio=margin_rule(series.venue, series.contract_kind).fee_ratio,
        start=start,
        usd_before=before[0] if is_inverse else before[0] * before[1],
        bar_starts=bars.start,
        open_interest_usd=open_interest if is_inverse else open_interest * bars.prices[3],
    )


def _cuts(
    held: Sequence[HeldBrackets], bars: BarColumns, span: ReplaySpan, checkpoints: Sequence[int]
) -> list[int]:
    """Return the ends of pieces: checkpoints, changes of brackets or of bar length."""
    lengths = bars.end - bars.start
    changed = bars.start[1:][lengths[1:] != lengths[:-1]]
    inside = {*checkpoints, *(each.valid_from for each in held), *changed.tolist()}
    return [*sorted(cut for cut in inside if span.start < cut < span.end), span.end]


def _start(
    parameters: EstimatorParameters, series: Series, trail: BarColumns, brackets: Brackets
) -> State | None:
    """Return the state in which an estimator starts; None where no bars lie before it."""
    if len(trail) == 0:
        return None
    none = np.zeros(len(trail), dtype=np.bool_)
    return start_state(
        parameters,
        _model_bars(trail, np.zeros(len(trail)), none, none),
        brackets=brackets,
        contract_kind=series.contract_kind,
    )


def _run(
    series: Series,
    parameters: EstimatorParameters,
    trail: BarColumns,
    timeline: _Timeline,
    settled: "_Settled",
) -> Stretch | None:
    """Run one estimator piece by piece; return its results, None before its first bar."""
    held = timeline.brackets
    state = series.states.get(parameters.provider)
    if state is None and timeline.first_bar_start is not None:
        state = _start(parameters, series, trail, in_force(held, timeline.first_bar_start))
    outputs: list[Outputs] = []
    checkpoints: list[Checkpoint] = []
    for piece in timeline.pieces:
        if state is None and len(piece.bars) == 0:
            continue
        state, made = run(
            parameters,
            piece.bars,
            piece.emit_after,
            brackets=in_force(held, piece.start),
            contract_kind=series.contract_kind,
            state=state,
            n_by_tier=piece.n_by_tier,
        )
        outputs.append(made)
        if piece.is_checkpoint:
            observed_end = settled.observed_end(piece.end)
            checkpoints.append(Checkpoint(piece.end, piece.last_bar_end, observed_end, state))
    if state is None:
        return None
    series.states[parameters.provider] = state
    kept_hours = timeline.hours[timeline.is_kept]
    kept = _join_outputs(outputs, timeline.is_kept)
    age_days = (kept_hours - (series.first_bar_start or 0)) / DAY_MICROSECONDS
    return Stretch(
        provider=parameters.provider,
        params_hash=parameters.params_hash,
        hours=kept_hours,
        outputs=kept,
        is_warm_up=is_warm_up(parameters, kept, age_days),
        checkpoints=tuple(checkpoints),
        brackets=held,
        reference_position_usd=parameters.reference_position_usd,
    )


def _join_outputs(pieces: list[Outputs], is_kept: BoolArray) -> Outputs:
    values: dict[str, Any] = {}
    for column in fields(Outputs):
        joined = np.concatenate([getattr(piece, column.name) for piece in pieces])
        # Maps by tier are those of the last hours alone.
        values[column.name] = joined[is_kept[len(is_kept) - len(joined) :]]
    return Outputs(**values)


@dataclass(frozen=True, slots=True)
class _Settled:
    """At which bars observations to come can no longer change open interest.

    Parameters
    ----------
    ends : ndarray of int64, shape (n_bars + 1,)
        End of each bar, preceded by that of the bar before the first [microseconds].
    observed_ends : ndarray of int64, shape (n_bars + 1,)
        End of the last bar up to it with observed open interest [microseconds].
    is_settled : ndarray of bool, shape (n_bars + 1,)
        Whether open interest was observed in it, or so long ago that its value is held.
    """

    ends: IntArray
    observed_ends: IntArray
    is_settled: BoolArray

    @classmethod
    def of(cls, series: Series, bars: BarColumns, longest_hole: int) -> "_Settled":
        """Return it for bars that follow those a series has seen."""
        last_end = _NEVER if series.last_bar_end is None else series.last_bar_end
        observed_end = _NEVER if series.observed_end is None else series.observed_end
        ends = np.concatenate(([last_end], bars.end))
        observed = np.where(np.isnan(bars.open_interest), _NEVER, bars.end)
        observed_ends = np.maximum.accumulate(np.concatenate(([observed_end], observed)))
        is_settled = (ends == observed_ends) | (ends - observed_ends > longest_hole)
        return cls(ends, observed_ends, is_settled & (observed_ends > _NEVER))

    def _at(self, instant: int) -> int:
        return int(np.searchsorted(self.ends, instant, side="right")) - 1

    def observed_end(self, instant: int) -> int:
        """Return the end of the last bar by an instant with observed open interest."""
        return int(self.observed_ends[self._at(instant)])

    def checkpoints(self, span: ReplaySpan) -> list[int]:
        """Return the wanted instants that are settled, else the last settled midnight if any."""
        settled = [at for at in span.checkpoints if self.is_settled[self._at(at)]]
        if settled:
            return settled
        first = (span.start // DAY_MICROSECONDS + 1) * DAY_MICROSECONDS
        midnights = range(first, span.end + 1, DAY_MICROSECONDS)
        return [at for at in midnights if self.is_settled[self._at(at)]][-1:]
