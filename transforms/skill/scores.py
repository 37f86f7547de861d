"""Scores of predicted USD against realised USD.

Belongs here: deviances and what is made of their sums, gains of information, calibration, and
ratios of totals by window. Does not belong here: the Poisson deviance, which fits need too
(``calibration.poisson``), tests of consistency (``consistency``), intervals (``bootstrap``), and
which spans are scored (``evaluate``).

Axes: any leading axes (models), then spans, then sides. Predictions are above 0: one of 0 where
something was realised has an infinite deviance, so callers floor them. NaN in either array has no
score; leave such spans out before summing.

Amounts are not counts: what is read off a Poisson likelihood is a *quasi*-likelihood
(Wedderburn 1974, Biometrika 61, 439), divided by a dispersion in USD.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from transforms.calibration.poisson import poisson_deviance
from transforms.series import DAY_MICROSECONDS, BoolArray, FloatArray, IntArray

RATIO_BOUNDS: Final = (0.8, 1.25)
"""Predicted / realised within which a window counts as right [ratio]."""

LEAST_WINDOW_SHARE: Final = 0.5
"""Share of a window's spans that must have a figure [ratio]."""

_SLOPE_STEPS: Final = 40
_SLOPE_TOLERANCE: Final = 1e-8


def gamma_deviance(realised: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the gamma deviance of each figure above 0, ``2 ((y - mu) / mu - ln(y / mu))``.

    It weighs relative errors alike in quiet and in wild hours. A figure of 0 has none: the
    likelihood of a gamma variable ends there.

    Parameters
    ----------
    realised, predicted : ndarray of float64
        As in `poisson.poisson_deviance`.

    Returns
    -------
    ndarray of float64, shape (..., n_spans, 2)
        Deviance [1]. NaN where nothing was realised or either is NaN.

    Examples
    --------
    >>> gamma_deviance(np.array([[1.0, 0.0]]), np.array([[2.0, 2.0]])).round(4).tolist()
    [[0.3863, nan]]
    """
    known = np.where(realised > 0.0, realised, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviance: FloatArray = 2.0 * ((known - predicted) / predicted - np.log(known / predicted))
    return deviance


def deviance_removed(deviance: npt.ArrayLike, of_null: npt.ArrayLike) -> FloatArray:
    """Return the share of a null's deviance that a model removes, ``1 - dev(model) / dev(null)``.

    Against the mean of the training spans, sides pooled, this is D2; "a over b" is the same figure
    against b.

    Parameters
    ----------
    deviance, of_null : array_like of float, shapes broadcastable
        Summed deviances over the same spans [USD].

    Returns
    -------
    ndarray of float64, shape as broadcast
        Share [1], at most 1; below 0 where the model is worse. NaN where the null leaves none.

    Examples
    --------
    >>> deviance_removed([1.0, 8.0], 4.0).tolist()
    [0.75, -1.0]
    """
    above, below = np.asarray(deviance, np.float64), np.asarray(of_null, np.float64)
    removed: FloatArray = 1.0 - above / np.where(below > 0.0, below, np.nan)
    return removed


def dispersion(realised: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the dispersion of amounts about predictions: their mean Poisson deviance.

    Pearson's estimate hangs on the few spans where least was predicted; the deviance does not
    (McCullagh and Nelder, 4.5.2 and 9.2.4 on both).

    Parameters
    ----------
    realised, predicted : ndarray of float64
        As in `poisson.poisson_deviance`; the spans on which the models were fitted.

    Returns
    -------
    ndarray of float64, shape (...)
        Dispersion [USD].

    Examples
    --------
    >>> float(dispersion(np.array([[1.0, 0.0]]), np.array([[1.0, 2.0]])))
    2.0
    """
    mean: FloatArray = poisson_deviance(realised, predicted).mean(axis=(-2, -1))
    return mean


def calibration_slope(realised: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the exponent b with which predictions fit best, ``E[y] = exp(a) mu^b``.

    1: as large and small as they should be; below 1: too extreme; above 1: too timid (Cox 1958,
    Biometrika 45, 562, for amounts by Poisson quasi-likelihood). The constant a is free and solved
    for in closed form, so the slope does not depend on a factor on the predictions.

    Parameters
    ----------
    realised, predicted : ndarray of float64
        As in `poisson_deviance`.

    Returns
    -------
    ndarray of float64, shape (...)
        Slope [1]. NaN where nothing was realised, all predictions are alike, or the search did not
        converge.

    Examples
    --------
    >>> mu = np.array([[1.0, 2.0], [4.0, 8.0]])
    >>> float(calibration_slope(mu**0.5, mu).round(6))
    0.5
    """
    log_mu = np.log(predicted).reshape((*predicted.shape[:-2], -1))
    share = np.broadcast_to(realised.reshape(-1), log_mu.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = (share * log_mu).sum(axis=-1) / share.sum(axis=-1)
    slope = np.ones(wanted.shape)
    step = np.full(wanted.shape, np.inf)
    for _ in range(_SLOPE_STEPS):
        tilt = slope[..., None] * log_mu
        weight = np.exp(tilt - tilt.max(axis=-1, keepdims=True, initial=-np.inf))
        total = weight.sum(axis=-1)
        mean = (weight * log_mu).sum(axis=-1) / total
        spread = (weight * (log_mu - mean[..., None]) ** 2).sum(axis=-1) / total
        with np.errstate(invalid="ignore", divide="ignore"):
            step = np.clip((wanted - mean) / spread, -1.0, 1.0)
        slope = slope + step
        if np.all((np.abs(step) < _SLOPE_TOLERANCE) | np.isnan(step)):
            break
    found: FloatArray = np.where(np.abs(step) < _SLOPE_TOLERANCE, slope, np.nan)
    return found


def window_ratios(
    realised: FloatArray,
    predicted: FloatArray,
    span_end: IntArray,
    span_seconds: int,
    window_days: float,
) -> FloatArray:
    """Return predicted / realised, both sides together, in every window that moves on by a day.

    Parameters
    ----------
    realised : ndarray of float64, shape (n_spans, 2)
        Realised liquidations of one asset [USD].
    predicted : ndarray of float64, shape (..., n_spans, 2)
        Predicted liquidations [USD].
    span_end : ndarray of int64, shape (n_spans,)
        End of each span [microseconds, UTC], increasing; spans without a figure are absent.
    span_seconds : int
        Length of a span [s].
    window_days : float
        Length of a window [days]. The first begins with the first span, the last ends before or
        with the last one.

    Returns
    -------
    ndarray of float64, shape (..., n_windows)
        Ratios. NaN where less than half of a window has figures, or nothing was realised in it.

    Examples
    --------
    >>> end = np.arange(1, 4) * 86_400_000_000
    >>> y, mu = np.array([[1.0, 0.0], [1.0, 0.0], [3.0, 1.0]]), np.full((3, 2), 1.0)
    >>> window_ratios(y, mu, end, 86_400, 2.0).tolist()
    [2.0, 0.8]
    """
    length = round(window_days * DAY_MICROSECONDS)
    if len(span_end) == 0:
        return np.zeros((*predicted.shape[:-2], 0))
    first = int(span_end[0]) - span_seconds * 1_000_000
    starts = np.arange(first, int(span_end[-1]) - length + 1, DAY_MICROSECONDS)
    begin = np.searchsorted(span_end, starts, side="right")
    end = np.searchsorted(span_end, starts + length, side="right")
    above, below = (
        np.concatenate((np.zeros((*one.shape[:-1], 1)), np.cumsum(one, axis=-1)), axis=-1)
        for one in (predicted.sum(axis=-1), realised.sum(axis=-1))
    )
    total = below[..., end] - below[..., begin]
    full = length / (span_seconds * 1e6)
    is_known = (end - begin >= LEAST_WINDOW_SHARE * full) & (total > 0.0)
    ratios: FloatArray = (above[..., end] - above[..., begin]) / np.where(is_known, total, np.nan)
    return ratios


def share_within(ratios: FloatArray, bounds: tuple[float, float] = RATIO_BOUNDS) -> FloatArray:
    """Return the share of windows whose ratio lies within bounds.

    Parameters
    ----------
    ratios : ndarray of float64, shape (..., n_windows)
        Predicted / realised of each window; NaN windows do not count.
    bounds : tuple of float
        Least and greatest ratio that counts as right.

    Returns
    -------
    ndarray of float64, shape (...)
        Share [0-1]. NaN where no window counts.

    Examples
    --------
    >>> float(share_within(np.array([0.7, 0.9, 1.25, np.nan])).round(3))
    0.667
    """
    is_known: BoolArray = np.isfinite(ratios)
    inside = ((ratios >= bounds[0]) & (ratios <= bounds[1])).sum(axis=-1)
    counted = is_known.sum(axis=-1)
    share: FloatArray = inside / np.where(counted > 0, counted, np.nan)
    return share
