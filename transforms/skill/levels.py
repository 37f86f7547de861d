"""Levels that price went through, as cells: which they are, what maps hold on them, their age.

Belongs here: from the extremes of a span to its cells, in order of distance, and from maps to
amounts in cells. Does not belong here: how a split over cells is scored (``places``).

A span is an hour, or the day after a midnight; it begins with a map. Its cells are published bins:
cell 0 is the bin of the price at the start, cell c the c-th bin below it for longs and above it for
shorts. A bin counts as reached where price entered it.

Two nulls need no map: ``FARTHEST`` is the distance from price alone, ``OLDEST`` the time since
price last traded at a level. A map of fresh levels resembles both.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.errors import InvalidInput
from transforms.grid import bin_of_price
from transforms.series import BoolArray, FloatArray, IntArray

FARTHEST: Final = "farthest_level"
"""Name of the null that puts most into the levels farthest from price."""

OLDEST: Final = "oldest_level"
"""Name of the null that puts most into the levels where price has not traded for longest."""

HOUR: Final = 3_600_000_000
"""An hour [microseconds]."""


@dataclass(frozen=True, slots=True, eq=False)
class ReachedLevels:
    """Bins that price went through in each span, by side; none of longs and shorts is shared.

    Parameters
    ----------
    start : ndarray of int64, shape (n_spans,)
        Instant of the map that a span begins with [microseconds, UTC].
    end : ndarray of int64, shape (n_spans,)
        End of each span [microseconds, UTC].
    price_bin : ndarray of int64, shape (n_spans,)
        Bin of the price at the start.
    low_bin, high_bin : ndarray of int64, shape (n_spans,)
        Bins of the extremes in the span; extremes short of the price count as the price.

    Raises
    ------
    InvalidInput
        If shapes differ.

    Examples
    --------
    >>> levels = ReachedLevels.between(
    ...     np.array([0]), np.array([HOUR]), np.array([100.0]), np.array([99.5]), np.array([100.0])
    ... )
    >>> levels.is_reached.tolist()
    [[[True, True, True], [True, False, False]]]
    """

    start: IntArray
    end: IntArray
    price_bin: IntArray
    low_bin: IntArray
    high_bin: IntArray

    def __post_init__(self) -> None:
        """Check the shapes."""
        shapes = {getattr(self, name).shape for name in ("end", "price_bin", "low_bin", "high_bin")}
        if shapes != {self.start.shape} or self.start.ndim != 1:
            raise InvalidInput(f"levels have shapes {self.start.shape} and {sorted(shapes)}")

    @classmethod
    def between(
        cls, start: IntArray, end: IntArray, price: FloatArray, low: FloatArray, high: FloatArray
    ) -> "ReachedLevels":
        """Return the levels of spans with known prices [USD per unit of the asset]."""
        return cls(
            start,
            end,
            bin_of_price(price),
            bin_of_price(np.minimum(low, price)),
            bin_of_price(np.maximum(high, price)),
        )

    def __len__(self) -> int:
        """Return the number of spans."""
        return len(self.start)

    @property
    def n_cells(self) -> int:
        """Most cells of a side; at least 1."""
        return int(self.cell_counts.max(initial=1))

    @property
    def cell_counts(self) -> IntArray:
        """Cells that price reached on each side, shape (n_spans, 2); at least that of the price."""
        counts: IntArray = 1 + np.column_stack(
            (self.price_bin - self.low_bin, self.high_bin - self.price_bin)
        )
        return counts

    @property
    def is_reached(self) -> BoolArray:
        """Whether price reached each cell, shape (n_spans, 2, n_cells)."""
        reached: BoolArray = np.arange(self.n_cells) < self.cell_counts[..., None]
        return reached

    @property
    def bins(self) -> IntArray:
        """Published bin of each cell, shape (n_spans, 2, n_cells)."""
        steps = np.arange(self.n_cells)
        away = np.stack((-steps, steps))
        bins: IntArray = self.price_bin[:, None, None] + away
        return bins

    def part(self, rows: BoolArray | IntArray) -> "ReachedLevels":
        """Return some of the spans."""
        names = ("start", "end", "price_bin", "low_bin", "high_bin")
        return ReachedLevels(*(getattr(self, name)[rows] for name in names))


def amounts_in_cells(
    levels: ReachedLevels, span: IntArray, side: IntArray, level_bin: IntArray, usd: FloatArray
) -> FloatArray:
    """Return amounts at levels as amounts in the cells of spans.

    Parameters
    ----------
    levels : ReachedLevels
        Cells.
    span, side, level_bin : ndarray of int64, shape (n_amounts,)
        Span, side (0 long, 1 short) and bin of each. Those outside the reached cells of their side
        are left out: beyond them price did not go, and what opened and was liquidated within the
        span was on no level before it.
    usd : ndarray of float64, shape (n_amounts,)
        What a map holds there, or what was liquidated [USD]. NaN counts as none.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2, n_cells)
        [USD].

    Examples
    --------
    >>> levels = ReachedLevels(*(np.array([one]) for one in (0, HOUR, 10, 9, 12)))
    >>> order = np.array([[0, 0, 9], [0, 0, 11], [0, 1, 12]]).T
    >>> amounts_in_cells(levels, *order, np.array([5.0, 7.0, 2.0])).tolist()
    [[[0.0, 5.0, 0.0], [0.0, 0.0, 2.0]]]
    """
    cell = np.where(side == 0, -1, 1) * (level_bin - levels.price_bin[span])
    is_inside = (cell >= 0) & (cell < levels.cell_counts[span, side]) & np.isfinite(usd)
    shape = (len(levels), 2, levels.n_cells)
    at = np.ravel_multi_index((span[is_inside], side[is_inside], cell[is_inside]), shape)
    total = np.bincount(at, usd[is_inside], int(np.prod(shape)))
    return total.astype(np.float64).reshape(shape)


def farthest_first(levels: ReachedLevels) -> FloatArray:
    """Return what ``FARTHEST`` puts into each cell.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2, n_cells)
        Distance from the price at the start [bins, 1 for that of the price].

    Examples
    --------
    >>> farthest_first(ReachedLevels(*(np.array([one]) for one in (0, HOUR, 10, 9, 12)))).tolist()
    [[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]]
    """
    steps = 1.0 + np.arange(levels.n_cells)
    return np.broadcast_to(steps, levels.is_reached.shape).copy()


def oldest_first(
    levels: ReachedLevels, hour_end: IntArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Return what ``OLDEST`` puts into each cell.

    Parameters
    ----------
    levels : ReachedLevels
        Cells.
    hour_end : ndarray of int64, shape (n_hours,)
        Ends of hours of price, increasing [microseconds]. Those after the start of a span count for
        later ones only.
    low, high : ndarray of float64, shape (n_hours,)
        Extremes of each hour [USD per unit of the asset]. NaN: not known.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2, n_cells)
        ln(1 + hours since price last traded in the bin) [ln h]; never traded counts from the first
        hour.

    Examples
    --------
    >>> levels = ReachedLevels(*(np.array([one]) for one in (3 * HOUR, 4 * HOUR, 0, -1, 1)))
    >>> price = np.exp(0.002 * np.array([[-1.0, 0.0], [0.0, 0.0]]))
    >>> age = oldest_first(levels, np.array([1, 3]) * HOUR, price.min(axis=1), price.max(axis=1))
    >>> np.expm1(age).round(6).tolist()
    [[[0.0, 2.0], [0.0, 3.0]]]
    """
    bins, is_reached = levels.bins, levels.is_reached
    if not len(levels) or not len(hour_end):
        return np.zeros(bins.shape)
    known = np.isfinite(low) & np.isfinite(high)
    hour_end, low_bin, high_bin = (
        hour_end[known],
        bin_of_price(low[known]),
        bin_of_price(high[known]),
    )
    first = int(low_bin.min(initial=bins.min()))
    last = int(high_bin.max(initial=bins.max()))
    traded = np.full(last - first + 1, int(hour_end[0]) - HOUR if len(hour_end) else 0, np.int64)
    age = np.zeros(bins.shape)
    hour = 0
    for span in np.argsort(levels.start, kind="stable"):
        at = levels.start[span]
        while hour < len(hour_end) and hour_end[hour] <= at:
            traded[low_bin[hour] - first : high_bin[hour] - first + 1] = hour_end[hour]
            hour += 1
        age[span] = np.log1p(np.maximum(at - traded[bins[span] - first], 0) / HOUR)
    return np.where(is_reached, age, 0.0)


