"""Replaying one series over a stretch of time: bars from the warehouse in, hours and states out.

Belongs here: what the recursion needs around it, whatever the estimator: filling open interest
across holes, cutting at checkpoints and at changes of brackets, naming the bar of each hour.
Does not belong here: the recursion (``transforms``), and what is stored of it (``build``).

Instants are int64 microseconds since 1970, UTC: numpy's and Arrow's own measure.
"""

from dataclasses import dataclass, field, fields
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from jobs.build.bracket_choice import HeldBrackets, default_by_size, in_force
from sources.venues.brackets import liquidation_rule
from transforms.accounting import impute_open_interest
from transforms.estimators import EstimatorParameters, is_warm_up, run
from transforms.estimators import start as start_state
from transforms.margin import Brackets
from transforms.series import Bars, ContractKind, Outputs, State

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR

# The first open interest of a series is spread over the bars of so long before it: three half-lives
# of a volume profile, of which an eighth lies further back.
TRAIL = 30 * DAY

# A series that has had no bar for a day has ended or is broken: its map is no longer shown.
STALE_AFTER = DAY


@dataclass(frozen=True, slots=True)
class BarColumns:
    """Bars of one instrument as the warehouse has them, in order of time.

    Parameters
    ----------
    start, end : ndarray of int64, shape (n_bars,)
        Open and end of each bar [microseconds].
    prices : ndarray of float64, shape (6, n_bars)
        open, high, low, close, mark high, mark low; NaN where no mark is known.
    volume, taker_buy, open_interest : ndarray of float64, shape (n_bars,)
        As in ``transforms.series.Bars``; NaN where not observed.
    """

    start: IntArray
    end: IntArray
    prices: FloatArray
    volume: FloatArray
    taker_buy: FloatArray
    open_interest: FloatArray

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.start)

    def part(self, start: int, stop: int) -> "BarColumns":
        """Return the bars from `start` up to but not including `stop`."""
        return BarColumns(
            self.start[start:stop],
            self.end[start:stop],
            self.prices[:, start:stop],
            self.volume[start:stop],
            self.taker_buy[start:stop],
            self.open_interest[start:stop],
        )


@dataclass(slots=True)
class Series:
    """One instrument under replay: who it is, its brackets, and where each estimator stands.

    Parameters
    ----------
    asset, venue, instrument : str
        Identity.
    contract_kind : str
        ``linear`` or ``inverse``.
    brackets : list of HeldBrackets
        The contract's own brackets, oldest first; empty where none are known.
    states : dict of str to State
        State by provider; absent before the first bar.
    trail : BarColumns, optional
        Bars before the first open interest, as far back as counts.
    first_bar_start, last_bar_end : int, optional
        Of the bars that count so far, those of the trail included [microseconds].
    observed : float
        Open interest last observed [quantity].
    observed_end : int, optional
        End of the bar at which it was [microseconds].
    unobserved_volume : ndarray of float64
        Volume of the bars since then [quantity].
    """

    asset: str
    venue: str
    instrument: str
    contract_kind: ContractKind
    brackets: list[HeldBrackets]
    states: dict[str, State] = field(default_factory=dict)
    trail: BarColumns | None = None
    first_bar_start: int | None = None
    last_bar_end: int | None = None
    observed: float = float("nan")
    observed_end: int | None = None
    unobserved_volume: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where one estimator stood at a midnight.

    Parameters
    ----------
    at : int
        The midnight [microseconds].
    last_bar_end : int
        End of the last bar by then [microseconds].
    observed_end : int
        End of the last bar by then at which open interest was observed [microseconds].
    state : State
        Of the estimator.
    """

    at: int
    last_bar_end: int
    observed_end: int
    state: State


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one estimator made of one series over a stretch.

    Parameters
    ----------
    provider, params_hash : str
        The estimator.
    hours : ndarray of int64, shape (n_hours,)
        Instants of the maps [microseconds].
    outputs : Outputs
        What stands at them.
    is_warm_up : ndarray of bool, shape (n_hours,)
        Whether too much of the maps was start-up mass.
    checkpoints : tuple of Checkpoint
        From which a later replay may start.
    brackets : tuple of HeldBrackets
        What held over it, oldest first.
    reference_position_usd : float
        Of the estimator: the notional whose bracket counts [USD].
    """

    provider: str
    params_hash: str
    hours: IntArray
    outputs: Outputs
    is_warm_up: BoolArray
    checkpoints: tuple[Checkpoint, ...]
    brackets: tuple[HeldBrackets, ...]
    reference_position_usd: float


