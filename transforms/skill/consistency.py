"""Tests of predictions as CSEP tests earthquake forecasts, for amounts instead of counts.

Belongs here: the number test, and the T- and W-tests of a gain over a null. Does not belong here:
tests of place (``places``), the gain itself (``scores``).

Number test: Zechar, Gerstenberger and Rhoades 2010, BSSA 100, 1184, after Schorlemmer et al. 2007,
SRL 78, 17. T- and W-tests: Rhoades et al. 2011, Acta Geophysica 59, 728. All of them read totals of
blocks of days (``bootstrap``), since the hours within a cluster of liquidations are one event.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.series import FloatArray
from transforms.skill.bootstrap import LEAST_RESAMPLED_BLOCKS

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


@dataclass(frozen=True, slots=True, eq=False)
class GainTest:
    """Whether a model gains on a null beyond chance; two-sided.

    Parameters
    ----------
    t_statistic : ndarray of float64, shape (...)
        Mean gain of a block over its standard error [1]; positive: the model is better.
    t_p_value, w_p_value : ndarray of float64, shape (...)
        Probability of a gain as far from 0 if there were none, by Student's t-test and by
        Wilcoxon's signed-rank test [0-1]. NaN with fewer than ``LEAST_RESAMPLED_BLOCKS`` blocks,
        or where no block differs.
    """

    t_statistic: FloatArray
    t_p_value: FloatArray
    w_p_value: FloatArray


def student_probability(t: npt.ArrayLike, degrees: int) -> FloatArray:
    """Return the probability that a variable with Student's t distribution is no larger.

    Abramowitz and Stegun 1964, 26.7.3 and 26.7.4.

    Parameters
    ----------
    t : array_like of float
        Value [1].
    degrees : int
        Degrees of freedom, 1 or more.

    Returns
    -------
    ndarray of float64, shape as `t`
        Probability [0-1]; NaN where `t` is.

    Examples
    --------
    >>> student_probability([0.0, 2.2622], 9).round(3).tolist()
    [0.5, 0.975]
    """
    value = np.asarray(t, dtype=np.float64)
    angle = np.arctan(np.abs(value) / math.sqrt(degrees))
    cosine = np.cos(angle)
    term = np.ones_like(angle) if degrees % 2 == 0 else cosine
    total = np.zeros_like(angle) if degrees == 1 else term.copy()
    for k in range(2 + degrees % 2, degrees - 1, 2):
        term = term * cosine**2 * (k - 1) / k
        total = total + term
    inside = np.sin(angle) * total
    if degrees % 2 == 1:
        inside = 2.0 / math.pi * (angle + inside)
    tail = 0.5 * np.clip(1.0 - inside, 0.0, 1.0)
    return np.where(value > 0.0, 1.0 - tail, tail)


def number_test(realised: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the probability of a total no larger than the realised one, if the model were right.

    A Poisson law is far too narrow for amounts that come in clusters. The total is taken to follow
    a gamma law with the predicted total M as mean and ``phi M`` as variance; phi is the Pearson
    dispersion of block totals about the predicted ones once these are scaled to the realised
    total, so that a wrong total does not widen its own law. The gamma law is approximated by the
    cube root of Wilson and Hilferty (1931), with Student's t in place of the normal law, since phi
    is estimated from the same few blocks.

    Parameters
    ----------
    realised : ndarray of float64, shape (n_blocks,)
        Realised totals of blocks [USD].
    predicted : ndarray of float64, shape (..., n_blocks)
        Predicted totals of blocks [USD], above 0.

    Returns
    -------
    ndarray of float64, shape (...)
        Probability [0-1]; below .025 too much was predicted, above .975 too little. NaN with fewer
        than ``LEAST_RESAMPLED_BLOCKS`` blocks, nothing realised, or no spread.

    Examples
    --------
    >>> realised = np.tile([1.0, 3.0], 8)
    >>> number_test(realised, np.full((3, 16), [[1.0], [2.0], [4.0]])).round(3).tolist()
    [1.0, 0.517, 0.0]
    """
    total, mean = realised.sum(), predicted.sum(axis=-1)
    n_blocks = realised.shape[-1]
    if n_blocks < LEAST_RESAMPLED_BLOCKS or not total > 0.0:
        return np.full(mean.shape, np.nan)
    scaled = predicted * (total / mean)[..., None]
    spread = ((realised - scaled) ** 2 / scaled).sum(axis=-1) / (n_blocks - 1)
    shape = mean / np.where(spread > 0.0, spread, np.nan)
    z = (np.cbrt(total / mean) - 1.0 + 1.0 / (9.0 * shape)) * 3.0 * np.sqrt(shape)
    return student_probability(z, n_blocks - 1)


def gain_test(gain: FloatArray) -> GainTest:
    """Return the T- and the W-test of gains by block.

    Parameters
    ----------
    gain : ndarray of float64, shape (..., n_blocks)
        Gain over the null in each block [nat].

    Returns
    -------
    GainTest

    Examples
    --------
    >>> test = gain_test(np.array([[1.0, 2.0, 3.0, 2.0, 1.0, 3.0, 2.0, 2.0], [1.0, -1.0] * 4]))
    >>> test.t_p_value.round(5).tolist(), test.w_p_value.round(3).tolist()
    ([0.00014, 1.0], [0.013, 1.0])
    """
    n_blocks = gain.shape[-1]
    if n_blocks < LEAST_RESAMPLED_BLOCKS:
        nothing = np.full(gain.shape[:-1], np.nan)
        return GainTest(nothing, nothing, nothing)
    mean, sd = gain.mean(axis=-1), gain.std(axis=-1, ddof=1)
    statistic = mean / np.where(sd > 0.0, sd / math.sqrt(n_blocks), np.nan)
    return GainTest(
        statistic, 2.0 * student_probability(-np.abs(statistic), n_blocks - 1), _signed_rank(gain)
    )


def _signed_rank(gain: FloatArray) -> FloatArray:
    """Return the p-value of Wilcoxon's signed-rank test by its normal limit, ties at mid-rank.

    Differences of 0 are left out; the variance is that of the ranks that are there, which corrects
    for ties.
    """
    flat = gain.reshape(-1, gain.shape[-1])
    size = np.where(flat == 0.0, np.inf, np.abs(flat))
    ordered = np.sort(size, axis=-1)
    rank = np.empty_like(size)
    for row, (values, sorted_values) in enumerate(zip(size, ordered, strict=True)):
        below = np.searchsorted(sorted_values, values, side="left")
        upto = np.searchsorted(sorted_values, values, side="right")
        rank[row] = 0.5 * (below + upto + 1)
    rank = np.where(np.isfinite(size), rank, 0.0)
    difference = np.abs((rank * np.sign(flat)).sum(axis=-1))
    sd = np.sqrt((rank**2).sum(axis=-1))
    # Half a step of the rank sum towards 0, whose steps are 2 without ties.
    z = np.maximum(difference - 1.0, 0.0) / np.where(sd > 0.0, sd, np.nan)
    tails: FloatArray = _erfc(z / math.sqrt(2.0))
    return tails.reshape(gain.shape[:-1])
