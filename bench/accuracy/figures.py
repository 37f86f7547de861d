"""Every figure of the page, from panels to records.

Belongs here: which comparison gives which figure. Does not belong here: how it is written
(``page``) and drawn (``pictures``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from bench.accuracy.panels import (
    LEVERAGE_MODELS,
    Recording,
    make_panel,
    path_exposure,
    trailing_mean,
)
from bench.accuracy.protocol import (
    CALIBRATED,
    CALIBRATED_PATH,
    CALIBRATED_VOLUME,
    CALIBRATIONS,
    DAY,
    EQUAL_TERMS,
    FITTED,
    FORECAST,
    LAGGED,
    LEDGER_MODELS,
    Split,
    predict_all,
    predict_as_used,
    score_all,
    with_models,
)
from bench.accuracy.recorded import HOUR, fill_volume
from transforms.calibration.capture import trailing_capture
from transforms.calibration.interval import trailing_interval
from transforms.calibration.poisson import poisson_deviance
from transforms.calibration.tiers import TierObservations, fit_tiers
from transforms.estimators import ESTIMATORS
from transforms.ledger import LEDGERS
from transforms.path_only import PATH_ONLY
from transforms.series import BoolArray, FloatArray
from transforms.skill.nulls import move_term
from transforms.skill.panel import Panel, ScoreStatus
from transforms.skill.places import PlaceScore, halves_within, score_places
from transforms.skill.predictions import Prediction
from transforms.skill.score_table import Score, ScoringRules
from transforms.skill.scores import window_ratios

WEEK: Final = "168 h"
MODELS: Final = (
    *LEDGER_MODELS,
    FORECAST,
    "extension_glm",
    "activity_glm",
    "distance_profile",
    PATH_ONLY.provider,
    PATH_ONLY.provider + FITTED,
    *CALIBRATIONS,
    *(
        name + ending
        for name in LEVERAGE_MODELS
        for ending in ("", FITTED)
        if name + ending != "volume_profile" + FITTED
    ),
    LAGGED,
)
"""Every model of the tables, in their order."""

N_SHUFFLES: Final = 5
INTERVAL: Final = (0.1, 0.9)
TRAILING_HOURS: Final = 168
CAPTURE_HOURS: Final = 720

Scores = dict[tuple[str, str], Score]


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One split in time: its predictions and scores.

    Parameters
    ----------
    split : Split
        With the columns of every model.
    as_used : dict
        Scores of the maps scaled by one factor, by model and null.
    predictions : mapping of str to dict
        Predictions by capture and model.
    scores : mapping of str to dict
        Scores by capture, then by model and null.
    """

    split: Split
    as_used: Scores
    predictions: Mapping[str, dict[str, Prediction]]
    scores: Mapping[str, Scores]


def calibrate(recording: Recording, split: Split) -> Split:
    """Return the split with ``turnover`` run with weights fitted to its training spans.

    As ``transforms.calibration.tiers`` has it: no constant in the fit, a capture of 30 days, taken
    from the model with the weights that ship. So too with open interest held constant, and with
    open interest and volume held constant: what is left between them is what open interest adds.
    """
    shipped, panel = ESTIMATORS["turnover"], split.panels[0]

    def run_market(weights: FloatArray) -> FloatArray:
        own = replace(shipped, provider=CALIBRATED, weights=tuple(weights.tolist()))
        return make_panel(recording, (own,)).exposures[CALIBRATED]

    def run_still(weights: FloatArray, *, has_volume: bool) -> FloatArray:
        own = replace(PATH_ONLY, weights=tuple(weights.tolist()))
        return path_exposure(recording, panel, own, has_volume=has_volume)

    runs: dict[str, Callable[[FloatArray], FloatArray]] = {
        CALIBRATED: run_market,
        CALIBRATED_VOLUME: partial(run_still, has_volume=True),
        CALIBRATED_PATH: partial(run_still, has_volume=False),
    }
    exposures = dict(panel.exposures)
    for name, run in runs.items():
        weights = _calibrated_weights(run, split)
        if weights is not None:
            exposures[name] = run(weights)
    return replace(split, panels=(replace(panel, exposures=exposures),))


