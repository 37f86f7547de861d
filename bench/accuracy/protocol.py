"""Who is compared with whom, on which spans, and with which help.

Belongs here: splits in time, the models of a comparison, and the predictions of all of them. Does
not belong here: the fits (``transforms.skill.predictions``), the scores
(``transforms.skill.score_table``), and what is written about them (``page``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bench.accuracy.panels import LEVERAGE_MODELS
from transforms.calibration.poisson import fit_poisson
from transforms.path_only import PATH_ONLY
from transforms.series import BoolArray, FloatArray
from transforms.skill.forecast_features import forecast_features, lagged_features
from transforms.skill.nulls import move_term
from transforms.skill.panel import Panel, ScoreStatus
from transforms.skill.predictions import FLOOR_RATIO, Prediction, Terms, captured, predict_model
from transforms.skill.score_table import Score, ScoringRules, score_predictions

DAY: Final = 86_400_000_000

LEDGER_MODELS: Final = ("path_ledger", "volume_ledger")
FORECAST: Final = "liquidation_forecast"
LAGGED: Final = "lagged_forecast"

CALIBRATED: Final = "calibrated"
"""``turnover`` with the weights that fit what was realised, run again as they change."""

CALIBRATED_VOLUME: Final = "calibrated_volume"
"""The same with open interest held constant."""

CALIBRATED_PATH: Final = "calibrated_path"
"""The same with open interest and volume held constant."""

CALIBRATIONS: Final = (CALIBRATED, CALIBRATED_VOLUME, CALIBRATED_PATH)

FITTED: Final = " fitted"
"""Ending of a model whose weights by leverage are fitted, not those that ship."""

EQUAL_TERMS: Final[Mapping[str, Terms]] = {
    "none": Terms(capture_hours=None),
    "720 h": Terms(capture_hours=720),
    "168 h": Terms(capture_hours=168),
}
"""A constant, a term in the squared move, and three captures."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Panels and which of their spans are fitted and which are scored.

    Parameters
    ----------
    title : str
        What a reader calls it.
    panels : tuple of Panel
        One an asset.
    is_training, is_scored : tuple of ndarray of bool, each of shape (n_spans,)
        Spans by asset.
    """

    title: str
    panels: tuple[Panel, ...]
    is_training: tuple[BoolArray, ...]
    is_scored: tuple[BoolArray, ...]

    @property
    def mean_usd(self) -> tuple[float, ...]:
        """Return the mean training figure of each asset, sides pooled [USD]."""
        return tuple(
            float(panel.realised_usd[own & panel.has_figure].mean())
            for panel, own in zip(self.panels, self.is_training, strict=True)
        )


def has_all_models(panel: Panel) -> BoolArray:
    """Return the spans with a figure in which every model has a prediction, (n_spans,)."""
    rows = panel.has_figure.copy()
    for exposure in panel.exposures.values():
        rows &= np.isfinite(exposure).all(axis=(1, 2))
    return rows


def split_at(
    panels: Sequence[Panel], cut: int, *, stop: int | None = None, resume: int | None = None
) -> tuple[Split, Split]:
    """Return the split in time both ways: before fitted and after scored, then the other way.

    Parameters
    ----------
    panels : sequence of Panel
        One an asset.
    cut : int
        Spans that end by it lie before [microseconds since 1970, UTC].
    stop : int, optional
        Spans that end after it are not used.
    resume : int, optional
        Spans that end between ``cut`` and this are not used.
    """
    before, after = [], []
    for panel in panels:
        rows = has_all_models(panel)
        if stop is not None:
            rows &= panel.span_end <= stop
        before.append(rows & (panel.span_end <= cut))
        after.append(rows & (panel.span_end > (cut if resume is None else resume)))
    date = str(np.datetime64(cut, "us").astype("datetime64[D]"))
    own = tuple(panels)
    return (
        Split(f"fitted before {date}, tested after", own, tuple(before), tuple(after)),
        Split(f"fitted after {date}, tested before", own, tuple(after), tuple(before)),
    )


def with_models(split: Split) -> Split:
    """Return the split with every model's columns and features.

    A leverage estimator is there twice: as one column, its map as it ships, and by leverage, whose
    weights are fitted. The features of the forecast hold what the ledgers expect, fitted to the
    same training spans.
    """
    panels = []
    for panel, train in zip(split.panels, split.is_training, strict=True):
        exposures: dict[str, FloatArray] = {name: panel.exposures[name] for name in LEDGER_MODELS}
        exposures |= {
            name: panel.exposures[name] for name in CALIBRATIONS if name in panel.exposures
        }
        for name in (*LEVERAGE_MODELS, PATH_ONLY.provider):
            columns = panel.exposures.get(name)
            if columns is None:
                continue
            exposures[name] = columns.sum(axis=2, keepdims=True)
            if columns.shape[2] > 1:
                exposures[name + FITTED] = columns
        expected = [expected_from_levels(panel, name, train) for name in LEDGER_MODELS]
        features = {
            FORECAST: forecast_features(panel, *expected),
            LAGGED: lagged_features(panel),
        }
        panels.append(replace(panel, exposures=exposures, features=features))
    return replace(split, panels=tuple(panels))


def expected_from_levels(panel: Panel, ledger: str, train: BoolArray) -> FloatArray:
    """Return what a ledger expects from the levels crossed: no move, constant, capture (n, 2)."""
    columns, rows = panel.exposures[ledger], train & panel.has_figure
    fit = fit_poisson(columns[rows], panel.realised_usd[rows], move_term(panel)[rows])
    levels: FloatArray = np.maximum(columns @ fit.weights, fit.floor)
    return levels


def predict_all(split: Split, models: Sequence[str], terms: Terms) -> dict[str, Prediction]:
    """Return the predictions of some models of a split that has their columns."""
    return {model: predict_model(model, split.panels, split.is_training, terms) for model in models}


def predict_as_used(split: Split, models: Sequence[str]) -> dict[str, Prediction]:
    """Return what maps predict as people use them: one factor, that of the training totals."""
    predictions = {}
    for model in models:
        usd = []
        for panel, train, mean in zip(split.panels, split.is_training, split.mean_usd, strict=True):
            consumed, rows = panel.exposures[model].sum(axis=2), train & panel.has_figure
            factor = panel.realised_usd[rows].sum() / consumed[rows].sum()
            usd.append(captured(panel, factor * consumed, None, FLOOR_RATIO * mean))
        predictions[model] = Prediction(tuple(usd), ScoreStatus.SCORED)
    return predictions


def score_all(
    split: Split, predictions: Mapping[str, Prediction], nulls: Sequence[str]
) -> dict[tuple[str, str], Score]:
    """Return the scores by model and null; the null '' is the training mean."""
    rules = ScoringRules(accepts_lower_bound=True)
    scores = score_predictions(
        split.panels, predictions, split.is_scored, split.mean_usd, nulls, rules
    )
    return {(score.model, score.null): score for score in scores}
