"""Whether odds of touch are right, and whether bands are touched more often than their odds.

Belongs here: log loss, reliability tables, and the difference between bands and levels that are
equally likely. Does not belong here: the odds themselves (``transforms.touch``), which bands and
levels there were and what price did.

Levels set in the same days are touched by the same moves, so intervals come from blocks of two
weeks (``bootstrap``). A band that attracted price would be touched more often than unmarked levels
of the same odds: the excess is that difference, compared within groups of equal odds.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.errors import InvalidInput
from transforms.series import BoolArray, FloatArray, IntArray
from transforms.skill.bootstrap import BAND_BLOCK_DAYS, Blocks, draw_blocks, group_sums, interval

LEAST_PROBABILITY: Final = 1e-3
"""Odds are clipped to it and 1 minus it [1]: a touch at odds of 0 would be an infinite loss."""

TENTHS: Final = tuple(round(0.1 * tenth, 1) for tenth in range(11))
"""Edges of ten groups of odds."""

EXCESS_EDGES: Final = (
    0.0, 0.0015, 0.003, 0.006, 0.012, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4,
    0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
)  # fmt: skip
"""Edges of the groups in which bands and levels count as equally likely."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Mean odds and share of levels touched, group by group.

    Parameters
    ----------
    low, high : ndarray of float64, shape (n_groups,)
        Edges of each group; the upper one belongs to the next group, but for the last.
    count : ndarray of int64, shape (n_groups,)
        Levels in it.
    said, came : ndarray of float64, shape (n_groups,)
        Mean odds and share touched [0-1]. NaN without levels.
    """

    low: FloatArray
    high: FloatArray
    count: IntArray
    said: FloatArray
    came: FloatArray


@dataclass(frozen=True, slots=True)
class BoundedFigure:
    """A figure with its 95 % interval; NaN where there is none.

    Parameters
    ----------
    value, low, high : float
        The figure and the ends of its interval, in its own unit.
    count : int
        Levels or bands that it was made of.
    """

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Touches:
    """Levels or bands, how likely price was to reach them, and whether it did.

    Parameters
    ----------
    odds : ndarray of float64, shape (n,)
        Odds of touch of the near edge [0-1]. NaN: no odds; left out.
    is_touched : ndarray of bool, shape (n,)
        Whether price got there within the horizon of the odds.
    set_at : ndarray of int64, shape (n,)
        When each was set [microseconds, UTC].

    Raises
    ------
    InvalidInput
        If shapes differ or odds are no probabilities.

    Examples
    --------
    >>> int(Touches(np.array([0.5]), np.array([True]), np.array([0])).is_touched.sum())
    1
    """

    odds: FloatArray
    is_touched: BoolArray
    set_at: IntArray

    def __post_init__(self) -> None:
        """Check shapes and odds."""
        if not (self.odds.shape == self.is_touched.shape == self.set_at.shape):
            raise InvalidInput(
                f"odds, touches and instants have shapes {self.odds.shape}, "
                f"{self.is_touched.shape} and {self.set_at.shape}; expected the same"
            )
        if np.any((self.odds < 0.0) | (self.odds > 1.0)):
            raise InvalidInput("odds lie outside 0 to 1; give probabilities")


def log_loss(odds: FloatArray, is_touched: BoolArray) -> FloatArray:
    """Return the log loss of each level: minus the log of the odds of the outcome.

    Parameters
    ----------
    odds : ndarray of float64, shape (...)
        Odds of touch [0-1], clipped to .001 and .999. NaN: no odds.
    is_touched : ndarray of bool, shape (...)
        Whether price reached the level.

    Returns
    -------
    ndarray of float64, shape (...)
        Loss [nat]; NaN without odds.

    Examples
    --------
    >>> log_loss(np.array([0.5, 0.0]), np.array([True, False])).round(4).tolist()
    [0.6931, 0.001]
    """
    held = np.clip(odds, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    loss: FloatArray = -np.where(is_touched, np.log(held), np.log1p(-held))
    return loss


def reliability(
    odds: FloatArray, is_touched: BoolArray, edges: tuple[float, ...] = TENTHS
) -> Reliability:
    """Return the mean odds and the share of levels touched, by group of odds.

    Parameters
    ----------
    odds : ndarray of float64, shape (n_levels,)
        Odds of touch [0-1]. NaN: no odds; left out.
    is_touched : ndarray of bool, shape (n_levels,)
        Whether price reached the level.
    edges : tuple of float
        Edges of the groups, increasing; see `even_edges` for groups of one size.

    Returns
    -------
    Reliability

    Examples
    --------
    >>> odds, is_touched = np.array([0.1, 0.2, 0.9]), np.array([False, True, True])
    >>> table = reliability(odds, is_touched, (0.0, 0.5, 1.0))
    >>> table.count.tolist(), (table.said - table.came).round(3).tolist()
    ([2, 1], [-0.35, -0.1])
    """
    group, known = _groups(odds, edges)
    n_groups = len(edges) - 1
    count = np.bincount(group, minlength=n_groups)
    divisor = np.where(count > 0, count, np.nan)
    said, came = (
        np.bincount(group, values[known].astype(np.float64), minlength=n_groups) / divisor
        for values in (odds, is_touched)
    )
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    return Reliability(low, high, count.astype(np.int64), said, came)


def even_edges(odds: FloatArray, n_groups: int = 10) -> tuple[float, ...]:
    """Return edges between which equally many levels lie, as far as equal odds allow.

    Parameters
    ----------
    odds : ndarray of float64, shape (n_levels,)
        Odds of touch [0-1]; NaN is left out.
    n_groups : int
        Groups wanted; there are fewer where many odds are equal.

    Returns
    -------
    tuple of float
        Edges from 0 to 1, increasing.

    Examples
    --------
    >>> even_edges(np.array([0.1, 0.2, 0.3, 0.4]), 2)
    (0.0, 0.25, 1.0)
    """
    known = odds[np.isfinite(odds)]
    if known.size == 0:
        return (0.0, 1.0)
    inner = np.unique(np.quantile(known, np.arange(1, n_groups) / n_groups))
    inside = inner[(inner > known.min()) & (inner < 1.0)]
    return (0.0, *(float(edge) for edge in inside), 1.0)


def loss_gain(
    touches: Touches, of_null: FloatArray, generator: np.random.Generator
) -> BoundedFigure:
    """Return how much log loss odds save over others on the same levels, two-week blocks drawn.

    Parameters
    ----------
    touches : Touches
        Levels with the odds in question.
    of_null : ndarray of float64, shape (n,)
        Odds of the null on the same levels [0-1]. NaN: the level is left out.
    generator : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    BoundedFigure
        Mean gain of a level [nat]; positive: the first odds are better.

    Examples
    --------
    >>> is_touched = np.arange(200) % 2 == 0
    >>> levels = Touches(
    ...     np.where(is_touched, 0.8, 0.2), is_touched, np.arange(200) * 86_400_000_000
    ... )
    >>> gain = loss_gain(levels, np.full(200, 0.5), np.random.default_rng(1))
    >>> round(gain.value, 3), round(gain.low, 3), gain.count
    (0.47, 0.47, 200)
    """
    odds, is_touched = touches.odds, touches.is_touched
    known = np.isfinite(odds) & np.isfinite(of_null)
    gain = log_loss(of_null[known], is_touched[known]) - log_loss(odds[known], is_touched[known])
    blocks = draw_blocks(touches.set_at[known], generator, BAND_BLOCK_DAYS)
    sums = blocks.sums(np.stack((gain, np.ones_like(gain))))
    value = _ratio(*sums.sum(axis=-1, keepdims=True))
    return _estimate(value, _ratio(*blocks.drawn(sums)), blocks, len(gain))


def touch_excess(bands: Touches, levels: Touches, generator: np.random.Generator) -> BoundedFigure:
    """Return how much more often bands are touched than levels that are equally likely to be.

    Bands and levels are grouped by their odds. Each band counts less the share of the levels of
    its group that was touched; a group without levels does not count. Blocks of two weeks are
    drawn, bands and levels of the same days together.

    Parameters
    ----------
    bands, levels : Touches
        Bands, and unmarked levels; odds made by the same rule.
    generator : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    BoundedFigure
        Mean excess of a band [percentage points].

    Examples
    --------
    >>> at, half = np.arange(400) * 86_400_000_000, np.full(400, 0.5)
    >>> bands = Touches(half, np.arange(400) % 4 != 0, at)
    >>> levels = Touches(half, np.arange(400) % 2 == 0, at)
    >>> excess = touch_excess(bands, levels, np.random.default_rng(1))
    >>> excess.value, excess.count
    (25.0, 400)
    """
    band_group, band_known = _groups(bands.odds, EXCESS_EDGES)
    level_group, level_known = _groups(levels.odds, EXCESS_EDGES)
    blocks = draw_blocks(
        np.concatenate((bands.set_at[band_known], levels.set_at[level_known])),
        generator,
        BAND_BLOCK_DAYS,
    )
    touched = np.concatenate((bands.is_touched[band_known], levels.is_touched[level_known]))
    # Cells: bands by group, then levels by group; a cell of each block is summed at once.
    n_groups = len(EXCESS_EDGES) - 1
    cell = np.concatenate((band_group, n_groups + level_group)) * blocks.n_blocks + blocks.block
    shape = (2, n_groups, blocks.n_blocks)
    size = 2 * n_groups * blocks.n_blocks
    cells = np.stack((np.ones(len(cell)), touched.astype(np.float64)))
    count, came = group_sums(cells, cell, size).reshape((2, *shape))
    value = _excess(came.sum(axis=-1, keepdims=True), count.sum(axis=-1, keepdims=True))
    draws = _excess(blocks.drawn(came), blocks.drawn(count))
    return _estimate(value, draws, blocks, len(band_group))


def _groups(odds: FloatArray, edges: tuple[float, ...]) -> tuple[IntArray, BoolArray]:
    """Return the group of each level that has odds, and which have."""
    known: BoolArray = np.isfinite(odds)
    if np.any((odds[known] < edges[0]) | (odds[known] > edges[-1])):
        raise InvalidInput(f"odds lie outside {edges[0]} to {edges[-1]}; give probabilities")
    group = np.searchsorted(np.array(edges[1:-1]), odds[known], side="right")
    return group.astype(np.int64), known


def _excess(came: FloatArray, count: FloatArray) -> FloatArray:
    """Return the mean excess [points] of each draw from sums of shape (2, n_groups, n_draws)."""
    has_levels = count[1] > 0.0
    rate = came[1] / np.where(has_levels, count[1], 1.0)
    bands = np.where(has_levels, count[0], 0.0)
    above = np.where(has_levels, came[0] - rate * count[0], 0.0).sum(axis=0)
    return 100.0 * _ratio(above, bands.sum(axis=0))


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Return a ratio, NaN where it is of nothing."""
    ratio: FloatArray = above / np.where(below > 0.0, below, np.nan)
    return ratio


def _estimate(value: FloatArray, draws: FloatArray, blocks: Blocks, count: int) -> BoundedFigure:
    """Return a figure, of shape (1,), with its interval."""
    low, high = interval(draws, blocks.n_blocks)
    return BoundedFigure(float(value[0]), float(low), float(high), count)
