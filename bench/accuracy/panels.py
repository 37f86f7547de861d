"""Panels of recorded spans: what happened, beside what each model consumed in it.

Belongs here: running the models over recorded hours. Does not belong here: reading files
(``recorded``) and fitting or scoring (``transforms.calibration``, ``transforms.skill``).

Every model runs from the first recorded bar, so that it is warm where realised figures begin.
Where months are missing, levels that price passed in them go in the first hour after them; that
hour is left out of every fit and score.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bench.accuracy.recorded import (
    HOUR,
    HourlyBars,
    fill_volume,
    read_binance_bars,
    read_bybit_bars,
    read_realised,
)
from transforms.accounting import impute_open_interest
from transforms.engine import run, start_state
from transforms.estimators import ESTIMATORS, EstimatorParameters
from transforms.grid import LOG_STEP
from transforms.ladders import default_brackets
from transforms.ledger import LEDGERS, LedgerParameters, advance
from transforms.path_only import PATH_ONLY, PATH_ONLY_BRACKETS, hold_constant
from transforms.series import LONG, Bars, BoolArray, Float32Array, FloatArray, IntArray
from transforms.skill.panel import Panel

LEVERAGE_MODELS: Final = (
    "open_interest",
    "turnover",
    "taker_tilt",
    "public_convention",
    "volume_profile",
)

LONGEST_HOLE_HOURS: Final = 24
"""Open interest that is missing for longer leaves what is built on it without a figure [h]."""

HISTORY_DAYS: Final = 45
"""Spans kept before the first realised figure, for features that look back [days]."""

TRAIL_DAYS: Final = 40
"""Bars before the first open interest over which a series spreads it [days]."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One asset's hours and its realised liquidations.

    Parameters
    ----------
    asset : str
        For example ``BTC``.
    span_hours : int
        Length of what is predicted at once [h].
    bars : HourlyBars
        Reference path.
    span_end : ndarray of int64, shape (n,)
        Ends of the spans with a realised figure [microseconds since 1970, UTC].
    realised_usd : ndarray of float64, shape (n, 2)
        Realised liquidations [USD].
    scope : str
        Venues that ``realised_usd`` covers.
    """

    asset: str
    span_hours: int
    bars: HourlyBars
    span_end: IntArray
    realised_usd: FloatArray
    scope: str


def read_recording(data: Path, asset: str, span_hours: int) -> Recording:
    """Return what is recorded of an asset: hours on Binance, 4 h on Bybit's bars."""
    end, realised, scope = read_realised(data, asset, f"{span_hours}h")
    read_bars = read_binance_bars if span_hours == 1 else read_bybit_bars
    return Recording(asset, span_hours, read_bars(data, asset), end, realised, scope)


def find_recording(data: Path, asset: str, span_hours: int) -> Recording | None:
    """Return what is recorded of an asset, None where the folder lacks bars or realised spans."""
    try:
        found = read_recording(data, asset, span_hours)
    except FileNotFoundError:
        return None
    return found if len(found.span_end) else None