def _calibrated_weights(run: Callable[[FloatArray], FloatArray], split: Split) -> FloatArray | None:
    """Return fitted weights by leverage, None without figures."""
    shipped, panel, train = ESTIMATORS["turnover"], split.panels[0], split.is_training[0]
    prior = np.array(shipped.weights)
    realised = np.where((train & panel.has_figure)[:, None], panel.realised_usd, np.nan)
    capture = trailing_capture(
        realised, run(prior).sum(axis=2), CAPTURE_HOURS, span_end=panel.span_end
    )
    observed = TierObservations(
        realised,
        move_term(panel),
        np.append(np.nan, panel.open_interest_usd[:-1]),
        np.where(np.isfinite(capture), capture, 1.0),
    )
    fit = fit_tiers(run, np.array(shipped.leverages), prior, observed)
    return fit.weights if fit.status.has_figures else None


def run_way(split: Split, nulls: Sequence[str] = ("extension_glm",)) -> Way:
    """Return predictions and scores of every model on a split."""
    own = with_models(split)
    predictions = {label: predict_all(own, MODELS, terms) for label, terms in EQUAL_TERMS.items()}
    return Way(
        own,
        score_all(own, predict_as_used(own, LEVERAGE_MODELS), ()),
        predictions,
        {label: score_all(own, one, nulls) for label, one in predictions.items()},
    )


def both_ways(ways: Sequence[Way], capture: str) -> tuple[Split, dict[str, Prediction]]:
    """Return the predictions of every span by the fit that never saw it."""
    first = ways[0].split
    predictions = {}
    for model in MODELS:
        usd = []
        for asset in range(len(first.panels)):
            joined = np.full_like(first.panels[asset].realised_usd, np.nan)
            for way in ways:
                rows = way.split.is_scored[asset]
                joined[rows] = way.predictions[capture][model].usd[asset][rows]
            usd.append(joined)
        predictions[model] = Prediction(tuple(usd), ScoreStatus.SCORED)
    scored = tuple(
        np.logical_or.reduce([way.split.is_scored[asset] for way in ways])
        for asset in range(len(first.panels))
    )
    return replace(first, is_training=scored, is_scored=scored), predictions


def without_largest_days(split: Split, n_days: int = 2) -> Split:
    """Return the split without the scored days on which most was realised, all assets together."""
    totals: dict[int, float] = {}
    for panel, rows, mean in zip(split.panels, split.is_scored, split.mean_usd, strict=True):
        own = rows & panel.has_figure
        days = (panel.span_end[own] - 1) // DAY
        for day, usd in zip(days.tolist(), panel.realised_usd[own].sum(axis=1), strict=True):
            totals[day] = totals.get(day, 0.0) + float(usd) / mean
    largest = sorted(totals, key=lambda day: totals[day])[-n_days:]
    kept = tuple(
        rows & ~np.isin((panel.span_end - 1) // DAY, largest)
        for panel, rows in zip(split.panels, split.is_scored, strict=True)
    )
    return replace(split, is_scored=kept)


@dataclass(frozen=True, slots=True)
class VolumeGain:
    """What the volume ledger removes beyond one whose deposits know less.

    Parameters
    ----------
    title : str
        What the other ledger deposits.
    removed, low, high : mapping of str to float
        Deviance removed from the other's, with its 95 % interval, by capture [1].
    """

    title: str
    removed: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]


