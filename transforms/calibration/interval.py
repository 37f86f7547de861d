"""How far realised USD falls from predicted, as an interval around the next prediction.

Belongs here: intervals from the past errors of predictions made out of sample, for any model.
Does not belong here: the spread of parameters (``poisson``), which is a small part of it.

Split conformal prediction (Vovk et al., Algorithmic Learning in a Random World; Lei et al. 2018)
with one class for each range of the prediction's size: the interval of a prediction holds, of the
ratios realised / predicted in its class over the time before, the middle part. Small predictions
miss by larger factors than large ones, hence the classes. The only assumption is that ratios of
the coming spans are spread like those of the time before.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.calibration.fit_status import FitStatus
from transforms.errors import InvalidInput, InvalidParameters
from transforms.series import DAY_MICROSECONDS, BoolArray, FloatArray, IntArray

CLASS_QUANTILES: Final = (0.25, 0.5, 0.75, 0.9)
"""Quantiles of the prediction between classes; the last class holds the largest tenth."""

LEAST_RATIOS: Final = 50
"""Ratios that a class needs: the 10th percentile of fewer rests on four."""


@dataclass(frozen=True, slots=True)
class RatioInterval:
    """Quantiles of realised / predicted by size of the prediction; NaN without figures.

    Parameters
    ----------
    edges : ndarray of float64, shape (n_classes - 1,)
        Predictions between classes [USD]; one on an edge belongs to the class above.
    low, high : ndarray of float64, shape (n_classes,)
        Bounds of the ratio in each class [ratio]; a low bound of 0 says that often nothing was
        realised.
    count : ndarray of int64, shape (n_classes,)
        Ratios in each class.
    level : float
        Part of realised amounts that the interval is made to hold [ratio].
    status : FitStatus
        Whether there are figures, and why not.
    """

    edges: FloatArray
    low: FloatArray
    high: FloatArray
    count: IntArray
    level: float
    status: FitStatus


def fit_interval(
    realised: FloatArray, predicted: FloatArray, *, level: float = 0.8
) -> RatioInterval:
    """Return the quantiles of realised / predicted by size of the prediction.

    Parameters
    ----------
    realised, predicted : ndarray of float64, same shape
        Liquidations and what was predicted of them out of sample [USD], at least 0. NaN, or
        nothing predicted: left out.
    level : float
        Part of realised amounts that the interval is to hold [ratio].

    Returns
    -------
    RatioInterval
        Where there are too few ratios, or nothing was realised, ``status`` says so.

    Raises
    ------
    InvalidInput
        If shapes differ or an amount is negative.
    InvalidParameters
        If the level is not within 0 and 1.

    Examples
    --------
    >>> predicted = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 99)
    >>> interval = fit_interval(predicted * np.tile(np.arange(1.0, 100.0), 5), predicted)
    >>> interval.edges.tolist(), interval.low.tolist(), interval.high.tolist()
    ([2.0, 3.0, 4.0, 5.0], [10.0, 10.0, 10.0, 10.0, 10.0], [90.0, 90.0, 90.0, 90.0, 90.0])
    """
    _check(realised, predicted, level)
    is_known = np.isfinite(realised) & np.isfinite(predicted) & (predicted > 0.0)
    y, mu = realised[is_known], predicted[is_known]
    n_classes = len(CLASS_QUANTILES) + 1
    if len(y) < LEAST_RATIOS * n_classes:
        return _without_figures(level, FitStatus.TOO_FEW_SPANS)
    if not np.any(y > 0.0):
        return _without_figures(level, FitStatus.NOTHING_REALISED)
    edges = np.quantile(mu, CLASS_QUANTILES)
    of_class = np.searchsorted(edges, mu, side="right")
    bounds, count = np.full((2, n_classes), np.nan), np.bincount(of_class, minlength=n_classes)
    for one in np.flatnonzero(count >= LEAST_RATIOS):
        bounds[:, one] = _middle(np.sort((y / mu)[of_class == one]), level)
    return RatioInterval(edges, bounds[0], bounds[1], count, level, FitStatus.FITTED)


def interval_around(interval: RatioInterval, predicted: FloatArray) -> FloatArray:
    """Return the interval of realised USD around each prediction.

    Parameters
    ----------
    interval : RatioInterval
        Quantiles of the ratio; without figures the bounds are NaN.
    predicted : ndarray of float64, shape (...)
        Predictions [USD]. NaN: not known.

    Returns
    -------
    ndarray of float64, shape (..., 2)
        Low and high bound [USD]; NaN where the prediction is, or where its class has too few
        ratios.

    Examples
    --------
    >>> predicted = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 99)
    >>> interval = fit_interval(predicted * np.tile(np.arange(1.0, 100.0), 5), predicted)
    >>> interval_around(interval, np.array([0.5, 100.0])).tolist()
    [[5.0, 45.0], [1000.0, 9000.0]]
    """
    of_class = np.searchsorted(interval.edges, predicted, side="right")
    ratios = np.stack([interval.low[of_class], interval.high[of_class]], axis=-1)
    return ratios * predicted[..., None]


def trailing_interval(
    realised: FloatArray,
    predicted: FloatArray,
    span_end: IntArray,
    *,
    days: int = 30,
    level: float = 0.8,
    is_usable: BoolArray | None = None,
) -> FloatArray:
    """Return the interval of each span, from the ratios of the days before its own.

    Parameters
    ----------
    realised, predicted : ndarray of float64, shape (n_spans, 2)
        Liquidations and what was predicted of them out of sample [USD]. NaN: not known.
    span_end : ndarray of int64, shape (n_spans,)
        End of each span [microseconds, UTC], increasing.
    days : int
        Days whose ratios count; they end where the UTC day of the span begins.
    level : float
        Part of realised amounts that the interval is to hold [ratio].
    is_usable : ndarray of bool, shape (n_spans,), optional
        Whether the ratios of a span may count. Default: all.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2, 2)
        Low and high bound of each span and side, bounds last [USD]. NaN where the prediction is,
        and where the days before hold too few ratios or nothing realised.

    Raises
    ------
    InvalidInput
        If shapes differ, an amount is negative, or ends do not increase.
    InvalidParameters
        If the level is not within 0 and 1, or days is below 1.

    Examples
    --------
    >>> span_end = np.arange(1, 24 * 40 + 1) * 3_600_000_000
    >>> predicted = np.ones((960, 2))
    >>> realised = np.tile(np.arange(1.0, 11.0), 192).reshape(960, 2)
    >>> bounds = trailing_interval(realised, predicted, span_end)
    >>> bounds[0, 0].tolist(), bounds[-1, 0].tolist()
    ([nan, nan], [1.0, 10.0])
    """
    _check(realised, predicted, level)
    if days < 1:
        raise InvalidParameters(f"days is {days}; give 1 or more")
    if span_end.shape != realised.shape[:1] or np.any(np.diff(span_end) <= 0):
        raise InvalidInput("span_end has another length than realised, or does not increase")
    counted = realised if is_usable is None else np.where(is_usable[:, None], realised, np.nan)
    day = (span_end - 1) // DAY_MICROSECONDS
    bounds = np.full((*realised.shape, 2), np.nan)
    first_of_day = np.flatnonzero(np.diff(day, prepend=-1))
    for start, stop in zip(first_of_day, [*first_of_day[1:], len(day)], strict=True):
        past = slice(np.searchsorted(day, day[start] - days), start)
        interval = fit_interval(counted[past], predicted[past], level=level)
        bounds[start:stop] = interval_around(interval, predicted[start:stop])
    return bounds


def coverage(realised: FloatArray, bounds: FloatArray) -> tuple[float, int]:
    """Return how often the interval held what was realised, and of how many.

    Parameters
    ----------
    realised : ndarray of float64, shape (...)
        Liquidations [USD]. NaN: not known.
    bounds : ndarray of float64, shape (..., 2)
        Low and high bound [USD]. NaN: no interval.

    Returns
    -------
    share : float
        Part of the known amounts within their interval, bounds included [ratio]; NaN without any.
    count : int
        Amounts with an interval.

    Examples
    --------
    >>> coverage(np.array([1.0, 5.0, np.nan]), np.array([[0.0, 2.0], [0.0, 2.0], [0.0, 2.0]]))
    (0.5, 2)
    """
    is_known = np.isfinite(realised) & np.isfinite(bounds).all(axis=-1)
    count = int(is_known.sum())
    is_within = (bounds[..., 0] <= realised) & (realised <= bounds[..., 1])
    return (float(is_within[is_known].mean()) if count else np.nan), count


def _middle(ratios: FloatArray, level: float) -> tuple[float, float]:
    """Return the bounds of the middle part of sorted ratios, one more observation counted."""
    outside = (1.0 - level) / 2.0 * (len(ratios) + 1)
    # Rounded first: .1 x 100 is a little more than 10 in binary.
    below = max(int(np.floor(round(outside, 9))), 1)
    return float(ratios[below - 1]), float(ratios[-below])


def _check(realised: FloatArray, predicted: FloatArray, level: float) -> None:
    """Refuse arrays and levels that have no interval."""
    if realised.shape != predicted.shape:
        raise InvalidInput(
            f"realised and predicted have shapes {realised.shape} and {predicted.shape}"
        )
    if np.any(realised < 0.0) or np.any(predicted < 0.0):
        raise InvalidInput("an amount is negative; give NaN for unknown")
    if not 0.0 < level < 1.0:
        raise InvalidParameters(f"level is {level}; expected within 0 and 1")


def _without_figures(level: float, status: FitStatus) -> RatioInterval:
    """Return an interval that says why it has no figures."""
    n_classes = len(CLASS_QUANTILES) + 1
    unknown = np.full(n_classes, np.nan)
    return RatioInterval(
        edges=unknown[:-1],
        low=unknown,
        high=unknown,
        count=np.zeros(n_classes, dtype=np.int64),
        level=level,
        status=status,
    )
