"""How likely price is to touch a level within a time, if it knew nothing of the level.

Belongs here: volatility from past closes, and the odds of touch that follow from it.
Does not belong here: any effect of liquidations on price (``transforms.cascade``).

By the reflection principle a random walk touches a level with twice the odds that it ends beyond
it. Where it ends is taken from a Student distribution of three degrees of freedom, scaled to unit
variance, whose two tails beyond x have the closed form::

    odds(x) = 1 - 2 / pi (x / (1 + x^2) + arctan x)
    x = 0.75 |ln(level / price)| / (sigma sqrt T)
    sigma = sigma_24h^0.6 sigma_30d^0.4 0.65^(w - w')

Tails are fat because returns have them. The volatility is a blend because a calm day is seldom
followed by one as calm, nor a wild one by one as wild. Saturdays and Sundays (UTC) move 0.65 times
as much as other days: w is their share of the next 24 hours, w' their share of the time from which
the blend was taken. The factor 0.75 widens the middle, which unit variance leaves too narrow under
fat tails. The figures hold for a day ahead; ``bench/touch.py`` measures them out of sample on
recorded hours.

The odds are a baseline. They use distance, volatility and the calendar only: a claim that bands
attract price needs more touches than these odds.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.compiler import compiled
from transforms.errors import InvalidParameters
from transforms.series import DAY_MICROSECONDS, FloatArray

SECONDS_PER_DAY = 86_400.0

MONTH_SECONDS = 30 * SECONDS_PER_DAY
"""Time over which the slow volatility is a plain mean [s]."""

DAY_EXPONENT = 0.6
"""Weight of the fast volatility in the blend, in logs [1]; the slow one has the rest."""

WEEKEND_RATIO = 0.65
"""Volatility of Saturdays and Sundays as a multiple of that of other days [ratio]."""

WEEKEND_SHARE = 2.0 / 7.0
"""Share of Saturdays and Sundays in a month [ratio]."""

TAIL_SCALE = 0.75
"""Factor on the distance in units of volatility [1]."""

LEAST_ODDS = 1e-3
"""Odds below it are raised to it [1]: events so rare have not been counted."""

HALF_LIFE_SECONDS = SECONDS_PER_DAY
"""Age at which a squared return counts half [s]; a day, so that every hour of the day has a say."""


def trailing_volatility(
    squared_log_return: FloatArray,
    bar_seconds: float,
    n_trailing: int,
    half_life_seconds: float = HALF_LIFE_SECONDS,
) -> FloatArray:
    """Return the volatility at the end of each bar, from the bars of a bounded time before it.

    The variance per unit of time is the sum of squared log returns over the sum of the times they
    took, both weighted by ``0.5 ** (age / half_life_seconds)``; no drift is taken off, as over a
    day it is far below the noise. What a bar gets depends on the last ``n_trailing`` bars alone,
    to the last bit, wherever the array begins.

    Parameters
    ----------
    squared_log_return : ndarray of float64, shape (n_series, n_bars)
        Sum of the squared log returns within each bar, time last [ln^2]. NaN: not observed; the
        bar counts neither as movement nor as time.
    bar_seconds : float
        Length of a bar [s].
    n_trailing : int
        Bars that count, the bar itself included. Ten half-lives leave a thousandth out.
    half_life_seconds : float
        Age at which a return counts half [s]; infinite for a plain mean.

    Returns
    -------
    ndarray of float64, shape (n_series, n_bars - n_trailing + 1)
        Standard deviation of the log return over a day [ln per sqrt day], from bar
        ``n_trailing - 1`` on. NaN where no bar was observed.

    Raises
    ------
    InvalidParameters
        If there are fewer bars than are to count, or none is to count.

    Examples
    --------
    >>> squares = np.array([[np.nan, 1e-4, 1e-4]])
    >>> trailing_volatility(squares, 3600.0, 2).round(6).tolist()
    [[0.04899, 0.04899]]
    """
    n_bars = squared_log_return.shape[1]
    if not 1 <= n_trailing <= n_bars:
        raise InvalidParameters(
            f"n_trailing is {n_trailing} of {n_bars} bars; give 1 or more, and as many bars"
        )
    is_known = np.isfinite(squared_log_return)
    squares = np.where(is_known, squared_log_return, 0.0)
    n_kept = n_bars - n_trailing + 1
    movement = np.zeros((squared_log_return.shape[0], n_kept))
    days = np.zeros_like(movement)
    for age in range(n_trailing):
        weight = 0.5 ** (age * bar_seconds / half_life_seconds)
        own = slice(n_trailing - 1 - age, n_bars - age)
        movement += weight * squares[:, own]
        days += weight * bar_seconds / SECONDS_PER_DAY * is_known[:, own]
    volatility: FloatArray = np.sqrt(movement / np.where(days > 0.0, days, np.nan))
    return volatility


def weekend_change(instant: npt.ArrayLike) -> FloatArray:
    """Return how much more of the next 24 hours is weekend than of what volatility was taken from.

    That is the last 24 hours and the last month, as `blend_volatility` weighs them.

    Parameters
    ----------
    instant : array_like of int, any shape
        Microseconds since 1970, UTC.

    Returns
    -------
    ndarray of float64, shape as given
        Share of Saturdays and Sundays (UTC) ahead, less that behind [ratio].

    Examples
    --------
    >>> friday, sunday = np.array(["2026-03-06T18", "2026-03-09T00"], "datetime64[us]").astype(int)
    >>> weekend_change([friday, sunday]).round(3).tolist()
    [0.636, -0.714]
    """
    day, elapsed = np.divmod(np.asarray(instant, dtype=np.int64), DAY_MICROSECONDS)
    passed = elapsed / DAY_MICROSECONDS
    before, own, after = (_is_weekend(day + step) for step in (-1, 0, 1))
    ahead = (1.0 - passed) * own + passed * after
    behind = passed * own + (1.0 - passed) * before
    change: FloatArray = ahead - DAY_EXPONENT * behind - (1.0 - DAY_EXPONENT) * WEEKEND_SHARE
    return change


def _is_weekend(day: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which days since 1970-01-01, a Thursday, are Saturdays and Sundays."""
    return (day + 3) % 7 >= 5


