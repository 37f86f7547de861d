"""What a model predicts of every span once it is fitted to some of them, on equal terms.

Belongs here: the fit of one model to one asset or a pool of them, capture and floor. Does not
belong here: how columns become a fit (``transforms.calibration``), which spans are fitted and
which are scored (``evaluate``).

Every model and every null gets the same help: a constant, a term in the squared move, and the
capture of the week before. What is then left between two of them is what their columns know.

A pool of assets is fitted at once. Each asset's amounts, columns and squared moves are divided by
their mean over its own training spans, and each asset's predictions are scaled to its own training
total. Models with a log link read features less their mean over the asset's training spans, and get
a dummy for each asset instead. So an asset's size is its own, and only the shape is shared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.calibration.capture import trailing_capture
from transforms.calibration.fit_status import FitStatus
from transforms.calibration.poisson import fit_poisson, predict
from transforms.calibration.tweedie import fit_tweedie, predict_tweedie
from transforms.errors import InvalidParameters
from transforms.series import BoolArray, FloatArray
from transforms.skill.nulls import COLUMN_NULLS, FEATURE_NULLS, move_term
from transforms.skill.panel import Panel, ScoreStatus

FLOOR_RATIO: Final = 0.001
"""Least prediction, in units of the asset's mean training figure [ratio]."""

LEAST_CAPTURE_HOURS: Final = 24
"""Time with figures that a capture needs [h]; where there is less it is 1."""

PRIOR_RATE_RATIO: Final = 0.05 / 64
"""Rate of the prior for each column a model has [ratio]. The ledgers have 64 and get the 5 % that
they are fitted with; a model of one column would get a constant of a twentieth of all there is."""

NULL_POWER: Final = 1.05
"""Tweedie power of the nulls with a log link. Scores are Poisson deviances, and nulls fitted to
nearly those are the hardest to beat: on recorded hours ``extension_glm`` removes .815 and .836 of
the deviance of BTC, both ways, and .737 on four coins at 4 h, rather than .814, .829 and .707 with
the power of the forecast."""

MODEL_POWER: Final = 1.5
"""Tweedie power of models with a log link."""

LEAST_KNOWN_SHARE: Final = 0.5
"""Share of the training spans in which a feature has to be known, else it is left out [ratio]."""

