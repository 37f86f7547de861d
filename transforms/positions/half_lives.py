"""How long positions last by leverage, and in which leverage fresh ones are opened.

Belongs here: the rate at which each tier leaves, its half-life, and the shares of fresh positions.
Does not belong here: which rows of the log count (``changes.follow``), tiers (``leverage``).

An estimator gives each tier one hazard, so that is what is measured: the maximum likelihood of a
constant hazard h under which a part that was held for B hours and left within the next D hours
has the probability exp(-h B) (1 - exp(-h D)), and one that did not leave exp(-h B) (interval and
right censoring; Kalbfleisch and Prentice 2002, The Statistical Analysis of Failure Time Data,
chapter 3). Where it varies with age the figure is the mean over what was held.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from transforms.positions.account_draws import (
    LEAST_LEFT,
    AccountDraws,
    Evidence,
    MeasuredFigure,
    measured,
)
from transforms.positions.changes import HOUR, Changes, Stretches
from transforms.series import BoolArray, FloatArray, IntArray

LONGEST_OPENING_HOURS: Final = 24.0
"""An opening known to less than this is of unknown age: its position does not count as fresh [h].
It is the longest that an account with positions waits for its next state."""

_ITERATIONS: Final = 60
_ENOUGH: Final = 1e-10
_HOURS_A_DAY: Final = 24.0


@dataclass(frozen=True, slots=True, eq=False)
class LeavingRates:
    """How fast the positions of each tier leave.

    Parameters
    ----------
    half_life_days : tuple of MeasuredFigure, length n_tiers
        Half-life of each tier [days].
    latest_half_life_days : ndarray of float64, shape (n_tiers,)
        The same if every position had left at the end of its bracket: how much the brackets
        matter. NaN where there is no half-life.
    log_hazard : ndarray of float64, shape (n_tiers,)
        ln of the hazard [ln(1/h)]. NaN where nothing left.
    drawn_log_hazard : ndarray of float64, shape (n_tiers, n_draws)
        The same in each draw of accounts, by one Newton step from the estimate.
    """

    half_life_days: tuple[MeasuredFigure, ...]
    latest_half_life_days: FloatArray
    log_hazard: FloatArray
    drawn_log_hazard: FloatArray


def leaving_rates(
    changes: Changes, stretches: Stretches, tier: IntArray, n_tiers: int, draws: AccountDraws
) -> LeavingRates:
    """Return the hazard and half-life of each tier.

    Parameters
    ----------
    changes : Changes
        The log.
    stretches : Stretches
        How long each part was held, from `changes.follow`.
    tier : ndarray of int64, shape (n_rows,)
        Tier of each row of the log; negative: of none.
    n_tiers : int
        Number of tiers.
    draws : AccountDraws
        Draws of accounts.

    Returns
    -------
    LeavingRates

    Examples
    --------
    Forty accounts, each with a position that leaves after ten hours: hazard 1/10 an hour.

    >>> from transforms.positions.changes import example_changes, follow
    >>> log = example_changes([0.0, 10.0], [1.0, 0.0], 40)
    >>> draws = AccountDraws.of(40, np.random.default_rng(1))
    >>> held = follow(log, (0, 100 * HOUR))
    >>> rates = leaving_rates(log, held, np.zeros(80, dtype=np.int64), 1, draws)
    >>> round(float(rates.half_life_days[0].value * 24 / np.log(2)), 6)
    10.0
    """
    of_tier = tier[stretches.row]
    account = changes.account[stretches.row]
    found: list[MeasuredFigure] = []
    hazards = np.full(n_tiers, np.nan)
    latest = np.full(n_tiers, np.nan)
    drawn = np.full((n_tiers, len(draws.times_drawn)), np.nan)
    for number in range(n_tiers):
        own = of_tier == number
        weight, exposure, width = (
            each[own] for each in (stretches.weight, stretches.exposure, stretches.width)
        )
        has_left = np.isfinite(width)
        left = int(np.unique(stretches.row[own][has_left]).size)
        rate = _fit(weight, exposure, width)
        if left < LEAST_LEFT or not rate > 0.0:
            missing = Evidence.FEW_LEFT if weight.sum() > 0.0 else Evidence.NOTHING
            found.append(MeasuredFigure.missing(missing, len(np.unique(account[own])), left))
            continue
        hazards[number] = np.log(rate)
        score, information = _score(rate, weight, exposure, width)
        sums = draws.totals(account[own], np.stack((score, information)))
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.clip(sums[0] / sums[1], -2.0, 2.0)
        drawn[number] = hazards[number] + step
        log_found = measured(
            float(np.log(np.log(2.0) / rate / _HOURS_A_DAY)),
            np.log(np.log(2.0) / _HOURS_A_DAY) - drawn[number],
            account[own],
            np.where(has_left, weight, 0.0),
            left,
        )
        # Draws are those of a logarithm, so that no end of an interval falls below 0.
        value, low, high = (
            float(np.exp(one)) for one in (log_found.value, log_found.low, log_found.high)
        )
        each = replace(log_found, value=value, low=low, high=high)
        found.append(each)
        if each.evidence.has_figure:
            full = exposure + np.where(has_left, width, 0.0)
            late = _fit(weight, full, np.where(has_left, 0.0, np.nan))
            latest[number] = np.log(2.0) / late / _HOURS_A_DAY
    return LeavingRates(tuple(found), latest, hazards, drawn)


def _fit(weight: FloatArray, exposure: FloatArray, width: FloatArray) -> float:
    """Return the hazard of greatest likelihood [1/h]; NaN where nothing left or was held."""
    has_left = np.isfinite(width)
    total = float(weight[has_left].sum())
    held = float((weight * (exposure + np.where(has_left, 0.5 * width, 0.0))).sum())
    if total <= 0.0 or held <= 0.0:
        return float("nan")
    log_rate = float(np.log(total / held))
    for _ in range(_ITERATIONS):
        score, information = _score(float(np.exp(log_rate)), weight, exposure, width)
        step = float(np.clip(score.sum() / information.sum(), -1.0, 1.0))
        log_rate += step
        if abs(step) < _ENOUGH:
            break
    return float(np.exp(log_rate))


def _score(
    rate: float, weight: FloatArray, exposure: FloatArray, width: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return first derivative and negated second of each part's log likelihood in ln(hazard)."""
    has_left = np.isfinite(width)
    x = rate * np.where(has_left, np.maximum(width, 1e-9), 1.0)
    grown = np.expm1(np.minimum(x, 500.0))
    inside = x / grown
    # x (x e^x - e^x + 1) / (e^x - 1)^2, which is x / 2 near 0.
    small = x < 1e-4
    curve = np.where(small, 0.5 * x, x * (x - 1.0 + x / grown) / np.where(small, 1.0, grown))
    base = -rate * exposure
    score = weight * (base + np.where(has_left, inside, 0.0))
    information = weight * (-base + np.where(has_left, curve, 0.0))
    return score, information


