"""Intervals of figures over time, whose hours are not independent of one another.

Belongs here: blocks of time, draws of blocks, intervals of sums and of ratios of sums. Does not
belong here: which figure is summed.

Liquidations come in clusters, so single hours are never resampled: whole blocks of time are, with
replacement (Carlstein 1986, Annals of Statistics 14, 1171). A figure that is made of sums needs
the sums of each block only, and a draw is a vector of how often each block was taken: thousands
of draws are one matrix product. Spans of several assets that end in the same block are drawn
together, since they are hit by the same moves.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from transforms.calibration.few_blocks import student_quantile
from transforms.errors import InvalidParameters
from transforms.series import DAY_MICROSECONDS, FloatArray, IntArray

HOURLY_BLOCK_DAYS: Final = 3.0
"""Length of a block for figures of hours [days]."""

BAND_BLOCK_DAYS: Final = 14.0
"""Length of a block for figures of bands and levels, which last for days [days]."""

LEAST_RESAMPLED_BLOCKS: Final = 8
"""Blocks below which no interval is given: too few to say how they vary."""

INTERVAL_LEVEL: Final = 0.95
"""Probability that an interval holds the figure [1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Blocks of time and how often each draw took them.

    Parameters
    ----------
    block : ndarray of int64, shape (n_spans,)
        Block of each span, from 0 in order of time; blocks without a span do not count.
    times_drawn : ndarray of float64, shape (n_draws, n_blocks)
        How often each draw took each block; every row sums to the number of blocks.
    """

    block: IntArray
    times_drawn: FloatArray

    @property
    def n_blocks(self) -> int:
        """Return the number of blocks."""
        return int(self.times_drawn.shape[1])

    def sums(self, values: FloatArray) -> FloatArray:
        """Return the sum of some values in each block.

        Parameters
        ----------
        values : ndarray of float64, shape (..., n_spans)
            What is summed. NaN spreads to its block: leave such spans out before.

        Returns
        -------
        ndarray of float64, shape (..., n_blocks)
            Sums, in the unit of the values.

        Examples
        --------
        >>> day = 86_400_000_000
        >>> blocks = draw_blocks(np.array([1, 2, 5]) * day, np.random.default_rng(1), 3.0, 10)
        >>> blocks.sums(np.array([[1.0, 2.0, 5.0]])).tolist()
        [[3.0, 5.0]]
        """
        return group_sums(values, self.block, self.n_blocks)

    def drawn(self, block_sums: FloatArray) -> FloatArray:
        """Return the total of each draw.

        Parameters
        ----------
        block_sums : ndarray of float64, shape (..., n_blocks)
            Sums of each block, see `sums`.

        Returns
        -------
        ndarray of float64, shape (..., n_draws)
            Totals, in the unit of the sums.
        """
        totals: FloatArray = block_sums @ self.times_drawn.T
        return totals


def group_sums(values: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    """Return the sum of some values in each group.

    Parameters
    ----------
    values : ndarray of float64, shape (..., n)
        What is summed; NaN spreads to its group.
    group : ndarray of int64, shape (n,)
        Group of each, from 0.
    n_groups : int
        Number of groups.

    Returns
    -------
    ndarray of float64, shape (..., n_groups)
        Sums, in the unit of the values; 0 of a group without values.

    Examples
    --------
    >>> group_sums(np.array([1.0, 2.0, 5.0]), np.array([0, 0, 1]), 3).tolist()
    [3.0, 5.0, 0.0]
    """
    flat = values.reshape(-1, values.shape[-1])
    offset = np.arange(len(flat))[:, None] * n_groups
    summed = np.bincount((group + offset).ravel(), flat.ravel(), minlength=len(flat) * n_groups)
    # Nothing to sum gives integers.
    return summed.astype(np.float64).reshape((*values.shape[:-1], n_groups))


def draw_blocks(
    span_end: IntArray,
    generator: np.random.Generator,
    block_days: float = HOURLY_BLOCK_DAYS,
    n_draws: int = 1000,
) -> Blocks:
    """Return the blocks of some spans and draws of them.

    Parameters
    ----------
    span_end : ndarray of int64, shape (n_spans,)
        End of each span [microseconds, UTC], in any order, several assets one after another; only
        spans that are scored. The first block begins with the earliest.
    generator : numpy.random.Generator
        Source of the draws.
    block_days : float
        Length of a block [days].
    n_draws : int
        Number of draws.

    Returns
    -------
    Blocks

    Raises
    ------
    InvalidParameters
        If the length is not above 0 or there are no draws.

    Examples
    --------
    >>> blocks = draw_blocks(np.arange(1, 241) * 3_600_000_000, np.random.default_rng(1), n_draws=5)
    >>> blocks.n_blocks, blocks.times_drawn.sum(axis=1).tolist()
    (4, [4.0, 4.0, 4.0, 4.0, 4.0])
    """
    if block_days <= 0.0 or n_draws < 1:
        raise InvalidParameters(
            f"block_days is {block_days}, n_draws {n_draws}; give more than 0 of both"
        )
    if len(span_end) == 0:
        return Blocks(np.zeros(0, dtype=np.int64), np.zeros((n_draws, 0)))
    length = round(block_days * DAY_MICROSECONDS)
    since = (np.asarray(span_end, dtype=np.int64) - int(np.min(span_end))) // length
    _, block = np.unique(since, return_inverse=True)
    n_blocks = int(block.max()) + 1
    times = generator.multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks), size=n_draws)
    return Blocks(block.astype(np.int64), times.astype(np.float64))


def interval(
    draws: FloatArray, n_blocks: int, level: float = INTERVAL_LEVEL
) -> tuple[FloatArray, FloatArray]:
    """Return the interval that holds the middle of the draws.

    With few blocks draws vary too little: the spread of one block is 0. They are spread about their
    median by ``sqrt(n / (n - 1))`` and by Student's t with n - 1 degrees of freedom over the normal
    quantile, as for regressions on few clusters (Cameron and Miller 2015, Journal of Human
    Resources 50, 317).

    Parameters
    ----------
    draws : ndarray of float64, shape (..., n_draws)
        The figure in each draw.
    n_blocks : int
        Blocks that were drawn from.
    level : float
        Probability inside [1].

    Returns
    -------
    low, high : ndarray of float64, shape (...)
        Ends, in the unit of the figure. NaN with fewer than ``LEAST_RESAMPLED_BLOCKS`` blocks, or
        where a draw has no figure.

    Examples
    --------
    >>> low, high = interval(np.linspace(-1.0, 1.0, 1001), 10)
    >>> float(low.round(4)), float(high.round(4))
    (-1.1558, 1.1558)
    >>> bool(np.isnan(interval(np.linspace(-1.0, 1.0, 1001), 3)[0]))
    True
    """
    if n_blocks < LEAST_RESAMPLED_BLOCKS:
        nothing = np.full(draws.shape[:-1], np.nan)
        return nothing, nothing.copy()
    tail = 0.5 * (1.0 - level)
    low, middle, high = np.quantile(draws, [tail, 0.5, 1.0 - tail], axis=-1)
    z = NormalDist().inv_cdf(1.0 - tail)
    spread = np.sqrt(n_blocks / (n_blocks - 1.0)) * student_quantile(z, n_blocks - 1.0) / z
    return middle + spread * (low - middle), middle + spread * (high - middle)
