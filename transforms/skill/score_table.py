"""Every figure of every model against every null over the same spans.

Belongs here: the row of the skill table, and how predictions become rows. Does not belong here:
formulas of the figures (``scores``, ``consistency``, ``bootstrap``), fits (``predictions``), and
where the rows are stored.

All models are scored on the same spans: those with a realised figure, without a flag, where every
model that is compared has a prediction. In a pool of assets amounts are divided by each asset's
mean training figure first, so that each asset counts alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from transforms.calibration.poisson import poisson_deviance
from transforms.errors import InvalidInput, InvalidParameters
from transforms.series import BoolArray, FloatArray, IntArray
from transforms.skill.bootstrap import HOURLY_BLOCK_DAYS, draw_blocks, group_sums, interval
from transforms.skill.consistency import gain_test, number_test
from transforms.skill.panel import Panel, ScoreStatus
from transforms.skill.predictions import Prediction
from transforms.skill.scores import (
    calibration_slope,
    deviance_removed,
    dispersion,
    gamma_deviance,
    share_within,
    window_ratios,
)

TRAINING_MEAN: Final = ""
"""Name of the null that predicts the mean training figure of every span and side."""

SHORT_WINDOW_DAYS: Final = 7.0
LONG_WINDOW_DAYS: Final = 30.0

LEAST_SUPPORT: Final = 0.5
"""Share of the spans with a figure that a model must predict to be compared [ratio]."""


@dataclass(frozen=True, slots=True)
class ScoringRules:
    """What is scored and how intervals are drawn.

    Parameters
    ----------
    least_hours : float
        Time with figures below which nothing is scored [h]; a week by default.
    accepts_lower_bound : bool
        Whether spans count in which every figure is that of a throttled feed. A capture fits a
        model to such a feed, but the ratio says nothing of the market then.
    block_days : float
        Length of a block of the bootstrap [days].
    n_draws : int
        Draws of the bootstrap.
    seed : int
        Start of the draws; the same seed gives the same intervals.

    Raises
    ------
    InvalidParameters
        If there is nothing to score or to draw.

    Examples
    --------
    >>> ScoringRules().block_days
    3.0
    """

    least_hours: float = 168.0
    accepts_lower_bound: bool = False
    block_days: float = HOURLY_BLOCK_DAYS
    n_draws: int = 1000
    seed: int = 1

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (self.least_hours > 0.0 and self.block_days > 0.0 and self.n_draws > 0):
            raise InvalidParameters(
                f"least_hours is {self.least_hours}, block_days {self.block_days}, n_draws "
                f"{self.n_draws}; give more than 0 of each"
            )


@dataclass(frozen=True, slots=True)
class Score:
    """One row of the skill table: a model against a null. Figures are NaN without a score.

    Parameters
    ----------
    model, null : str
        Names; null ``""`` is the mean of the training spans.
    assets : tuple of str
        Assets that were scored together.
    status : ScoreStatus
        Whether there are figures, and why not.
    is_lower_bound : bool
        Whether some realised figure is that of a throttled feed.
    hours : float
        Time that was scored [h].
    realised_usd, predicted_usd : float
        Totals [USD]; of a pool, in units of each asset's mean training figure.
    d2, d2_low, d2_high : float
        Poisson deviance removed from the null's, with its 95 % interval [1].
    gamma_deviance_removed : float
        The same of the gamma deviance, over figures above 0 [1].
    gain_per_hour, gain_low, gain_high : float
        Gain in quasi-log-likelihood over the null, both sides together, with its 95 % interval
        [nat per hour].
    dispersion_usd : float
        Dispersion by which the gain is divided: mean deviance about the best of all predictions
        compared [unit of the totals].
    t_statistic, t_p_value, w_p_value : float
        T- and W-test of the gain by block, see ``consistency.gain_test``.
    calibration_slope : float
        See ``scores.calibration_slope`` [1].
    ratio : float
        Predicted / realised [ratio].
    short_window_share, long_window_share : float
        Share of windows of 7 and of 30 days whose ratio is within .8-1.25 [0-1].
    number_quantile : float
        See ``consistency.number_test`` [0-1].
    fit_from, fit_until, test_from, test_until : int
        Spans fitted and scored end after the first and not after the second [microseconds, UTC]; 0
        where the caller gave predictions instead of a protocol.
    fit_hours : float
        Time with figures that was fitted [h].
    is_short_fit : bool
        Whether that is less than 90 days.
    """

    model: str
    null: str
    assets: tuple[str, ...]
    status: ScoreStatus
    is_lower_bound: bool = False
    hours: float = 0.0
    realised_usd: float = np.nan
    predicted_usd: float = np.nan
    d2: float = np.nan
    d2_low: float = np.nan
    d2_high: float = np.nan
    gamma_deviance_removed: float = np.nan
    gain_per_hour: float = np.nan
    gain_low: float = np.nan
    gain_high: float = np.nan
    dispersion_usd: float = np.nan
    t_statistic: float = np.nan
    t_p_value: float = np.nan
    w_p_value: float = np.nan
    calibration_slope: float = np.nan
    ratio: float = np.nan
    short_window_share: float = np.nan
    long_window_share: float = np.nan
    number_quantile: float = np.nan
    fit_from: int = 0
    fit_until: int = 0
    test_from: int = 0
    test_until: int = 0
    fit_hours: float = 0.0
    is_short_fit: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """Figures of all assets over the scored spans, one asset after another.

    ``realised`` has shape (n, 2), ``predicted`` (n_models, n, 2); the last model is the mean.
    """

    names: tuple[str, ...]
    realised: FloatArray
    predicted: FloatArray
    span_end: IntArray
    span_seconds: int


def score_predictions(
    panels: Sequence[Panel],
    predictions: Mapping[str, Prediction],
    is_scored: Sequence[BoolArray],
    mean_usd: Sequence[float | FloatArray],
    nulls: Sequence[str],
    rules: ScoringRules,
) -> list[Score]:
    """Return a row for each prediction against the training mean and against each null.

    Parameters
    ----------
    panels : sequence of Panel
        One an asset, spans of one length.
    predictions : mapping of str to Prediction
        What each model and null predicts of every span of the panels.
    is_scored : sequence of ndarray of bool, each of shape (n_spans,)
        Spans to score, by asset; those without a figure are left out, and so are days of zeros in
        a feed that is not usually silent (`Panel.without_silence`).
    mean_usd : sequence of float or ndarray of float64, shape (n_spans,)
        Mean realised figure of each asset's training spans, sides pooled [USD], above 0; an array
        where the training spans differ from span to span.
    nulls : sequence of str
        Which of the predictions are nulls. One that is missing gives rows that say so.
    rules : ScoringRules
        What is scored and how intervals are drawn.

    Returns
    -------
    list of Score
        In the order of the predictions, the training mean first, then the nulls.

    Raises
    ------
    InvalidInput
        If there is no panel, or spans differ in length.

    Examples
    --------
    See ``evaluate.evaluate``, which fits and then calls this.
    """
    if len({panel.span_seconds for panel in panels}) != 1:
        raise InvalidInput(f"{len(panels)} panels; give one or more, all with spans of one length")
    panels = [panel.without_silence() for panel in panels]
    rows = [own & panel.has_figure for own, panel in zip(is_scored, panels, strict=True)]
    assets = tuple(panel.asset for panel in panels)
    least = max(round(rules.least_hours / panels[0].span_hours), 1)
    status, rows = _common_rows(predictions, rows, least)
    for panel, own, every in zip(panels, rows, is_scored, strict=True):
        feed = panel.feed_status(every, least, accepts_lower_bound=rules.accepts_lower_bound)
        if feed is ScoreStatus.SCORED and np.count_nonzero(own) < least:
            feed = ScoreStatus.TOO_FEW_SPANS
        if feed is not ScoreStatus.SCORED:
            status = {
                name: feed if one is ScoreStatus.SCORED else one for name, one in status.items()
            }
            break
    names = tuple(name for name, one in status.items() if one is ScoreStatus.SCORED)
    scored: dict[tuple[str, str], Score] = {}
    if names:
        sheet = _sheet(names, panels, predictions, rows, mean_usd)
        pairs = [
            (model, null)
            for model in range(len(names))
            for null in (len(names), *(names.index(one) for one in nulls if one in names))
            if model != null
        ]
        is_lower_bound = not all(
            panel.is_complete[own].all() for panel, own in zip(panels, rows, strict=True)
        )
        for score in _scores(sheet, pairs, assets, is_lower_bound, rules):
            scored[score.model, score.null] = score
    return [
        scored.get((model, null)) or Score(model, null, assets, _why_not(status[model]))
        for model in predictions
        for null in (TRAINING_MEAN, *nulls)
        if model != null
    ]


def _why_not(status: ScoreStatus) -> ScoreStatus:
    """Return why a model of that status has no row with figures."""
    return ScoreStatus.NO_NULL if status is ScoreStatus.SCORED else status


def _common_rows(
    predictions: Mapping[str, Prediction],
    rows: list[BoolArray],
    least: int,
) -> tuple[dict[str, ScoreStatus], list[BoolArray]]:
    """Return whether each model can be compared, and the spans that all of those predict."""
    status = {name: one.status for name, one in predictions.items()}
    n_figures = sum(int(own.sum()) for own in rows)
    common = rows
    for name, prediction in predictions.items():
        if prediction.status is not ScoreStatus.SCORED:
            continue
        known = [
            own & np.isfinite(usd).all(axis=1)
            for own, usd in zip(rows, prediction.usd, strict=True)
        ]
        n_known = sum(int(own.sum()) for own in known)
        if n_known == 0 and n_figures > 0:
            status[name] = ScoreStatus.NO_PREDICTION
        elif n_known < max(LEAST_SUPPORT * n_figures, min(least, n_figures)):
            status[name] = ScoreStatus.TOO_FEW_SPANS
        else:
            common = [own & one for own, one in zip(common, known, strict=True)]
    return status, common


def _sheet(
    names: tuple[str, ...],
    panels: Sequence[Panel],
    predictions: Mapping[str, Prediction],
    rows: Sequence[BoolArray],
    mean_usd: Sequence[float | FloatArray],
) -> _Sheet:
    """Return the figures of all assets over the scored spans."""
    means = [
        np.broadcast_to(np.asarray(mean, dtype=np.float64), len(panel))[own]
        for panel, own, mean in zip(panels, rows, mean_usd, strict=True)
    ]
    mean = np.concatenate(means)[:, None]
    unit = mean if len(panels) > 1 else np.ones_like(mean)
    realised = [panel.realised_usd[own] for panel, own in zip(panels, rows, strict=True)]
    predicted = [
        np.concatenate([usd[own] for usd, own in zip(predictions[name].usd, rows, strict=True)])
        for name in names
    ]
    return _Sheet(
        (*names, TRAINING_MEAN),
        np.concatenate(realised) / unit,
        np.stack((*predicted, np.repeat(mean, 2, axis=1))) / unit,
        np.concatenate([panel.span_end[own] for panel, own in zip(panels, rows, strict=True)]),
        panels[0].span_seconds,
    )


def _scores(
    sheet: _Sheet,
    pairs: Sequence[tuple[int, int]],
    assets: tuple[str, ...],
    is_lower_bound: bool,
    rules: ScoringRules,
) -> list[Score]:
    """Return the rows of all pairs at once."""
    times, at = np.unique(sheet.span_end, return_inverse=True)
    blocks = draw_blocks(times, np.random.default_rng(rules.seed), rules.block_days, rules.n_draws)
    deviance = poisson_deviance(sheet.realised, sheet.predicted).sum(axis=-1)
    by_block = blocks.sums(group_sums(deviance, at, len(times)))
    drawn, total = blocks.drawn(by_block), by_block.sum(axis=-1)
    hours = len(times) * sheet.span_seconds / 3600.0
    drawn_hours = blocks.drawn(blocks.sums(np.ones(len(times)))) * sheet.span_seconds / 3600.0
    least = float(dispersion(sheet.realised, sheet.predicted).min())
    # What is predicted to the last cent leaves no dispersion to count a gain in.
    unit = least if least > 0.0 else np.nan
    model, null = np.array(pairs).T
    d2 = deviance_removed(total[model], total[null])
    d2_low, d2_high = interval(deviance_removed(drawn[model], drawn[null]), blocks.n_blocks)
    gain = (by_block[null] - by_block[model]) / (2.0 * unit)
    gain_low, gain_high = interval(
        (drawn[null] - drawn[model]) / (2.0 * unit) / drawn_hours, blocks.n_blocks
    )
    test = gain_test(gain)
    gamma = np.nansum(gamma_deviance(sheet.realised, sheet.predicted), axis=(-2, -1))
    gamma_removed = deviance_removed(gamma[model], gamma[null])
    own = _figures_of_models(sheet, times, at, blocks.sums)
    return [
        Score(
            model=sheet.names[i],
            null=sheet.names[j],
            assets=assets,
            status=ScoreStatus.SCORED,
            is_lower_bound=is_lower_bound,
            hours=hours,
            d2=float(d2[row]),
            d2_low=float(d2_low[row]),
            d2_high=float(d2_high[row]),
            gamma_deviance_removed=float(gamma_removed[row]),
            gain_per_hour=float(gain[row].sum() / hours),
            gain_low=float(gain_low[row]),
            gain_high=float(gain_high[row]),
            dispersion_usd=unit,
            t_statistic=float(test.t_statistic[row]),
            t_p_value=float(test.t_p_value[row]),
            w_p_value=float(test.w_p_value[row]),
            **own[i],
        )
        for row, (i, j) in enumerate(pairs)
    ]


def _figures_of_models(
    sheet: _Sheet, times: IntArray, at: IntArray, block_sums: Callable[[FloatArray], FloatArray]
) -> list[dict[str, Any]]:
    """Return what is a model's own, whatever the null, by model."""
    realised = group_sums(sheet.realised.sum(axis=-1), at, len(times))
    predicted = group_sums(sheet.predicted.sum(axis=-1), at, len(times))
    total = np.full(len(sheet.names), realised.sum())
    short, long = (
        share_within(
            window_ratios(realised[:, None], predicted[..., None], times, sheet.span_seconds, days)
        )
        for days in (SHORT_WINDOW_DAYS, LONG_WINDOW_DAYS)
    )
    figures = {
        "realised_usd": total,
        "predicted_usd": predicted.sum(axis=-1),
        "ratio": predicted.sum(axis=-1) / np.where(total > 0.0, total, np.nan),
        "calibration_slope": calibration_slope(sheet.realised, sheet.predicted),
        "short_window_share": short,
        "long_window_share": long,
        "number_quantile": number_test(block_sums(realised), block_sums(predicted)),
    }
    return [
        {name: float(values[model]) for name, values in figures.items()}
        for model in range(len(sheet.names))
    ]