def fresh_shares(
    changes: Changes,
    tier: IntArray,
    rates: LeavingRates,
    draws: AccountDraws,
    *,
    is_counting: bool = False,
) -> tuple[MeasuredFigure, ...]:
    """Return the share of each tier among positions as they are opened.

    Only positions count whose opening is known to within a day: one found at the first state of
    its account is older, and old ones are those of tiers that last (length bias). A position that
    was opened and closed between two states was never seen. So each that was seen counts 1 / P
    times, P = (1 - exp(-h D)) / (h D) being the probability that one of its tier, opened anywhere
    in a bracket of D hours, is still open at its end (Horvitz and Thompson 1952, JASA 47, 663).

    Parameters
    ----------
    changes : Changes
        The log; rows outside the time in question left out.
    tier : ndarray of int64, shape (n_rows,)
        Tier of each row; negative: of none.
    rates : LeavingRates
        Rates of leaving by tier, for P and its draws; where unknown, P is 1.
    draws : AccountDraws
        Draws of accounts.
    is_counting : bool
        Whether a position counts as 1 rather than by its size in USD.

    Returns
    -------
    tuple of MeasuredFigure, length n_tiers
        Shares [ratio], which sum to 1.

    Examples
    --------
    >>> from transforms.positions.changes import example_changes, follow
    >>> log = example_changes([0.0, 10.0], [1.0, 0.0], 40)
    >>> draws = AccountDraws.of(40, np.random.default_rng(1))
    >>> tier = log.account % 2
    >>> rates = leaving_rates(log, follow(log, (0, 100 * HOUR)), tier, 2, draws)
    >>> [each.value for each in fresh_shares(log, tier, rates, draws)]
    [0.5, 0.5]
    """
    n_tiers = len(rates.log_hazard)
    chosen = is_counted_as_fresh(changes) & (tier >= 0)
    weight = np.ones(len(changes)) if is_counting else changes.notional_usd
    chosen &= np.isfinite(weight)
    own_tier, account, size = tier[chosen], changes.account[chosen], weight[chosen]
    hours = (changes.changed_until - changes.changed_from)[chosen] / HOUR
    x = np.nan_to_num(np.exp(rates.log_hazard)[own_tier], nan=0.0) * hours
    lost = 1.0 - np.exp(-x)
    is_short = x < 1e-6
    times = np.where(is_short, 1.0 + 0.5 * x, x / np.where(is_short, 1.0, lost))
    # d times / d ln h, for what the draws of the hazard change.
    slope = np.where(is_short, 0.5 * x, times * (1.0 - x * np.exp(-x) / np.maximum(lost, 1e-12)))
    is_tier = own_tier == np.arange(n_tiers)[:, None]
    steps = np.nan_to_num(rates.drawn_log_hazard - rates.log_hazard[:, None], nan=0.0)
    total = is_tier @ (size * times)
    if not total.sum() > 0.0:
        return (MeasuredFigure.missing(Evidence.NOTHING),) * n_tiers
    drawn = draws.totals(account, is_tier * (size * times))
    drawn += draws.totals(account, is_tier * (size * slope)) * steps
    drawn = np.maximum(drawn, 0.0)
    with np.errstate(invalid="ignore"):
        shares = drawn / drawn.sum(axis=0)
    # A share rests on all positions, its own tier's or not.
    return tuple(
        measured(float(total[number] / total.sum()), shares[number], account, size * times,
                 int(is_tier[number].sum()), is_share=True)
        for number in range(n_tiers)
    )  # fmt: skip


def is_counted_as_fresh(changes: Changes) -> BoolArray:
    """Return which rows of the log are openings known to within ``LONGEST_OPENING_HOURS``.

    Examples
    --------
    >>> from transforms.positions.changes import example_changes
    >>> is_counted_as_fresh(example_changes([0.0, 3.0], [1.0, 0.0])).tolist()
    [True, False]
    """
    hours = (changes.changed_until - changes.changed_from) / HOUR
    return np.asarray(changes.is_fresh & (hours <= LONGEST_OPENING_HOURS))