def blend_volatility(
    day: npt.ArrayLike, month: npt.ArrayLike, weekend: npt.ArrayLike = 0.0
) -> FloatArray:
    """Return the volatility of the next day, from that of the last one and of the last month.

    Parameters
    ----------
    day, month : array_like of float, shape broadcastable
        Standard deviation of the log return over a day, from the last day and from the last
        30 days [ln per sqrt day]. NaN: not known.
    weekend : array_like of float, shape broadcastable
        `weekend_change` [ratio].

    Returns
    -------
    ndarray of float64, shape as broadcast
        ``day^0.6 month^0.4 0.65^weekend`` [ln per sqrt day]; NaN where one is not known.

    Examples
    --------
    >>> blend_volatility([0.02, 0.01], [0.02, 0.04], [1.0, 0.0]).round(5).tolist()
    [0.013, 0.01741]
    """
    fast, slow = np.asarray(day, dtype=np.float64), np.asarray(month, dtype=np.float64)
    usual = WEEKEND_RATIO ** np.asarray(weekend, dtype=np.float64)
    blended: FloatArray = fast**DAY_EXPONENT * slow ** (1.0 - DAY_EXPONENT) * usual
    return blended


def reach_probability(
    log_distance: npt.ArrayLike, volatility: npt.ArrayLike, horizon_seconds: npt.ArrayLike
) -> FloatArray:
    """Return the odds that price moves a distance, in one direction, at some time within a horizon.

    Two tails of a Student distribution of three degrees of freedom (reflection principle, e.g.
    Karatzas and Shreve, Brownian Motion and Stochastic Calculus, 2.6.A); the module says which.

    Parameters
    ----------
    log_distance : array_like of float, shape broadcastable
        Distance in log price [ln]; the sign does not matter.
    volatility : array_like of float, shape broadcastable
        Standard deviation of the log return over a day, see `blend_volatility` [ln per sqrt day].
    horizon_seconds : array_like of float, shape broadcastable
        Time allowed [s]. The figures were measured at a day.

    Returns
    -------
    ndarray of float64, shape as broadcast
        Probability [0-1]; 1 at distance 0, nowhere below ``LEAST_ODDS``. NaN where an argument is
        NaN or, but for the distance, negative.

    Examples
    --------
    Volatility 2.5 % a day; 1, 2 and 5 % below within a day:

    >>> reach_probability(np.log1p([-0.01, -0.02, -0.05]), 0.025, 86400.0).round(3).tolist()
    [0.638, 0.371, 0.076]
    """
    distance, sigma, seconds = np.broadcast_arrays(
        np.asarray(log_distance, dtype=np.float64),
        np.asarray(volatility, dtype=np.float64),
        np.asarray(horizon_seconds, dtype=np.float64),
    )
    odds: FloatArray = _reach(distance.ravel(), sigma.ravel(), seconds.ravel() / SECONDS_PER_DAY)
    return odds.reshape(distance.shape)


@compiled
def _reach(
    distance: npt.NDArray[np.floating[Any]], sigma: FloatArray, days: FloatArray
) -> FloatArray:
    """Return the odds of each distance, volatility and time."""
    odds = np.full(distance.size, np.nan)
    for i in range(distance.size):
        if math.isnan(distance[i]) or not (sigma[i] >= 0.0 and days[i] >= 0.0):
            continue
        away = TAIL_SCALE * abs(distance[i])
        spread = sigma[i] * math.sqrt(days[i])
        if away == 0.0:
            odds[i] = 1.0
        elif spread == 0.0:
            odds[i] = LEAST_ODDS
        else:
            x = away / spread
            beyond = 1.0 - 2.0 / math.pi * (x / (1.0 + x * x) + math.atan(x))
            odds[i] = max(beyond, LEAST_ODDS)
    return odds