def volume_gains(recording: Recording, ways: Sequence[Way]) -> list[VolumeGain]:
    """Return what volume adds as a place, every span predicted by the fit that never saw it."""
    names = {
        "no volume (path_ledger)": ["path_ledger"],
        "deposits shuffled within 24 h": [f"shuffled {seed}" for seed in range(N_SHUFFLES)],
        "mean deposit of the last 7 days": ["level"],
        "mean deposit of the hour of the week": ["clock"],
    }
    columns = {
        name: make_panel(_with_volume(recording, volume), ("volume_ledger",))
        for name, volume in _volumes(recording).items()
    }
    found: dict[str, dict[str, tuple[float, float, float]]] = {title: {} for title in names}
    for label, terms in EQUAL_TERMS.items():
        joined: dict[str, FloatArray] = {}
        for way in ways:
            panel = way.split.panels[0]
            exposures = {name: one.exposures["volume_ledger"] for name, one in columns.items()}
            split = replace(way.split, panels=(replace(panel, exposures=exposures),))
            rows = way.split.is_scored[0]
            for name, one in predict_all(split, list(columns), terms).items():
                joined.setdefault(name, np.full_like(panel.realised_usd, np.nan))
                joined[name][rows] = one.usd[0][rows]
        split, predictions = both_ways(ways, label)
        others = {name: Prediction((usd,), ScoreStatus.SCORED) for name, usd in joined.items()}
        scores = score_all(split, predictions | others, [*LEDGER_MODELS, *others])
        for title, members in names.items():
            rows_of = [scores["volume_ledger", name] for name in members]
            found[title][label] = tuple(  # type: ignore[assignment]
                float(np.mean([getattr(row, name) for row in rows_of]))
                for name in ("d2", "d2_low", "d2_high")
            )
    return [
        VolumeGain(title, *({label: one[k] for label, one in by.items()} for k in range(3)))
        for title, by in found.items()
    ]


def _volumes(recording: Recording) -> dict[str, FloatArray]:
    """Return volumes whose deposits know less than those of the recorded one [units of the asset].

    A deposit is USD over the range of its hour. It is the deposits that are shuffled or averaged:
    volume of one hour over the range of another would be noise of its own.
    """
    bars = recording.bars
    log_range = np.maximum(np.log(bars.high / bars.low), LEDGERS["volume_ledger"].range_floor)
    deposit = fill_volume(bars)[0] * bars.close / log_range
    hour = bars.bar_end // HOUR
    deposits: dict[str, FloatArray] = {}
    day = (hour - 1) // 24
    for seed in range(N_SHUFFLES):
        key = np.random.default_rng(seed).random(len(deposit))
        shuffled = np.empty_like(deposit)
        shuffled[np.lexsort((hour, day))] = deposit[np.lexsort((key, day))]
        deposits[f"shuffled {seed}"] = shuffled
    deposits["level"] = trailing_mean(bars, deposit, TRAILING_HOURS)
    week = hour % 168
    deposits["clock"] = (np.bincount(week, deposit) / np.bincount(week))[week]
    return {name: one * log_range / bars.close for name, one in deposits.items()}


def _with_volume(recording: Recording, volume: FloatArray) -> Recording:
    """Return the recording with another volume."""
    return replace(recording, bars=replace(recording.bars, volume=volume))


@dataclass(frozen=True, slots=True)
class IntervalCoverage:
    """How often realised figures lie in the 80 % interval of a model's prediction.

    Parameters
    ----------
    title : str
        How the interval is made.
    share : float
        Over all hours and sides [0-1].
    by_size : tuple of float
        The same by thirds of the prediction, small to large [0-1].
    share_of_spans : float
        Of both sides together, the interval of the sum [0-1].
    """

    title: str
    share: float
    by_size: tuple[float, ...]


