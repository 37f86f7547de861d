"""Intervals and draws that allow for a parameter hanging on few blocks of time.

Belongs here: the correction for few blocks. Does not belong here: the fit and its draws
(``poisson``), and counting blocks (``poisson_solver.count_blocks``).

A bootstrap over blocks takes a spread from the blocks there are. Where a few of them hold most
of what a parameter is known from, as a few falls hold most of what 10x positions lose, its draws
spread too little: the spread of one block is 0. As with regressions on few clusters (Cameron and
Miller 2015, Journal of Human Resources 50, 317), the spread is multiplied by sqrt(n / (n - 1)) and
the normal quantile replaced by that of Student's t with n - 1 degrees of freedom, where n counts
blocks by their weight (``poisson.PoissonFit.block_count``).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from transforms.calibration.poisson import LEAST_EFFECTIVE_BLOCKS, PoissonFit
from transforms.calibration.poisson_solver import BLOCK_SHAPE
from transforms.series import Float32Array, FloatArray

_Z: Final = 1.6448536269514722
"""Quantile .95 of the normal distribution."""


def widened_interval(
    value: npt.ArrayLike, log_sd: npt.ArrayLike, blocks: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of a 90 % interval that allows for few blocks.

    Parameters
    ----------
    value : array_like of float, shape (n,)
        Estimates, above 0 [any unit].
    log_sd : array_like of float, shape (n,)
        Standard deviation of ln of each over the draws [1].
    blocks : array_like of float, shape (n,)
        Blocks counted by their weight, see `poisson.PoissonFit`.

    Returns
    -------
    low, high : ndarray of float64, shape (n,)
        Bounds [as the value]; 0 and infinity with fewer than ``poisson.LEAST_EFFECTIVE_BLOCKS``.

    Examples
    --------
    A normal interval of one standard deviation of .1, and what it is with four blocks:

    >>> low, high = widened_interval([1.0, 1.0], [0.1, 0.1], [1e9, 4.0])
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.848, 0.762], [1.179, 1.312])
    """
    value, log_sd, blocks = (np.asarray(each, dtype=np.float64) for each in (value, log_sd, blocks))
    is_enough = blocks >= LEAST_EFFECTIVE_BLOCKS
    count = np.where(is_enough, blocks, LEAST_EFFECTIVE_BLOCKS)
    with np.errstate(over="ignore"):
        reach = np.exp(student_quantile(_Z, count - 1.0) * np.sqrt(count / (count - 1.0)) * log_sd)
    low: FloatArray = np.where(is_enough, value / reach, 0.0)
    high: FloatArray = np.where(is_enough, value * reach, np.inf)
    return low, high


def spread_rows(fit: PoissonFit, generator: np.random.Generator) -> Float32Array:
    """Return the draws of a fit, those of its columns spread by what few blocks leave open.

    A bootstrap gives each block a gamma weight of shape ``BLOCK_SHAPE``. Read as a posterior, n
    blocks then hold a gamma variable of n times that shape, and the prior counts as one block
    more. Each draw of a column is multiplied by such a variable of mean 1, drawn for itself::

        factor ~ Gamma(k) / k,  k = BLOCK_SHAPE (1 + n)

    A column that price never reached keeps a spread of its own beside the prior mean that all
    columns share; one seen in 20 blocks gains a standard deviation of .3. Move and constant are
    exposed in every hour and stay as they are.

    Parameters
    ----------
    fit : PoissonFit
        Fit of the rows of a map, with draws.
    generator : numpy.random.Generator
        Where the factors come from.

    Returns
    -------
    ndarray of float32, shape (n_draws, m + 2)
        Draws [as the parameter]; no rows where the fit has none.

    Examples
    --------
    >>> from transforms.calibration.poisson import BlockDraws, fit_poisson
    >>> columns = np.arange(400.0).reshape(200, 2, 1)
    >>> fit = fit_poisson(
    ...     columns, columns[..., 0] / 2, np.zeros((200, 2)), has_move=False, has_constant=False,
    ...     block_draws=BlockDraws(np.arange(200) // 24, np.random.default_rng(0)),
    ... )
    >>> spread = spread_rows(fit, np.random.default_rng(1))
    >>> spread.shape, fit.draws[:, 0].std().round(2), spread[:, 0].std().round(2)
    ((200, 3), np.float32(0.0), np.float32(0.24))
    """
    n_columns = fit.weights.size
    drawn = fit.draws.copy()
    if len(drawn):
        shape = BLOCK_SHAPE * (1.0 + fit.block_count[:n_columns])
        drawn[:, :n_columns] *= generator.gamma(shape, size=(len(drawn), n_columns)) / shape
    return drawn


def student_quantile(z: float, degrees: npt.ArrayLike) -> FloatArray:
    """Return the quantile of Student's t that is as probable as a normal one.

    Abramowitz and Stegun 1964, 26.7.5: within .5 % from 2 degrees of freedom on for z up to 2.

    Parameters
    ----------
    z : float
        Quantile of the normal distribution [1].
    degrees : array_like of float, shape (n,)
        Degrees of freedom, at least 2.

    Returns
    -------
    ndarray of float64, shape (n,)
        Quantile [1].

    Examples
    --------
    >>> student_quantile(1.96, [5.0, 1e9]).round(2).tolist()
    [2.57, 1.96]
    """
    degrees = np.asarray(degrees, dtype=np.float64)
    terms = (
        (z**3 + z) / 4.0,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96.0,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384.0,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160.0,
    )
    quantile = np.full_like(degrees, z)
    for power, term in enumerate(terms, start=1):
        quantile += term / degrees**power
    return quantile