def _fill(
    series: Series, bars: BarColumns, ahead: BarColumns, longest_hole: int
) -> tuple[FloatArray, BoolArray]:
    """Return the bars' open interest without holes, seeing the bars before and after them.

    Over a hole longer than `longest_hole` the value before it is held.
    """
    n_before = len(series.unobserved_volume)
    nothing = np.full(n_before, np.nan)
    observed = np.concatenate((nothing, bars.open_interest, ahead.open_interest))
    filled, is_imputed = impute_open_interest(
        observed,
        np.concatenate((series.unobserved_volume, bars.volume, ahead.volume)),
        series.observed,
    )
    # The observation before the first bar takes part as one of a bar -1.
    values = np.concatenate(([series.observed], observed))
    before = bars.end[:1] if series.observed_end is None else np.array([series.observed_end])
    ends = np.concatenate((before, np.zeros(n_before, dtype=np.int64), bars.end, ahead.end))
    known = np.flatnonzero(~np.isnan(values))
    is_too_long = (np.diff(known) > 1) & (np.diff(ends[known]) > longest_hole)
    for at in np.flatnonzero(is_too_long):
        filled[known[at] : known[at + 1] - 1] = values[known[at]]
    own = slice(n_before, n_before + len(bars))
    return filled[own], is_imputed[own]


def _joined_bars(first: BarColumns | None, second: BarColumns) -> BarColumns:
    """Return the bars of both, one after the other."""
    if first is None:
        return second
    return BarColumns(
        *(
            np.concatenate((getattr(first, column.name), getattr(second, column.name)), axis=-1)
            for column in fields(BarColumns)
        )
    )


def _begin(series: Series, bars: BarColumns) -> tuple[BarColumns, BarColumns]:
    """Start a series at its first bar with open interest; return its trail and its bars.

    Of the bars before it, those of the last ``TRAIL`` that are as long as the last of them count.
    """
    known = np.flatnonzero(~np.isnan(bars.open_interest))
    first = int(known[0]) if len(known) else len(bars)
    trail = _joined_bars(series.trail, bars.part(0, first))
    bars = bars.part(first, len(bars))
    if len(trail):
        until = bars.start[0] if len(bars) else trail.end[-1]
        lengths = trail.end - trail.start
        is_left_out = (trail.start < until - TRAIL) | (lengths != lengths[-1])
        kept_from = len(trail) - int(np.argmax(is_left_out[::-1])) if is_left_out.any() else 0
        trail = trail.part(kept_from, len(trail))
    series.trail = trail if len(bars) == 0 else None
    return trail, bars


def _laid(
    parameters: EstimatorParameters,
    series: Series,
    trail: BarColumns,
    brackets: Brackets,
) -> State | None:
    """Return the state from which an estimator starts; None where no bars lie before it."""
    if len(trail) == 0:
        return None
    none = np.zeros(len(trail), dtype=np.bool_)
    return start_state(
        parameters,
        _as_bars(trail, np.zeros(len(trail)), none, none),
        brackets=brackets,
        contract_kind=series.contract_kind,
    )


def _remember(series: Series, bars: BarColumns) -> None:
    observed = np.flatnonzero(~np.isnan(bars.open_interest))
    if len(observed):
        series.observed = float(bars.open_interest[observed[-1]])
        series.observed_end = int(bars.end[observed[-1]])
        series.unobserved_volume = bars.volume[observed[-1] + 1 :]
    else:
        series.unobserved_volume = np.concatenate((series.unobserved_volume, bars.volume))
    series.last_bar_end = int(bars.end[-1])


