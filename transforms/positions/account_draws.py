"""Intervals by resampling accounts.

Belongs here: draws of accounts, and whether there are enough of them. Does not belong here: which
figure is drawn.

Positions of one account open, close and move together, and a few accounts hold most of the size.
So whole accounts are resampled, never positions. Where size is heavy-tailed, many accounts still
are few: ``effective_accounts`` counts them by what they hold (Kish 1965, Survey Sampling), and both
the interval and the decision whether there is one go by it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from transforms.errors import InvalidParameters
from transforms.series import Float32Array, FloatArray
from transforms.skill.bootstrap import LEAST_RESAMPLED_BLOCKS, interval

N_DRAWS: Final = 200
"""Draws behind an interval."""

LEAST_ACCOUNTS: Final = 30
"""Accounts below which there is no figure."""

LEAST_LEFT: Final = 20
"""Positions that left below which there is no rate of leaving."""


class Evidence(StrEnum):
    """What a measured figure rests on; only the first two come with a figure."""

    MEASURED = "measured"
    CONCENTRATED = "a few accounts hold most of it: no interval"
    """The figure is that of a few accounts."""
    NOTHING = "no position"
    FEW_ACCOUNTS = "too few accounts"
    FEW_LEFT = "too few positions left"
    FOLLOWED_TOO_SHORT = "no map was followed for that long"

    @property
    def has_figure(self) -> bool:
        """Return whether there is a figure.

        Examples
        --------
        >>> Evidence.CONCENTRATED.has_figure, Evidence.FEW_ACCOUNTS.has_figure
        (True, False)
        """
        return self in (Evidence.MEASURED, Evidence.CONCENTRATED)


@dataclass(frozen=True, slots=True)
class MeasuredFigure:
    """A figure with its interval and what it rests on.

    Parameters
    ----------
    value, low, high : float
        The figure and its 95 % interval, in its unit. NaN: there is none, see `evidence`.
    accounts : int
        Accounts behind it.
    positions : int
        Positions behind it; of a rate of leaving, those that left.
    evidence : Evidence
    """

    value: float
    low: float
    high: float
    accounts: int
    positions: int
    evidence: Evidence

    @classmethod
    def missing(cls, evidence: Evidence, accounts: int = 0, positions: int = 0) -> "MeasuredFigure":
        """Return that there is no figure, and why.

        Parameters
        ----------
        evidence : Evidence
            Why.
        accounts, positions : int
            What there is.

        Returns
        -------
        MeasuredFigure

        Examples
        --------
        >>> MeasuredFigure.missing(Evidence.NOTHING).value
        nan
        """
        nothing = float("nan")
        return cls(nothing, nothing, nothing, accounts, positions, evidence)


@dataclass(frozen=True, slots=True, eq=False)
class AccountDraws:
    """How often each draw took each account.

    Parameters
    ----------
    times_drawn : ndarray of float32, shape (n_draws, n_accounts)
        Every row sums to the number of accounts.
    """

    times_drawn: Float32Array

    @classmethod
    def of(
        cls, n_accounts: int, generator: np.random.Generator, n_draws: int = N_DRAWS
    ) -> "AccountDraws":
        """Return draws of accounts with replacement.

        Parameters
        ----------
        n_accounts : int
            Accounts, including those without a position in what is measured.
        generator : numpy.random.Generator
            Source of the draws.
        n_draws : int
            Number of draws.

        Raises
        ------
        InvalidParameters
            If there are no draws.

        Examples
        --------
        >>> AccountDraws.of(3, np.random.default_rng(1), 2).times_drawn.sum(axis=1).tolist()
        [3.0, 3.0]
        """
        if n_draws < 1:
            raise InvalidParameters(f"n_draws is {n_draws}; give more than 0")
        if n_accounts == 0:
            return cls(np.zeros((n_draws, 0), dtype=np.float32))
        even = np.full(n_accounts, 1.0 / n_accounts)
        drawn = np.empty((n_draws, n_accounts), dtype=np.float32)
        for row in drawn:
            row[:] = generator.multinomial(n_accounts, even)
        return cls(drawn)

    def totals(self, account: npt.NDArray[np.int64], amounts: FloatArray) -> FloatArray:
        """Return the total of each draw.

        Parameters
        ----------
        account : ndarray of int64, shape (n,)
            Account of each row.
        amounts : ndarray of float64, shape (..., n)
            What is added up.

        Returns
        -------
        ndarray of float64, shape (..., n_draws)
            Totals, in the unit of the amounts.

        Examples
        --------
        >>> draws = AccountDraws(np.array([[2.0, 0.0], [1.0, 1.0]], dtype=np.float32))
        >>> draws.totals(np.array([0, 1, 1]), np.array([[1.0, 5.0, 5.0]])).tolist()
        [[2.0, 11.0]]
        """
        accounts, own = np.unique(account, return_inverse=True)
        flat = amounts.reshape(-1, amounts.shape[-1])
        sums = np.stack([np.bincount(own, row, minlength=len(accounts)) for row in flat])
        drawn: FloatArray = sums @ self.times_drawn[:, accounts].astype(np.float64).T
        return drawn.reshape((*amounts.shape[:-1], len(self.times_drawn)))


def effective_accounts(account: npt.NDArray[np.int64], weight: FloatArray) -> float:
    """Return how many accounts of equal size would vary as much as these do.

    Parameters
    ----------
    account : ndarray of int64, shape (n,)
        Account of each row.
    weight : ndarray of float64, shape (n,)
        What each row holds [any unit], at least 0.

    Returns
    -------
    float
        Squared sum over sum of squares of the accounts' totals; 0 without any.

    Examples
    --------
    >>> effective_accounts(np.array([0, 1, 1]), np.array([2.0, 1.0, 1.0]))
    2.0
    """
    totals = np.bincount(account, weight) if len(account) else np.zeros(1)
    squares = float((totals**2).sum())
    return float(totals.sum() ** 2 / squares) if squares > 0.0 else 0.0


def measured(
    value: float,
    draws: FloatArray,
    account: npt.NDArray[np.int64],
    weight: FloatArray,
    positions: int | None = None,
    *,
    is_share: bool = False,
) -> MeasuredFigure:
    """Return a figure with its interval, or why there is none.

    The interval of a share lies within 0 and 1. What no account shows can still be up to 3 / n of n
    accounts (the rule of three, Hanley and Lippman-Hand 1983, JAMA 249, 1743); draws of accounts
    cannot know that.

    Parameters
    ----------
    value : float
        The figure.
    draws : ndarray of float64, shape (n_draws,)
        The figure in each draw; NaN where a draw has none.
    account : ndarray of int64, shape (n,)
        Account of each row behind it.
    weight : ndarray of float64, shape (n,)
        What each row counts.
    positions : int, optional
        Positions behind it, the rows where not given.
    is_share : bool
        Whether the figure is a share of a whole [ratio].

    Returns
    -------
    MeasuredFigure

    Examples
    --------
    >>> found = measured(0.5, np.linspace(0.4, 0.6, 201), np.arange(40), np.ones(40))
    >>> found.evidence.value, round(found.low, 2), round(found.high, 2)
    ('measured', 0.4, 0.6)
    >>> measured(0.5, np.zeros(9), np.arange(4), np.ones(4)).evidence.value
    'too few accounts'
    >>> found = measured(0.0, np.zeros(200), np.arange(60), np.ones(60), is_share=True)
    >>> found.low, found.high
    (0.0, 0.05)
    """
    accounts = len(np.unique(account[weight > 0.0]))
    count = len(account) if positions is None else positions
    nothing = float("nan")
    if accounts == 0:
        return MeasuredFigure.missing(Evidence.NOTHING, 0, count)
    if accounts < LEAST_ACCOUNTS or not np.isfinite(value):
        return MeasuredFigure.missing(Evidence.FEW_ACCOUNTS, accounts, count)
    effective = int(effective_accounts(account, weight))
    known = draws[np.isfinite(draws)]
    if effective < LEAST_RESAMPLED_BLOCKS or len(known) < 0.9 * len(draws):
        return MeasuredFigure(value, nothing, nothing, accounts, count, Evidence.CONCENTRATED)
    low, high = map(float, interval(known, effective))
    if is_share:
        unseen = min(3.0 / effective_accounts(account, weight), 1.0)
        low, high = max(low, 0.0), min(high, 1.0)
        low = min(low, 1.0 - unseen) if value >= 1.0 else low
        high = max(high, unseen) if value <= 0.0 else high
    return MeasuredFigure(value, low, high, accounts, count, Evidence.MEASURED)