def make_panel(
    recording: Recording, models: Sequence[str | EstimatorParameters] | None = None
) -> Panel:
    """Return the spans of a recording with the exposures of all models, or of some.

    Parameters
    ----------
    recording : Recording
        Hours and realised figures.
    models : sequence of str or EstimatorParameters, optional
        Names of ledgers and estimators, ``path_only`` among them, and estimators of one's own.

    Returns
    -------
    Panel
        From 45 days before the first realised figure. A span that lacks an hour, or follows a
        hole, is left out; so is one in which feeds showed nothing on either side: the least other
        hour of BTC has 180 USD, and those of zeros lie twelve hours apart.
    """
    bars = recording.bars
    shipped = (*LEDGERS, *LEVERAGE_MODELS, PATH_ONLY.provider)
    wanted = shipped if models is None else tuple(models)
    spans = _Spans.of(bars, recording.span_hours)
    volume, _ = fill_volume(bars)
    exposures: dict[str, FloatArray] = {}
    log_age = np.full((len(spans.last), 2), np.nan)
    model_bars = to_model_bars(bars, volume, np.zeros(len(bars)))
    for name in wanted:
        if isinstance(name, EstimatorParameters):
            exposures[name.provider] = _estimator_exposure(name, recording, volume, spans)
        elif name in LEDGERS:
            exposures[name], age = _ledger_exposure(LEDGERS[name], model_bars, spans)
            log_age = age if name == "path_ledger" else log_age
        elif name != PATH_ONLY.provider:
            exposures[name] = _estimator_exposure(ESTIMATORS[name], recording, volume, spans)
    realised = np.full((len(spans.last), 2), np.nan)
    here, there = np.intersect1d(spans.end, recording.span_end, return_indices=True)[1:]
    realised[here] = recording.realised_usd[there]
    previous_close = np.append(np.nan, bars.close[spans.last[:-1]])
    first = spans.first
    panel = Panel(
        span_end=spans.end,
        span_seconds=recording.span_hours * 3600,
        realised_usd=realised,
        is_complete=np.zeros(len(spans.last), dtype=np.bool_),
        is_left_out=spans.is_broken | (realised.sum(axis=1) == 0.0),
        open=bars.open[first],
        high=np.maximum.reduceat(bars.high, first),
        low=np.minimum.reduceat(bars.low, first),
        close=bars.close[spans.last],
        previous_close=np.where(spans.is_broken, np.nan, previous_close),
        volume_usd=np.add.reduceat(volume * bars.close, first),
        open_interest_usd=(bars.open_interest * bars.close)[spans.last],
        exposures=exposures,
        log_age=log_age,
        asset=recording.asset,
    )
    if len(here) == 0:
        raise FileNotFoundError(f"{recording.asset}: no realised figure lies within its bars")
    if PATH_ONLY.provider in wanted:
        exposures[PATH_ONLY.provider] = path_exposure(recording, panel)
        panel = replace(panel, exposures=exposures)
    kept = spans.end > spans.end[here[0]] - HISTORY_DAYS * 24 * HOUR
    return panel.part(kept & (spans.end <= spans.end[here[-1]]))


