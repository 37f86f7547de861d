"""Shares of positions to which something happened within some hours of a map.

Belongs here: shares from outcomes that are known to an interval only. Does not belong here:
following positions (``outcomes``), rates over all time (``half_lives``).

Something happened between two states, so it counts by the part of its interval that lies within
the horizon: as if it were equally likely anywhere in it. A horizon is measured on the maps that
were followed for all of it, so nothing is censored. The maximum likelihood over intervals (Turnbull
1976, Journal of the Royal Statistical Society B 38, 290) fits no better than that and is not
determined within intervals: on simulated lives known to 11 hours it gave .36 for a share of .27
within an hour, the even spread .25; from a day on all agree.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.errors import InvalidInput
from transforms.positions.account_draws import AccountDraws, Evidence, MeasuredFigure, measured
from transforms.series import FloatArray, IntArray

HORIZONS: Final = (1.0, 4.0, 24.0, 96.0)
"""Times after a map for which shares are given [h]."""


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """PositionOutcomes of some positions, or parts of them, that lie in intervals.

    Parameters
    ----------
    account : ndarray of int64, shape (n,)
        Account of each.
    weight : ndarray of float64, shape (n,)
        What each counts [any unit].
    earliest, latest : ndarray of float64, shape (n,)
        It happened after the first and at or before the second [h since the map]; both infinite: it
        did not happen.
    followed : ndarray of float64, shape (n,)
        How long its map was followed [h].

    Raises
    ------
    InvalidInput
        If an interval ends before it begins.

    Examples
    --------
    >>> one = np.ones(1)
    >>> len(Timed(np.array([0]), one, 0 * one, one, 100 * one).account)
    1
    """

    account: IntArray
    weight: FloatArray
    earliest: FloatArray
    latest: FloatArray
    followed: FloatArray

    def __post_init__(self) -> None:
        """Refuse intervals that end before they begin."""
        if np.any(self.latest < self.earliest):
            raise InvalidInput("an interval ends before it begins; exchange earliest and latest")


def share_within(timed: Timed, horizon: float, draws: AccountDraws) -> MeasuredFigure:
    """Return the share to which it happened within a time after the map.

    Parameters
    ----------
    timed : Timed
        The outcomes.
    horizon : float
        The time [h].
    draws : AccountDraws
        Draws of accounts.

    Returns
    -------
    MeasuredFigure
        Share [ratio]. Without an outcome, or with no map followed for so long, there is none.

    Examples
    --------
    Of forty, ten go within the first hour, ten between then and the fifth.

    >>> latest = np.repeat([1.0, 5.0, np.inf, np.inf], 10)
    >>> earliest = np.repeat([0.0, 1.0, np.inf, np.inf], 10)
    >>> timed = Timed(np.arange(40), np.ones(40), earliest, latest, np.full(40, 50.0))
    >>> draws = AccountDraws.of(40, np.random.default_rng(1))
    >>> [round(share_within(timed, h, draws).value, 6) for h in (1.0, 3.0, 24.0)]
    [0.25, 0.375, 0.5]
    >>> share_within(timed, 96.0, draws).evidence.value
    'no map was followed for that long'
    """
    is_followed = timed.followed >= horizon
    count = int(is_followed.sum())
    if len(timed.account) == 0:
        return MeasuredFigure.missing(Evidence.NOTHING)
    if count == 0:
        return MeasuredFigure.missing(Evidence.FOLLOWED_TOO_SHORT)
    account, weight = timed.account[is_followed], timed.weight[is_followed]
    low, high = timed.earliest[is_followed], timed.latest[is_followed]
    happened = np.zeros(count)
    comes = np.isfinite(high)
    width = np.maximum(high[comes] - low[comes], 1e-9)
    # An instant counts where it is not after the horizon.
    inside = (horizon + 1e-9 - low[comes]) / width
    happened[comes] = np.clip(inside, 0.0, 1.0)
    total = float(weight.sum())
    value = float((weight * happened).sum()) / total if total > 0.0 else float("nan")
    drawn = draws.totals(account, np.stack((weight * happened, weight)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return measured(value, drawn[0] / drawn[1], account, weight, count)
