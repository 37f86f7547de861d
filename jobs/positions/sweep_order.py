"""Which account's state is requested next: how late each is, and the latest of them.

Belongs here: intervals and lateness over arrays of all accounts. Does not belong here: the arrays
(`jobs.positions.sweep_table`), the limit on requests (`sources.accounts.weight_budget`).

A sweep is one request of the state of one account on one dex. Each sweep has an interval by what
is known of the account; its lateness is the age of its state over that interval. The latest goes
first, so nothing starves, and where the limit does not suffice all intervals stretch alike.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Indices = NDArray[np.intp]

HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class SweepPolicy:
    """How often states are requested.

    Parameters
    ----------
    large_usd : float
        Position value from which an account is large, and traded value from which its state is
        as good as unknown [USD].
    near_ratio : float
        Distance from the mark price to the liquidation price up to which a position is near
        [share of the mark price].
    large_seconds, least_seconds : float
        Interval of accounts that are just large or near: half the age that a map allows them; it
        shrinks to the second as positions grow and come nearer [s].
    other_seconds : float
        Interval of all other accounts with a position: half a day, half the age that a map
        allows them [s].
    empty_seconds : float
        Interval of accounts without a position; they come back by trading [s].
    traded_seconds : float
        Interval of an account that traded `large_usd` since its state; an account that traded a
        tenth of it has ten times this interval [s].
    any_trade_seconds : float
        Interval of an account that traded anything since: what it opened may be near its
        liquidation price [s].
    trades_per_hour : float
        How often an account may usually trade for these two intervals to hold; of one that trades
        ten times as often they are ten times as long: its state is out of date so much sooner
        [1/h].
    new_seconds, listed_seconds : float
        Interval of accounts never requested: found by a trade, and on a public list [s]. Both are
        short: until all have been requested once, a map misses what they hold.
    most_by_size, most_by_any_trade : float
        Lateness that trades can give at most, and a list as much as any trade: beyond it, the
        intervals of large and other accounts come first. 1.6 leaves a fifth of the age that a map
        allows.
    least_lateness : float
        Lateness from which a known state is requested again: where the limit leaves room, states
        are up to ten times as fresh as their interval requires.
    usual_seconds : float
        Half-life of how often an account usually trades [s].
    """

    large_usd: float = 100_000.0
    near_ratio: float = 0.03
    large_seconds: float = 1800.0
    least_seconds: float = 180.0
    other_seconds: float = 12 * HOUR_SECONDS
    empty_seconds: float = 5 * 24 * HOUR_SECONDS
    traded_seconds: float = 600.0
    any_trade_seconds: float = 1800.0
    trades_per_hour: float = 20.0
    new_seconds: float = 60.0
    listed_seconds: float = 120.0
    most_by_size: float = 1.6
    most_by_any_trade: float = 1.3
    least_lateness: float = 0.1
    usual_seconds: float = 2 * HOUR_SECONDS


@dataclass(frozen=True, slots=True)
class SweepFacts:
    """What is known of each sweep; arrays of shape (n_sweeps,).

    Parameters
    ----------
    age_seconds : ndarray of float64
        Age of the state [s]; of one never requested, the time since it was found.
    is_new, is_listed : ndarray of bool
        Whether it was never requested; whether a public list named it.
    position_count : ndarray of int32
        Positions in the state.
    largest_usd : ndarray of float64
        Value of the largest position at the newest marks [USD].
    nearest_ratio : ndarray of float64
        Smallest distance to a liquidation price at the newest marks; infinite where none is known.
    traded_usd : ndarray of float64
        Traded since the state [USD].
    trades : ndarray of int32
        Trades since the state.
    usual_trades_per_hour : ndarray of float64
        How often the account usually trades [1/h].
    """

    age_seconds: Floats
    is_new: Booleans
    is_listed: Booleans
    position_count: NDArray[np.int32]
    largest_usd: Floats
    nearest_ratio: Floats
    traded_usd: Floats
    trades: NDArray[np.int32]
    usual_trades_per_hour: Floats


def important(
    largest_usd: Floats, nearest_ratio: Floats, policy: SweepPolicy | None = None
) -> Booleans:
    """Return which accounts are large or near, shape (n_sweeps,).

    Parameters
    ----------
    largest_usd : ndarray of float64, shape (n_sweeps,)
        Value of the largest position [USD].
    nearest_ratio : ndarray of float64, shape (n_sweeps,)
        Smallest distance to a liquidation price; infinite where none is known.
    policy : SweepPolicy, optional
        How often states are requested.

    Examples
    --------
    >>> important(np.array([2e5, 10.0, 10.0]), np.array([np.inf, 0.02, 0.2])).tolist()
    [True, True, False]
    """
    policy = policy or SweepPolicy()
    return (largest_usd >= policy.large_usd) | (nearest_ratio <= policy.near_ratio)


def important_intervals(largest_usd: Floats, nearest_ratio: Floats, policy: SweepPolicy) -> Floats:
    """Return the interval of accounts that are large or near [s], shape (n_sweeps,).

    It falls with the square root of the largest value and of the smallest distance. A state that
    is out of date costs a map as much as the position is worth; with the square root, 100 times
    the value gets ten times the requests.

    Parameters
    ----------
    largest_usd, nearest_ratio, policy
        As for `important`.

    Examples
    --------
    Just large; 1.6 M USD; a hundred times as much; small and just near; small and .75 % away:

    >>> usd, distance = np.array([1e5, 1.6e6, 1.6e8, 10, 10]), np.array([9, 9, 9, 0.03, 0.0075])
    >>> important_intervals(usd, distance, SweepPolicy()).tolist()
    [1800.0, 450.0, 180.0, 1800.0, 900.0]
    """
    by_value = policy.large_usd / np.maximum(largest_usd, policy.large_usd)
    by_distance = np.minimum(nearest_ratio / policy.near_ratio, 1.0)
    return np.maximum(
        policy.large_seconds * np.sqrt(np.minimum(by_value, by_distance)), policy.least_seconds
    )


def class_intervals(facts: SweepFacts, policy: SweepPolicy) -> Floats:
    """Return the interval by positions alone [s], shape (n_sweeps,)."""
    return np.where(
        facts.position_count == 0,
        policy.empty_seconds,
        np.where(
            important(facts.largest_usd, facts.nearest_ratio, policy),
            important_intervals(facts.largest_usd, facts.nearest_ratio, policy),
            policy.other_seconds,
        ),
    )


def lateness(facts: SweepFacts, policy: SweepPolicy | None = None) -> Floats:
    """Return how late each sweep is: the age of its state over its interval, shape (n_sweeps,).

    The state of an account that trades all the time is out of date at once: the oftener it trades,
    the less its trades count. A market maker is requested as often as its positions require.

    Parameters
    ----------
    facts : SweepFacts
        What is known of each sweep.
    policy : SweepPolicy, optional
        How often states are requested.

    Examples
    --------
    Half an hour old: large; small; small, but traded 100,000 USD; the same 2,000 times an hour.

    >>> facts = SweepFacts(
    ...     age_seconds=np.full(4, 1800.0),
    ...     is_new=np.zeros(4, bool),
    ...     is_listed=np.zeros(4, bool),
    ...     position_count=np.ones(4, np.int32),
    ...     largest_usd=np.array([1e5, 1e3, 1e3, 1e3]),
    ...     nearest_ratio=np.full(4, np.inf),
    ...     traded_usd=np.array([0.0, 0.0, 1e5, 1e5]),
    ...     trades=np.array([0, 0, 1, 1000], np.int32),
    ...     usual_trades_per_hour=np.array([0.0, 0.0, 0.0, 2e3]),
    ... )
    >>> lateness(facts).round(3).tolist()
    [1.0, 0.042, 1.4, 0.042]
    """
    policy = policy or SweepPolicy()
    known = np.maximum(
        facts.age_seconds / class_intervals(facts, policy), _lateness_by_trades(facts, policy)
    )
    listed = np.maximum(
        _bounded(facts.age_seconds / policy.listed_seconds, policy.most_by_any_trade),
        facts.age_seconds / policy.other_seconds,
    )
    found = np.where(
        facts.is_listed & (facts.traded_usd == 0.0), listed, facts.age_seconds / policy.new_seconds
    )
    return np.where(facts.is_new, found, known)


def _lateness_by_trades(facts: SweepFacts, policy: SweepPolicy) -> Floats:
    """Return how late trades since the state make each sweep, shape (n_sweeps,)."""
    stretch = np.maximum(facts.usual_trades_per_hour / policy.trades_per_hour, 1.0)
    share = np.minimum(facts.traded_usd / policy.large_usd, 1.0)
    by_size = facts.age_seconds / policy.traded_seconds * share / stretch
    by_any_trade = facts.age_seconds / policy.any_trade_seconds * (facts.trades > 0) / stretch
    return np.maximum(
        _bounded(by_size, policy.most_by_size), _bounded(by_any_trade, policy.most_by_any_trade)
    )


def _bounded(late: Floats, most: float) -> Floats:
    """Return a lateness as it is up to 1, and then rising ever more slowly to a bound."""
    return np.where(late <= 1.0, late, 1.0 + (most - 1.0) * (1.0 - 1.0 / np.maximum(late, 1.0)))


def latest(late: Floats, is_free: Booleans, count: int) -> Indices:
    """Return the sweeps to make next, the latest first, shape (<= count,).

    Of equally late ones the first go first: accounts of a list that starts with the largest.

    Parameters
    ----------
    late : ndarray of float64, shape (n_sweeps,)
        Lateness.
    is_free : ndarray of bool, shape (n_sweeps,)
        Which may be requested: not under way, not to be left alone after a failure.
    count : int
        How many at most.

    Examples
    --------
    >>> latest(np.array([0.5, 3.0, 2.0, 9.0]), np.array([True, True, True, False]), 2).tolist()
    [1, 2]
    """
    free = np.flatnonzero(is_free)
    if free.size > count:
        least = np.partition(late[free], free.size - count)[free.size - count]
        ahead, level = free[late[free] > least], free[late[free] == least]
        free = np.concatenate((ahead, level[: count - ahead.size]))
    return free[np.argsort(-late[free], kind="stable")]


def usual_trading(
    usual_trades_per_hour: float, trades: int, seconds: float, policy: SweepPolicy | None = None
) -> float:
    """Return how often an account usually trades, given its trades since its last state [1/h].

    Examples
    --------
    >>> usual_trading(0.0, 10, 7200.0)
    2.5
    """
    policy = policy or SweepPolicy()
    if seconds <= 0.0:
        return usual_trades_per_hour
    weight = 1.0 - math.exp2(-seconds / policy.usual_seconds)
    rate = trades / seconds * HOUR_SECONDS
    return usual_trades_per_hour + weight * (rate - usual_trades_per_hour)
