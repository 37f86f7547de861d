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

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from transforms.errors import InvalidInput
from transforms.positions.account_draws import (
    AccountDraws,
    Evidence,
    MeasuredFigure,
    measured,
)
from transforms.series import BoolArray, FloatArray, IntArray

HORIZONS: Final = (1.0, 4.0, 24.0, 96.0)
"""Times after a map for which shares are given [h]."""


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """Outcomes of some positions, or parts of them, that lie in intervals.

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

    def part(self, rows: BoolArray) -> "Timed":
        """Return some of the outcomes."""
        return Timed(*(getattr(self, each.name)[rows] for each in fields(self)))


def shares_within(timed: Timed, draws: AccountDraws) -> tuple[MeasuredFigure, ...]:
    """Return the share to which it happened within each of ``HORIZONS``.

    Parameters
    ----------
    timed : Timed
        The outcomes.
    draws : AccountDraws
        Draws of accounts.

    Returns
    -------
    tuple of MeasuredFigure, length 4
        Shares [ratio]. Without an outcome, or with no map followed for so long, there is none.

    Examples
    --------
    Of forty, ten go within the first hour, ten between then and the seventh.

    >>> latest = np.repeat([1.0, 7.0, np.inf, np.inf], 10)
    >>> earliest = np.repeat([0.0, 1.0, np.inf, np.inf], 10)
    >>> timed = Timed(np.arange(40), np.ones(40), earliest, latest, np.full(40, 50.0))
    >>> draws = AccountDraws.of(40, np.random.default_rng(1))
    >>> found = shares_within(timed, draws)
    >>> [round(each.value, 6) for each in found[:3]], found[3].evidence.value
    ([0.25, 0.375, 0.5], 'no map was followed for that long')
    """
    if len(timed.account) == 0:
        return (MeasuredFigure.missing(Evidence.NOTHING),) * len(HORIZONS)
    horizon = np.array(HORIZONS)[:, None]
    weight = np.where(timed.followed >= horizon, timed.weight, 0.0)
    comes = np.isfinite(timed.latest)
    low, high = np.where(comes, (timed.earliest, timed.latest), 0.0)
    width = np.maximum(high - low, 1e-9)
    # An instant counts where it is not after the horizon.
    happened = comes * weight * np.clip((horizon + 1e-9 - low) / width, 0.0, 1.0)
    drawn = draws.totals(timed.account, np.stack((happened, weight)))
    total = weight.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        values, draw_values = happened.sum(axis=1) / total, drawn[0] / drawn[1]
    found = []
    for value, own_draws, own_weight, hours in zip(
        values.tolist(), draw_values, weight, HORIZONS, strict=True
    ):
        count = int((timed.followed >= hours).sum())
        found.append(
            measured(value, own_draws, timed.account, own_weight, count, is_share=True)
            if count
            else MeasuredFigure.missing(Evidence.FOLLOWED_TOO_SHORT)
        )
    return tuple(found)