_STATUS: Final = {
    FitStatus.FITTED: ScoreStatus.SCORED,
    FitStatus.NOT_CONVERGED: ScoreStatus.NOT_CONVERGED,
    FitStatus.TOO_FEW_SPANS: ScoreStatus.TOO_FEW_SPANS,
    FitStatus.NOTHING_REALISED: ScoreStatus.ALL_ZERO,
    FitStatus.NOTHING_PREDICTED: ScoreStatus.NO_PREDICTION,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """The help that every model and null is given.

    Parameters
    ----------
    has_move, has_constant : bool
        Whether the fit of columns has a term in the squared move (``nulls.move_term``) and a
        constant. Models with a log link always have both. Without them, and with one column, a
        model is scaled by one factor: as people use maps.
    capture_hours : int or None
        Window of the capture [h]; None for no capture.

    Raises
    ------
    InvalidParameters
        If the window is below an hour.

    Examples
    --------
    >>> Terms().capture_hours, Terms(has_move=False, has_constant=False, capture_hours=None)
    (168, Terms(has_move=False, has_constant=False, capture_hours=None))
    """

    has_move: bool = True
    has_constant: bool = True
    capture_hours: int | None = 168

    def __post_init__(self) -> None:
        """Check the window."""
        if self.capture_hours is not None and self.capture_hours < 1:
            raise InvalidParameters(f"capture_hours is {self.capture_hours}; give 1 or more")


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What one model predicts.

    Parameters
    ----------
    usd : tuple of ndarray of float64, each of shape (n_spans, 2)
        Expected realised USD by asset, capture included, floored [USD]. NaN: no prediction.
    status : ScoreStatus
        ``SCORED`` where there are predictions, else why not.
    """

    usd: tuple[FloatArray, ...]
    status: ScoreStatus


def predict_model(
    model: str, panels: Sequence[Panel], is_training: Sequence[BoolArray], terms: Terms
) -> Prediction:
    """Return what a model predicts of every span, fitted to the training spans.

    Parameters
    ----------
    model : str
        Key of the panels' exposures or features, or a null of ``nulls``.
    panels : sequence of Panel
        One an asset.
    is_training : sequence of ndarray of bool, each of shape (n_spans,)
        Spans to fit, by asset; those without a figure are not read.
    terms : Terms
        What is added to the model's own columns.

    Returns
    -------
    Prediction
        No prediction where an asset lacks the model, or where the fit has no figures or did not
        converge.

    Examples
    --------
    A third of what a model consumes is realised:

    >>> one, consumed = np.ones(200), np.tile([[3.0, 6.0], [9.0, 0.0]], (100, 1))
    >>> panel = Panel(
    ...     np.arange(1, 201) * 3_600_000_000, 3600, consumed / 3.0, one > 0, one < 0, one, one,
    ...     one, one, one, one, one, {"map": consumed[..., None]}, consumed,
    ... )
    >>> terms = Terms(has_move=False, has_constant=False, capture_hours=None)
    >>> predict_model("map", [panel], [one > 0], terms).usd[0][0].round(3).tolist()
    [1.0, 2.0]
    >>> predict_model("unknown", [panel], [one > 0], terms).status.value
    'no_prediction'
    """
    rows = [train & panel.has_figure for train, panel in zip(is_training, panels, strict=True)]
    means = [_mean(panel.realised_usd[own]) for panel, own in zip(panels, rows, strict=True)]
    if not all(mean > 0.0 for mean in means):
        return _nothing(panels, ScoreStatus.ALL_ZERO)
    if (columns := _columns(model, panels)) is not None:
        status, expected = _fit_columns(columns, panels, rows, means, terms)
    elif (features := _features(model, panels)) is not None:
        power = NULL_POWER if model in FEATURE_NULLS else MODEL_POWER
        status, expected = _fit_features(features, panels, rows, means, power)
    else:
        return _nothing(panels, ScoreStatus.NO_PREDICTION)
    if status is not ScoreStatus.SCORED:
        return _nothing(panels, status)
    usd = tuple(
        captured(panel, one, terms.capture_hours, FLOOR_RATIO * mean)
        for panel, one, mean in zip(panels, expected, means, strict=True)
    )
    return Prediction(usd, status)


def captured(
    panel: Panel, expected_usd: FloatArray, capture_hours: int | None, floor_usd: float
) -> FloatArray:
    """Return predictions times the capture of the time before, floored.

    Parameters
    ----------
    panel : Panel
        Realised figures; flagged spans are not read.
    expected_usd : ndarray of float64, shape (n_spans, 2)
        Expected realised USD before capture [USD].
    capture_hours : int or None
        Window of the capture [h]; None for no capture.
    floor_usd : float
        Least prediction [USD].

    Returns
    -------
    ndarray of float64, shape (n_spans, 2)
        Predictions [USD]; the capture is 1 where it is not known.

    Examples
    --------
    Half of what is expected comes, hour after hour; known after a day:

    >>> one, realised = np.ones(30), np.ones((30, 2))
    >>> panel = Panel(
    ...     np.arange(1, 31) * 3_600_000_000, 3600, realised, one > 0, one < 0, one, one, one, one,
    ...     one, one, one, {}, realised,
    ... )
    >>> captured(panel, 2.0 * realised, 168, 0.001)[[0, 29], 0].tolist()
    [2.0, 1.0]
    """
    if capture_hours is not None:
        capture = trailing_capture(
            panel.realised_usd,
            expected_usd,
            capture_hours,
            max(round(LEAST_CAPTURE_HOURS / panel.span_hours), 1),
            is_usable=panel.has_figure,
            span_end=panel.span_end,
        )
        expected_usd = expected_usd * np.where(np.isfinite(capture), capture, 1.0)[:, None]
    floored: FloatArray = np.maximum(expected_usd, floor_usd)
    return floored


def _nothing(panels: Sequence[Panel], status: ScoreStatus) -> Prediction:
    """Return that nothing is predicted, and why."""
    return Prediction(tuple(np.full((len(panel), 2), np.nan) for panel in panels), status)


def _mean(values: FloatArray) -> float:
    """Return the mean of what is known, NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else np.nan


def _columns(model: str, panels: Sequence[Panel]) -> list[FloatArray] | None:
    """Return the non-negative columns of a model by asset; None where an asset has none."""
    if model in COLUMN_NULLS:
        return [COLUMN_NULLS[model](panel) for panel in panels]
    if all(model in panel.exposures for panel in panels):
        return [panel.exposures[model] for panel in panels]
    return None


def _features(model: str, panels: Sequence[Panel]) -> list[FloatArray] | None:
    """Return the features of a model by asset; None where an asset has none."""
    if model in FEATURE_NULLS:
        return [FEATURE_NULLS[model](panel) for panel in panels]
    if all(model in panel.features for panel in panels):
        return [panel.features[model] for panel in panels]
    return None


def _fit_columns(
    columns: list[FloatArray],
    panels: Sequence[Panel],
    rows: Sequence[BoolArray],
    means: Sequence[float],
    terms: Terms,
) -> tuple[ScoreStatus, list[FloatArray]]:
    """Return expected USD before capture, linear in the columns."""
    moves = [move_term(panel) for panel in panels]
    realised = [panel.realised_usd for panel in panels]
    if len(panels) > 1:
        columns = [x / _unit(x[own]) for x, own in zip(columns, rows, strict=True)]
        moves = [x / np.sqrt(_unit(x[own] ** 2)) for x, own in zip(moves, rows, strict=True)]
        realised = [y / mean for y, mean in zip(realised, means, strict=True)]
    fit = fit_poisson(
        _stack(columns, rows),
        _stack(realised, rows),
        _stack(moves, rows),
        has_move=terms.has_move,
        has_constant=terms.has_constant,
        prior_rate_ratio=PRIOR_RATE_RATIO * columns[0].shape[-1],
    )
    expected = [predict(fit, x, move) for x, move in zip(columns, moves, strict=True)]
    if len(panels) > 1:
        expected = _scaled_to_totals(expected, panels, rows)
    return _STATUS[fit.status], expected


def _fit_features(
    features: list[FloatArray],
    panels: Sequence[Panel],
    rows: Sequence[BoolArray],
    means: Sequence[float],
    power: float,
) -> tuple[ScoreStatus, list[FloatArray]]:
    """Return expected USD before capture, with a log link; dummies for sides and assets."""
    known_share = np.isfinite(_stack(features, rows)).mean(axis=(0, 1))
    is_used = known_share >= LEAST_KNOWN_SHARE
    if not is_used.any():
        return ScoreStatus.NO_PREDICTION, []
    designs = []
    for asset, (every, own) in enumerate(zip(features, rows, strict=True)):
        x = every[..., is_used]
        is_known = np.isfinite(x)
        count = np.maximum(is_known[own].sum(axis=(0, 1)), 1)
        center = np.where(is_known, x, 0.0)[own].sum(axis=(0, 1)) / count
        relative = np.where(is_known, x - center, 0.0)
        relative[~is_known.any(axis=-1)] = np.nan
        dummies = np.zeros((len(x), 2, len(panels)))
        dummies[:, 1, 0] = 1.0
        dummies[..., 1:] = np.arange(1, len(panels)) == asset
        designs.append(np.concatenate((relative, dummies), axis=-1))
    realised = [panel.realised_usd / mean for panel, mean in zip(panels, means, strict=True)]
    x = _stack(designs, rows)
    fit = fit_tweedie(x.reshape(-1, x.shape[-1]), _stack(realised, rows).ravel(), power)
    expected = [
        mean * predict_tweedie(fit, design) for design, mean in zip(designs, means, strict=True)
    ]
    return _STATUS[fit.status], expected


def _stack(arrays: Sequence[FloatArray], rows: Sequence[BoolArray]) -> FloatArray:
    """Return the training rows of all assets, one after another."""
    return np.concatenate([array[own] for array, own in zip(arrays, rows, strict=True)])


def _unit(values: FloatArray) -> float:
    """Return the mean by which an asset's values are divided, 1 where it is 0 or not known."""
    mean = _mean(values)
    return mean if mean > 0.0 else 1.0


def _scaled_to_totals(
    expected: Sequence[FloatArray], panels: Sequence[Panel], rows: Sequence[BoolArray]
) -> list[FloatArray]:
    """Return each asset's predictions times what makes its training total right."""
    scaled = []
    for one, panel, own in zip(expected, panels, rows, strict=True):
        usable = own & np.isfinite(one).all(axis=1)
        total = one[usable].sum()
        factor = panel.realised_usd[usable].sum() / total if total > 0.0 else np.nan
        scaled.append(one * factor)
    return scaled