@dataclass(frozen=True, slots=True, eq=False)
class _Spans:
    """Spans over hourly bars: their end, first and last bar, and whether they lack an hour."""

    end: IntArray
    first: IntArray
    last: IntArray
    is_broken: BoolArray

    @classmethod
    def of(cls, bars: HourlyBars, hours: int) -> "_Spans":
        """Return the spans that bars fall into."""
        number = -(-bars.bar_end // (hours * HOUR))
        first = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
        last = np.append(first[1:], len(bars)) - 1
        is_broken = (last - first + 1 != hours) | np.logical_or.reduceat(bars.has_gap_before, first)
        is_broken[0] = True
        return cls(number[first] * hours * HOUR, first, last, is_broken)


def to_model_bars(bars: HourlyBars, volume: FloatArray, open_interest: FloatArray) -> Bars:
    """Return bars as the models take them."""
    return Bars(
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        mark_high=bars.mark_high,
        mark_low=bars.mark_low,
        volume=volume,
        taker_buy=np.minimum(bars.taker_buy, volume),
        open_interest=open_interest,
        is_imputed=np.isnan(bars.open_interest),
        has_gap_before=bars.has_gap_before,
        bar_seconds=3600,
        bar_end=bars.bar_end,
    )


def _ledger_exposure(
    ledger: LedgerParameters, bars: Bars, spans: _Spans
) -> tuple[FloatArray, FloatArray]:
    """Return what a ledger consumed, and how old it was."""
    _, outputs = advance(ledger, bars, spans.last)
    return outputs.exposure, outputs.log_age


def path_exposure(
    recording: Recording,
    panel: Panel,
    parameters: EstimatorParameters = PATH_ONLY,
    *,
    has_volume: bool = False,
) -> FloatArray:
    """Return what an estimator consumes where open interest never changes, by span of a panel.

    Parameters
    ----------
    recording : Recording
        Hours.
    panel : Panel
        Spans of that recording.
    parameters : EstimatorParameters
        The estimator.
    has_volume : bool
        Whether volume is that of the market, over its mean of the 30 days before; else it is held
        constant too, which is ``path_only``.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2, n_tiers)
        Consumed and swept [USD of one unit of the asset].
    """
    bars, spans = recording.bars, _Spans.of(recording.bars, recording.span_hours)
    volume, _ = fill_volume(bars)
    still = hold_constant(to_model_bars(bars, volume, np.zeros(len(bars))))
    if has_volume:
        still = replace(still, volume=still.volume * volume / trailing_mean(bars, volume, 720))
    _, outputs = run(parameters, still, spans.last, brackets=PATH_ONLY_BRACKETS)
    rows = np.searchsorted(spans.end, panel.span_end)
    return np.asarray((outputs.consumed_usd + outputs.swept_usd)[rows])


def trailing_mean(bars: HourlyBars, values: FloatArray, hours: int) -> FloatArray:
    """Return the mean of the hours that end with each bar, in the unit of the values."""
    start = np.searchsorted(bars.bar_end, bars.bar_end - hours * HOUR, side="right")
    total, here = np.append(0.0, np.cumsum(values)), np.arange(1, len(values) + 1)
    mean: FloatArray = (total[here] - total[start]) / (here - start)
    return mean


def _estimator_exposure(
    parameters: EstimatorParameters, recording: Recording, volume: FloatArray, spans: _Spans
) -> FloatArray:
    """Return what an estimator consumed in each span, NaN where open interest is not known."""
    bars = recording.bars
    is_known = np.isfinite(bars.open_interest)
    n_columns = 1 if parameters.model == "volume_profile" else len(parameters.leverages)
    exposure = np.full((len(spans.last), 2, n_columns), np.nan)
    if not is_known.any():
        return exposure
    first = int(np.argmax(is_known))
    filled, _ = impute_open_interest(bars.open_interest[first:], volume[first:])
    own = to_model_bars(bars, volume, np.concatenate((np.zeros(first), filled)))
    brackets = default_brackets(recording.asset)
    trail = own.part(int(np.searchsorted(bars.bar_end, _trail_start(bars, first))), first)
    state = start_state(parameters, trail, brackets=brackets) if len(trail) else None
    written = np.flatnonzero(spans.last >= first)
    _, outputs = run(
        parameters,
        own.part(first, len(own)),
        spans.last[written] - first,
        brackets=brackets,
        state=state,
    )
    if parameters.model == "volume_profile":
        held = _held_between(outputs.liquidation_usd, outputs.first_bin, own, spans, written)
        exposure[written[1:], :, 0] = held
    else:
        exposure[written] = outputs.consumed_usd + outputs.swept_usd
    exposure[_lies_in_hole(bars, is_known)[spans.last]] = np.nan
    # The first span of a series has no state before it.
    exposure[written[0]] = np.nan
    return exposure


def _trail_start(bars: HourlyBars, first: int) -> int:
    return int(bars.bar_end[first]) - TRAIL_DAYS * 24 * HOUR


def _lies_in_hole(bars: HourlyBars, is_known: BoolArray) -> BoolArray:
    """Return which hours are further than ``LONGEST_HOLE_HOURS`` after the last observation."""
    last_known = np.maximum.accumulate(np.where(is_known, bars.bar_end, 0))
    next_known = np.minimum.accumulate(
        np.where(is_known, bars.bar_end, np.iinfo(np.int64).max)[::-1]
    )[::-1]
    lies: BoolArray = ~is_known & (
        np.minimum(next_known, bars.bar_end[-1]) - last_known > LONGEST_HOLE_HOURS * HOUR
    )
    return lies


def _held_between(
    usd: Float32Array, first_bin: IntArray, bars: Bars, spans: _Spans, written: IntArray
) -> FloatArray:
    """Return what each map holds between the extremes of the span after it, by side [USD].

    A bin that an extreme lies in counts with the part of it that price went through.
    """
    high = np.maximum.reduceat(bars.high, spans.first)[written[1:]]
    low = np.minimum.reduceat(bars.low, spans.first)[written[1:]]
    edge = (2.0 * first_bin[:-1] - 0.5) * LOG_STEP
    below = np.concatenate((np.zeros((*usd.shape[:2], 1)), np.cumsum(usd, axis=2)), axis=2)[:-1]
    n_edges = below.shape[2]
    held = np.empty((len(high), 2))
    for side, extreme in enumerate((low, high)):
        place = np.clip((np.log(extreme) - edge) / (2.0 * LOG_STEP), 0.0, n_edges - 1.0)
        whole = np.minimum(place.astype(np.int64), n_edges - 2)
        row = np.arange(len(place))
        at = below[row, side, whole] + (place - whole) * (
            below[row, side, whole + 1] - below[row, side, whole]
        )
        held[:, side] = below[:, side, -1] - at if side == LONG else at
    return held
