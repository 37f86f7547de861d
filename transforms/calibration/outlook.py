"""Published liquidations of the next 24 hours, over simulated paths of the recent volatility.

Belongs here: paths of a random walk, and what a ledger's standing map expects on each of them. Does
not belong here: volatility and its odds (``transforms.touch``), the ledger (``transforms.ledger``),
any view of where price goes: a path and its mirror image are drawn together.

A path has one variance for the day, drawn so that the return over the day has the Student
distribution of three degrees of freedom of ``transforms.touch``; given it, price is a Brownian
motion, whose extremes within each hour are drawn exactly (the maximum of a bridge, e.g. Glasserman,
Monte Carlo Methods in Financial Engineering, 6.4). So a level is reached by as many paths as
``touch.reach_probability`` says. The expected amount of a path and a side is::

    capture x (sum of the map's levels that it reaches, each once
               + beta x .75^2 x sum over hours of move^2 + 24 alpha)

The odds of touch draw paths wider by 1 / .75 than the volatility, to fill the middle of a
distribution of unit variance; squared moves are scaled back, so that their mean is that of the
volatility. Positions opened within the day are not on the map: what they add is in the move term
alone. ``bench/outlook.py`` holds the interval against recorded days.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.calibration.features import adverse_move
from transforms.errors import InvalidInput, InvalidParameters
from transforms.grid import BIN_LOG_WIDTH, bin_edges
from transforms.series import FloatArray
from transforms.touch import TAIL_SCALE

HOURS: Final = 24
"""Length of a path [h]."""

PATHS: Final = 1000
"""Paths drawn; half of them mirror the other half."""

QUANTILES: Final = (0.1, 0.5, 0.9)
"""Over paths: the ends of an 80 % interval, and the median."""

DEGREES_OF_FREEDOM: Final = 3.0
"""Of the return over a day; those of ``touch.reach_probability``."""


@dataclass(frozen=True, slots=True, eq=False)
class LogPaths:
    """Paths of the logarithm of price over the price at their start.

    Parameters
    ----------
    open, high, low, close : ndarray of float64, shape (n_paths, n_hours)
        By hour [ln]; the first opens are 0.
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class StandingMap:
    """What a ledger holds at an instant, and what it expects off its map.

    Parameters
    ----------
    price : float
        Price at which paths start [USD per unit of the asset].
    first_bin : int
        Bin of the first column (``transforms.grid``).
    usd : ndarray of float64, shape (2, n_bins)
        USD expected to be published if price reaches each bin, capture included, longs first.
    move_weight : float
        beta of the fit [USD per squared logarithm and hour], capture included.
    constant : float
        alpha of the fit [USD an hour], capture included.

    Raises
    ------
    InvalidInput
        An amount is negative or not finite, or the price not above 0.
    """

    price: float
    first_bin: int
    usd: FloatArray
    move_weight: float
    constant: float

    def __post_init__(self) -> None:
        """Check amounts and price."""
        amounts = np.append(self.usd, (self.move_weight, self.constant))
        if not (np.isfinite(amounts).all() and (amounts >= 0.0).all()):
            raise InvalidInput("the map or what is off it has a negative or unknown amount")
        if not (np.isfinite(self.price) and self.price > 0.0):
            raise InvalidInput(f"price is {self.price}; give one above 0")


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Expected USD over paths, longs first.

    Parameters
    ----------
    usd : ndarray of float64, shape (2,)
        Mean over paths [USD].
    map_usd, move_usd, constant_usd : ndarray of float64, shape (2,)
        Parts of it: levels of the map, the moves of the hours, the constant [USD].
    quantiles_usd : ndarray of float64, shape (2, 3)
        At ``QUANTILES`` of the paths [USD].
    """

    usd: FloatArray
    map_usd: FloatArray
    move_usd: FloatArray
    constant_usd: FloatArray
    quantiles_usd: FloatArray


def simulate_paths(
    volatility: float,
    generator: np.random.Generator,
    n_paths: int = PATHS,
    n_hours: int = HOURS,
) -> LogPaths:
    """Return paths without drift, each beside its mirror image.

    Parameters
    ----------
    volatility : float
        Standard deviation of the log return over a day, see ``touch.blend_volatility`` [ln per sqrt
        day], finite and at least 0.
    generator : numpy.random.Generator
        Source of the draws.
    n_paths : int
        An even number of paths, at least 2.
    n_hours : int
        Hours of each, at least 1.

    Raises
    ------
    InvalidParameters
        An argument is out of range.

    Examples
    --------
    >>> paths = simulate_paths(0.02, np.random.default_rng(0), 1000)
    >>> bool((paths.low[:500] == -paths.high[500:]).all())
    True
    >>> round(float((paths.low.min(axis=1) < np.log(0.98)).mean()), 1)  # odds of touch: .28
    0.3
    """
    if not (np.isfinite(volatility) and volatility >= 0.0):
        raise InvalidParameters(f"volatility is {volatility}; give a finite one of at least 0")
    if n_paths < 2 or n_paths % 2 or n_hours < 1:
        raise InvalidParameters(
            f"n_paths is {n_paths} and n_hours {n_hours}; give an even number and at least 1"
        )
    half = n_paths // 2
    # The day's return: a Student variable of unit variance, over the scale of the odds of touch.
    spread = np.sqrt(
        (DEGREES_OF_FREEDOM - 2.0) / generator.chisquare(DEGREES_OF_FREEDOM, (half, 1))
    )
    hourly = volatility / TAIL_SCALE * spread / np.sqrt(HOURS)
    steps = hourly * generator.standard_normal((half, n_hours))
    close = np.cumsum(steps, axis=1)
    start = close - steps
    # The extreme of a bridge: 2 (m - open) (m - close) / variance is exponential.
    exponential = generator.standard_exponential((2, half, n_hours))
    beyond = np.sqrt(steps**2 + 2.0 * hourly**2 * exponential)
    high = np.maximum(start + 0.5 * (steps + beyond[0]), np.maximum(start, close))
    low = np.minimum(start + 0.5 * (steps - beyond[1]), np.minimum(start, close))
    return LogPaths(
        *(
            np.concatenate((own, -mirrored))
            for own, mirrored in ((start, start), (high, low), (low, high), (close, close))
        )
    )


def outlook(standing: StandingMap, paths: LogPaths) -> Outlook:
    """Return what a ledger expects to be published over paths.

    Parameters
    ----------
    standing : StandingMap
        At the start of the paths.
    paths : LogPaths
        From `simulate_paths`.

    Returns
    -------
    Outlook
        Longs are reached from above by the lowest low of a path, shorts from below by its highest
        high; of the bin that an extreme lies in, the part that it passed counts.

    Examples
    --------
    A path that falls by 5 % and reaches a level at 97, beside one that rises by 5 %:

    >>> from transforms.grid import bin_of_price
    >>> moved = np.array([[-0.05], [0.05]])
    >>> paths = LogPaths(0.0 * moved, np.maximum(moved, 0.0), np.minimum(moved, 0.0), moved)
    >>> standing = StandingMap(100.0, int(bin_of_price(97.0)), np.array([[8.0], [0.0]]), 0.0, 1.0)
    >>> found = outlook(standing, paths)
    >>> found.usd.tolist(), found.map_usd.tolist()
    ([5.0, 1.0], [4.0, 0.0])
    """
    n_paths, n_hours = paths.close.shape
    lowest, highest = paths.low.min(axis=1), paths.high.max(axis=1)
    reached = np.stack(
        (_reached_below(standing, lowest), _reached_above(standing, highest)), axis=1
    )
    start, high, low, close = (
        np.exp(one).ravel() for one in (paths.open, paths.high, paths.low, paths.close)
    )
    moves = adverse_move(start, start, high, low, close)
    squared = TAIL_SCALE**2 * (moves**2).reshape(n_paths, n_hours, 2).sum(axis=1)
    moved = standing.move_weight * squared
    constant = np.full(2, standing.constant * n_hours)
    total = reached + moved + constant
    return Outlook(
        usd=total.mean(axis=0),
        map_usd=reached.mean(axis=0),
        move_usd=moved.mean(axis=0),
        constant_usd=constant,
        quantiles_usd=np.quantile(total, QUANTILES, axis=0).T,
    )


def _reached_below(standing: StandingMap, low: FloatArray) -> FloatArray:
    """Return USD of long levels at or above the lowest low of each path, (n_paths,)."""
    held = np.append(0.0, np.cumsum(standing.usd[0][::-1]))[::-1]
    return np.asarray(np.interp(low, _log_edges(standing), held))


def _reached_above(standing: StandingMap, high: FloatArray) -> FloatArray:
    """Return USD of short levels at or below the highest high of each path, (n_paths,)."""
    held = np.append(0.0, np.cumsum(standing.usd[1]))
    return np.asarray(np.interp(high, _log_edges(standing), held))


def _log_edges(standing: StandingMap) -> FloatArray:
    """Return the edges of the bins over the price at the start [ln], (n_bins + 1,)."""
    first = np.log(bin_edges(standing.first_bin)[0] / standing.price)
    edges: FloatArray = first + BIN_LOG_WIDTH * np.arange(standing.usd.shape[1] + 1)
    return edges