def halves_of(levels: ReachedLevels, held: FloatArray, half_cells: IntArray) -> FloatArray:
    """Return what price reached for the first time in each half of a span.

    Parameters
    ----------
    levels : ReachedLevels
        Cells.
    held : ndarray of float64, shape (n_spans, 2, n_cells)
        Amounts in cells [any unit].
    half_cells : ndarray of int64, shape (n_spans, 2)
        Cells of each side that price reached in the first half.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2, 2)
        Amounts of the first half and of the second [as `held`]. NaN where the span has no amounts.

    Examples
    --------
    >>> levels = ReachedLevels(*(np.array([one]) for one in (0, HOUR, 10, 9, 12)))
    >>> held = np.array([[[2.0, 1.0, 0.0], [7.0, 8.0, 9.0]]])
    >>> halves_of(levels, held, np.array([[2, 1]])).tolist()
    [[[3.0, 0.0], [7.0, 17.0]]]
    """
    is_first = np.arange(levels.n_cells) < half_cells[..., None]
    # 0 times NaN stays NaN: a span without a map has no halves.
    reached = np.where(levels.is_reached, held, 0.0 * held)
    first = np.where(is_first, reached, 0.0 * reached).sum(axis=2)
    return np.stack((first, reached.sum(axis=2) - first), axis=2)