def coverages(split: Split, prediction: Prediction) -> list[IntervalCoverage]:
    """Return the coverage of two intervals on one asset, out of sample.

    Both multiply the prediction by quantiles of realised / predicted: of the 168 h before, whatever
    the size of the prediction, or of the 30 days before with predictions of that size.
    """
    panel, usd, rows = split.panels[0], prediction.usd[0], split.is_scored[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(rows[:, None], panel.realised_usd / usd, np.nan)
    low, high = _trailing_quantiles(panel, ratio)
    found = [_coverage("ratios of the week before", ratio, low, high, usd)]
    bounds = trailing_interval(panel.realised_usd, usd, panel.span_end, is_usable=rows)
    low, high = (bounds / usd[..., None]).transpose(2, 0, 1)
    found.append(_coverage("ratios of 30 days before, by size", ratio, low, high, usd))
    return found


def _trailing_quantiles(panel: Panel, ratio: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return quantiles of the ratios of the week before each span, by span and side alike."""
    low, high = np.full_like(ratio, np.nan), np.full_like(ratio, np.nan)
    start = np.searchsorted(panel.span_end, panel.span_end - TRAILING_HOURS * HOUR)
    for row in range(len(panel)):
        seen = ratio[start[row] : row]
        seen = seen[np.isfinite(seen)]
        if len(seen) >= 48:
            low[row], high[row] = np.quantile(seen, INTERVAL)
    return low, high


def _coverage(
    title: str, ratio: FloatArray, low: FloatArray, high: FloatArray, usd: FloatArray
) -> IntervalCoverage:
    """Return how often ratios lie inside, all together and by thirds of the prediction."""
    is_known = np.isfinite(ratio) & np.isfinite(low)
    inside = (ratio >= low) & (ratio <= high)
    edges = np.quantile(usd[is_known], [1 / 3, 2 / 3])
    third = np.searchsorted(edges, usd)
    return IntervalCoverage(
        title,
        float(inside[is_known].mean()),
        tuple(float(inside[is_known & (third == one)].mean()) for one in range(3)),
    )


@dataclass(frozen=True, slots=True)
class Month:
    """Predicted over realised USD in a calendar month, by model [ratio]."""

    month: str
    hours: int
    ratio: Mapping[str, float]


def monthly_ratios(panel: Panel, rows: BoolArray, usd: Mapping[str, FloatArray]) -> list[Month]:
    """Return the ratios of calendar months with a week of hours or more."""
    own = np.flatnonzero(rows & panel.has_figure)
    month = (panel.span_end[own] - 1).astype("datetime64[us]").astype("datetime64[M]")
    found = []
    for one in np.unique(month):
        at = own[month == one]
        if len(at) * panel.span_hours < 168.0:
            continue
        total = panel.realised_usd[at].sum()
        ratios = {model: float(values[at].sum() / total) for model, values in usd.items()}
        found.append(Month(str(one), round(len(at) * panel.span_hours), ratios))
    return found


def window_ratios_of(panel: Panel, rows: BoolArray, usd: FloatArray, days: float) -> FloatArray:
    """Return predicted / realised of every window of some days that moves on by a day."""
    own = rows & panel.has_figure
    ratios = window_ratios(
        panel.realised_usd[own], usd[own], panel.span_end[own], panel.span_seconds, days
    )
    return ratios[np.isfinite(ratios)]


def largest_ratios(way: Way, models: Sequence[str]) -> dict[str, float]:
    """Return the largest predicted side of a span over the largest ever realised, by model.

    Every span of the panel counts whose path is known, scored or not, without capture.
    """
    panel = way.split.panels[0]
    ever = np.nanmax(np.where(panel.has_figure[:, None], panel.realised_usd, np.nan))
    return {
        model: float(np.nanmax(way.predictions["none"][model].usd[0]) / ever) for model in models
    }


def which_half(split: Split, predictions: Mapping[str, Prediction]) -> list[PlaceScore]:
    """Return the S-test of the halves of two hours, by side, against chance and ``path_only``."""
    rows = split.is_scored[0]
    panel = split.panels[0]
    shown = {model: one.usd[0][rows] for model, one in predictions.items()}
    places = halves_within(panel.part(rows), shown)
    return score_places(places, [PATH_ONLY.provider], ScoringRules(accepts_lower_bound=True))


@dataclass(frozen=True, slots=True)
class AmountsBySize:
    """Mean realised against mean predicted USD, by size of the prediction."""

    predicted: FloatArray
    realised: FloatArray
    count: int


def reliability(split: Split, prediction: Prediction, n_groups: int = 12) -> AmountsBySize:
    """Return mean predicted and realised USD of equally large groups of spans and sides."""
    rows = split.is_scored[0]
    usd, realised = prediction.usd[0][rows].ravel(), split.panels[0].realised_usd[rows].ravel()
    groups = np.array_split(np.argsort(usd), n_groups)
    return AmountsBySize(
        np.array([usd[group].mean() for group in groups]),
        np.array([realised[group].mean() for group in groups]),
        len(groups[0]),
    )


def deviance_of_largest_hours(split: Split, model: FloatArray, null: FloatArray, n: int) -> float:
    """Return the share of a gain in deviance over a null that its largest hours carry [ratio]."""
    rows = split.is_scored[0]
    realised = split.panels[0].realised_usd[rows]
    gain = (poisson_deviance(realised, null[rows]) - poisson_deviance(realised, model[rows])).sum(
        axis=1
    )
    return float(np.sort(gain)[-n:].sum() / gain.sum())