def _as_bars(
    bars: BarColumns, open_interest: FloatArray, is_imputed: BoolArray, has_gap_before: BoolArray
) -> Bars:
    return Bars(
        open=bars.prices[0],
        high=bars.prices[1],
        low=bars.prices[2],
        close=bars.prices[3],
        mark_high=bars.prices[4],
        mark_low=bars.prices[5],
        volume=bars.volume,
        taker_buy=bars.taker_buy,
        open_interest=open_interest,
        is_imputed=is_imputed,
        has_gap_before=has_gap_before,
        bar_seconds=int((bars.end[0] - bars.start[0]) // SECOND) if len(bars) else 3600,
    )


def _default_brackets(
    series: Series, bars: BarColumns, open_interest: FloatArray, start: int
) -> list[HeldBrackets]:
    """Return the ladders assumed over these bars, before which the series' states stand."""
    state = next(iter(series.states.values()), None)
    before = (np.nan, np.nan) if state is None else (state.open_interest, state.close)
    is_inverse = series.contract_kind == "inverse"
    return default_by_size(
        series.asset,
        fee_ratio=liquidation_rule(series.venue, series.contract_kind).fee_ratio,
        start=start,
        usd_before=before[0] if is_inverse else before[0] * before[1],
        bar_starts=bars.start,
        open_interest_usd=open_interest if is_inverse else open_interest * bars.prices[3],
    )


def _cuts(
    held: list[HeldBrackets], bars: BarColumns, start: int, end: int, checkpoints: list[int]
) -> list[int]:
    """Return the instants that end a piece: checkpoints, changes of brackets or of bar length."""
    lengths = bars.end - bars.start
    changed = bars.start[1:][lengths[1:] != lengths[:-1]]
    inside = {*checkpoints, *(each.valid_from for each in held), *changed.tolist()}
    return [*sorted(cut for cut in inside if start < cut < end), end]


def _joined(pieces: list[Outputs], keep: BoolArray) -> Outputs:
    values: dict[str, Any] = {
        column.name: np.concatenate([getattr(piece, column.name) for piece in pieces])[keep]
        for column in fields(Outputs)
    }
    return Outputs(**values)


def replay(
    series: Series,
    estimators: tuple[EstimatorParameters, ...],
    bars: BarColumns,
    ahead: BarColumns,
    *,
    start: int,
    end: int,
    store_after: int,
    checkpoints: list[int],
    longest_hole: int,
    step: int = HOUR,
) -> list[Stretch]:
    """Move a series over the bars of (start, end] and return what each estimator made of it.

    Changes ``series`` to where it stands at `end`.

    Parameters
    ----------
    series : Series
        Where the series stands at `start`.
    estimators : tuple of EstimatorParameters
        Whose maps to make.
    bars, ahead : BarColumns
        Bars that end in (start, end], and some after them: an observation of open interest there
        tells what happened in a hole that is open at `end`.
    start, end : int
        The stretch [microseconds].
    store_after : int
        Hours up to this instant are not returned [microseconds].
    checkpoints : list of int
        Instants at which states are wanted [microseconds]. A state is left out where what comes
        later may still change it. Where that leaves none, there is one at the last midnight at
        which nothing can.
    longest_hole : int
        Over a hole in open interest longer than this its value is held [microseconds].
    step : int
        Time between maps, which stand at its multiples [microseconds].
    """
    trail = bars.part(0, 0)
    began = series.first_bar_start
    if began is None:
        trail, bars = _begin(series, bars)
        if len(bars) == 0:
            return []
        began = int((trail if len(trail) else bars).start[0])
        series.first_bar_start = began
    previous_end = series.last_bar_end
    settled = _Settled.of(series, bars, longest_hole)
    open_interest, is_imputed = _fill(series, bars, ahead, longest_hole)
    has_gap_before = np.ones(len(bars), dtype=np.bool_)
    if len(bars):
        has_gap_before[1:] = bars.start[1:] != bars.end[:-1]
        has_gap_before[0] = previous_end is not None and previous_end != bars.start[0]
        _remember(series, bars)
    model_bars = _as_bars(bars, open_interest, is_imputed, has_gap_before)

    # The first hour that a bar has reached; a series that goes on has one from the start.
    first_hour = (start if previous_end is not None else int(bars.end[0]) - 1) // step * step + step
    hours = np.arange(first_hour, end + 1, step, dtype=np.int64)
    last_bar = np.searchsorted(bars.end, hours, side="right") - 1
    before = previous_end if previous_end is not None else np.iinfo(np.int64).min // 2
    last_end = np.where(
        last_bar >= 0, bars.end[np.maximum(last_bar, 0)] if len(bars) else before, before
    )
    keep = (hours > store_after) & (hours - last_end < STALE_AFTER)

    checkpoints = settled.checkpoints(checkpoints, start, end)
    held = series.brackets or _default_brackets(series, bars, open_interest, start)
    cuts = _cuts(held, bars, start, end, checkpoints)
    bar_cuts = np.searchsorted(bars.end, cuts, side="right")
    hour_cuts = np.searchsorted(hours, cuts, side="right")
    stretches = []
    for parameters in estimators:
        state = series.states.get(parameters.provider)
        if state is None and len(bars):
            brackets = in_force(held, int(bars.start[0]))
            state = _laid(parameters, series, trail, brackets)
        pieces: list[Outputs] = []
        kept: list[Checkpoint] = []
        piece_start, bar_start, hour_start = start, 0, 0
        for cut, bar_stop, hour_stop in zip(cuts, bar_cuts, hour_cuts, strict=True):
            if state is not None or bar_stop > bar_start:
                state, outputs = run(
                    parameters,
                    _as_bars_part(model_bars, bars, bar_start, int(bar_stop)),
                    last_bar[hour_start:hour_stop] - bar_start,
                    brackets=in_force(held, piece_start),
                    contract_kind=series.contract_kind,
                    state=state,
                )
                pieces.append(outputs)
            if state is not None and cut in checkpoints:
                last_end_by_then = int(bars.end[bar_stop - 1]) if bar_stop > 0 else before
                kept.append(Checkpoint(cut, last_end_by_then, settled.observed_end(cut), state))
            piece_start, bar_start, hour_start = cut, int(bar_stop), int(hour_stop)
        if state is None:
            continue
        series.states[parameters.provider] = state
        age = hours[keep] - began
        outputs = _joined(pieces, keep)
        stretches.append(
            Stretch(
                provider=parameters.provider,
                params_hash=parameters.params_hash,
                hours=hours[keep],
                outputs=outputs,
                is_warm_up=is_warm_up(parameters, outputs, age / DAY),
                checkpoints=tuple(kept),
                brackets=tuple(held),
                reference_position_usd=parameters.reference_position_usd,
            )
        )
    return stretches


@dataclass(frozen=True, slots=True)
class _Settled:
    """Up to where what open interest was cannot change any more by observations to come.

    Parameters
    ----------
    ends : ndarray of int64, shape (n_bars + 1,)
        End of each bar, before the first that of the bar before [microseconds].
    observed_ends : ndarray of int64, shape (n_bars + 1,)
        End of the last bar up to it at which open interest was observed [microseconds].
    is_settled : ndarray of bool, shape (n_bars + 1,)
        Whether open interest was observed at it, or so long ago that its value is held.
    """

    ends: IntArray
    observed_ends: IntArray
    is_settled: BoolArray

    @classmethod
    def of(cls, series: Series, bars: BarColumns, longest_hole: int) -> "_Settled":
        """Return it for bars that follow what a series has seen."""
        never = np.iinfo(np.int64).min // 2
        last_end = never if series.last_bar_end is None else series.last_bar_end
        observed_end = never if series.observed_end is None else series.observed_end
        ends = np.concatenate(([last_end], bars.end))
        observed = np.where(np.isnan(bars.open_interest), never, bars.end)
        observed_ends = np.maximum.accumulate(np.concatenate(([observed_end], observed)))
        is_settled = (ends == observed_ends) | (ends - observed_ends > longest_hole)
        return cls(ends, observed_ends, is_settled & (observed_ends > never))

    def _at(self, instant: int) -> int:
        return int(np.searchsorted(self.ends, instant, side="right")) - 1

    def observed_end(self, instant: int) -> int:
        """Return the end of the last bar by then at which open interest was observed."""
        return int(self.observed_ends[self._at(instant)])

    def checkpoints(self, wanted: list[int], start: int, end: int) -> list[int]:
        """Return the instants wanted that are settled, else the last settled midnight if any."""
        settled = [at for at in wanted if self.is_settled[self._at(at)]]
        if settled:
            return settled
        midnights = range((start // DAY + 1) * DAY, end + 1, DAY)
        return [at for at in midnights if self.is_settled[self._at(at)]][-1:]


def _as_bars_part(model_bars: Bars, bars: BarColumns, start: int, stop: int) -> Bars:
    """Return a piece of the bars with the length its own bars have."""
    piece = model_bars.part(start, stop)
    if stop > start:
        seconds = int((bars.end[start] - bars.start[start]) // SECOND)
        if seconds != piece.bar_seconds:
            values = {column.name: getattr(piece, column.name) for column in fields(Bars)}
            return Bars(**{**values, "bar_seconds": seconds})
    return piece


def contract_kind(text: str) -> ContractKind:
    """Return the contract kind a row names; the warehouse stores no other."""
    return cast("ContractKind", text)
