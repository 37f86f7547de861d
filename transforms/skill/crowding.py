"""What happens at levels on which many providers agree, against levels that one provider sees.

Belongs here: following price after a level was published, and comparing classes of levels.
Does not belong here: finding bands and counting who agrees on them (``transforms.bands``), the odds
of touch (``transforms.touch``).

A level is touched if price reaches it within 24 hours. After the touch price is followed for four
hours, the hour of the touch included: how far it went beyond the level (overshoot), and whether it
closed back on the side it came from (reversal). The odds of touch use distance, volatility and
weekends only, so an attraction of the level would show as more touches than the odds give.

Hours are close to one another and bands live for days, so intervals come from resampling whole
blocks of two weeks.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from transforms.errors import InvalidInput
from transforms.series import BoolArray, FloatArray, IntArray
from transforms.skill.bootstrap import BAND_BLOCK_DAYS, group_sums

TOUCH_HOURS: Final = 24
"""Hours within which price has to reach a level."""

AFTER_HOURS: Final = 4
"""Hours for which price is followed from a touch on, the hour of the touch included."""

BLOCK_HOURS: Final = round(24 * BAND_BLOCK_DAYS)
"""Length of the blocks that are resampled [h]."""

LEAST_FORTNIGHTS: Final = 5
"""Fewer blocks of two weeks give no interval."""

LEAST_TOUCHED: Final = 20
"""Touched levels below which there is no figure on what followed."""

AGREEMENTS: Final = ("lone", "some", "most")
"""Classes of agreement: one vote; more, but not two thirds; two thirds of the votes and two."""

LONE_VOTES: Final = 1.5
MOST_SHARE: Final = 2.0 / 3.0


@dataclass(frozen=True, slots=True)
class PublishedLevels:
    """Published levels of one asset.

    Parameters
    ----------
    hour : ndarray of int64, shape (n_levels,)
        Position of the hour at whose end the level was published, in the arrays of prices.
    log_price : ndarray of float64, shape (n_levels,)
        The level [ln USD per unit of the asset].
    probability : ndarray of float64, shape (n_levels,)
        Odds of touch within 24 hours [ratio]. NaN: not known.
    agreeing, votes : ndarray of float64, shape (n_levels,)
        Votes of providers with a band there, and of all that cover the side.
    """

    hour: IntArray
    log_price: FloatArray
    probability: FloatArray
    agreeing: FloatArray
    votes: FloatArray

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        for each in fields(self):
            shape = getattr(self, each.name).shape
            if shape != self.hour.shape:
                raise InvalidInput(
                    f"levels.{each.name} has shape {shape}, expected {self.hour.shape}"
                )

    def __len__(self) -> int:
        """Return the number of levels."""
        return len(self.hour)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What price did after levels were published.

    Parameters
    ----------
    is_touched : ndarray of bool, shape (n_levels,)
        Whether price reached the level within ``TOUCH_HOURS``.
    is_known : ndarray of bool, shape (n_levels,)
        Whether all hours in question are known. Of others nothing else counts.
    overshoot_bps : ndarray of float64, shape (n_levels,)
        Farthest distance beyond the level after the touch [bps of log price]; NaN where not
        touched.
    is_reversed : ndarray of float64, shape (n_levels,)
        1 where price closed the last of the ``AFTER_HOURS`` on the side it came from, 0 where it
        did not, NaN where not touched.
    """

    is_touched: BoolArray
    is_known: BoolArray
    overshoot_bps: FloatArray
    is_reversed: FloatArray


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval.

    Parameters
    ----------
    value, low, high : float
        The mean and its 90 % interval from resampled blocks; NaN where there is none.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassOutcome:
    """How the levels of one class of agreement behaved.

    Parameters
    ----------
    agreement : str
        One of ``AGREEMENTS``, or ``most_less_lone`` for the difference of the two.
    level_count, touched_count : int
        Levels whose outcome and odds are known, and those of them that were touched.
    touch_ratio, expected_touch_ratio : float
        Share touched, and the mean of the odds [ratio]; NaN without levels.
    touch_excess : Estimate
        Share touched less the mean of the odds [ratio].
    overshoot_bps : Estimate
        Mean overshoot of the touched ones [bps of log price].
    reversal_ratio : Estimate
        Share of the touched ones that reversed [ratio].
    block_count : int
        Blocks of two weeks with levels.
    """

    agreement: str
    level_count: int
    touched_count: int
    touch_ratio: float
    expected_touch_ratio: float
    touch_excess: Estimate
    overshoot_bps: Estimate
    reversal_ratio: Estimate
    block_count: int


def agreement_of(agreeing: FloatArray, votes: FloatArray) -> IntArray:
    """Return the class of agreement of each level.

    Parameters
    ----------
    agreeing, votes : ndarray of float64, shape (n_levels,)
        Votes of providers with a band there, and of all that cover the side.

    Returns
    -------
    ndarray of int64, shape (n_levels,)
        Index into ``AGREEMENTS``.

    Examples
    --------
    >>> agreement_of(np.array([1.0, 2.0, 4.0]), np.array([5.0, 5.0, 5.0])).tolist()
    [0, 1, 2]
    """
    is_most = (agreeing >= MOST_SHARE * votes) & (agreeing > LONE_VOTES)
    return np.where(is_most, 2, np.where(agreeing <= LONE_VOTES, 0, 1)).astype(np.int64)


def follow_levels(
    levels: PublishedLevels, high: FloatArray, low: FloatArray, close: FloatArray
) -> Outcomes:
    """Return what price did after each level was published.

    Parameters
    ----------
    levels : PublishedLevels
        Levels of one asset.
    high, low, close : ndarray of float64, shape (n_hours,)
        Prices of consecutive hours [USD per unit of the asset]. NaN: not known.

    Returns
    -------
    Outcomes
        A level is known if its own close, the next 24 hours, and after a touch the four hours from
        it on are.

    Examples
    --------
    A level 1 % below price is touched in the second hour, overshot by 1 %, and left behind.

    >>> prices = np.full(40, 100.0)
    >>> low = prices.copy(); low[2] = 98.01
    >>> level = PublishedLevels(np.array([0]), np.log([99.0]), *np.ones((3, 1)))
    >>> outcome = follow_levels(level, prices, low, prices)
    >>> outcome.is_touched.tolist(), outcome.overshoot_bps.round(1).tolist()
    ([True], [100.5])
    >>> outcome.is_reversed.tolist()
    [1.0]
    """
    reach = TOUCH_HOURS + AFTER_HOURS - 1
    padding = np.full(reach, np.nan)
    log_high, log_low, log_close = (
        np.log(np.concatenate((prices, padding))) for prices in (high, low, close)
    )
    from_close = log_close[levels.hour]
    # Mirrored where the level lies above, so that every level lies below price.
    sign = np.where(levels.log_price <= from_close, 1.0, -1.0)
    n_levels = len(levels)
    touched_in = np.full(n_levels, -1, dtype=np.int64)
    is_known = np.isfinite(from_close)
    for ahead in range(1, TOUCH_HOURS + 1):
        at = levels.hour + ahead
        extreme = np.where(sign > 0, log_low[at], -log_high[at])
        is_known &= np.isfinite(extreme)
        is_first = (touched_in < 0) & (extreme <= sign * levels.log_price)
        touched_in[is_first] = ahead
    is_touched = touched_in > 0
    farthest = np.full(n_levels, np.inf)
    last_close = np.full(n_levels, np.nan)
    is_followed = np.ones(n_levels, dtype=np.bool_)
    for after in range(AFTER_HOURS):
        at = levels.hour + np.maximum(touched_in, 1) + after
        extreme = np.where(sign > 0, log_low[at], -log_high[at])
        last_close = sign * log_close[at]
        is_followed &= np.isfinite(extreme) & np.isfinite(last_close)
        farthest = np.minimum(farthest, extreme)
    overshoot = 1e4 * (sign * levels.log_price - farthest)
    is_back = (last_close > sign * levels.log_price).astype(np.float64)
    return Outcomes(
        is_touched=is_touched,
        is_known=is_known & (is_followed | ~is_touched),
        overshoot_bps=np.where(is_touched, overshoot, np.nan),
        is_reversed=np.where(is_touched, is_back, np.nan),
    )


def compare_agreements(
    levels: PublishedLevels,
    outcomes: Outcomes,
    block: IntArray,
    generator: np.random.Generator,
    n_draws: int = 1000,
) -> tuple[ClassOutcome, ...]:
    """Return how the levels of each class behaved, and the crowded ones less the lone ones.

    Parameters
    ----------
    levels : PublishedLevels
        Levels of one asset or of several.
    outcomes : Outcomes
        Their outcomes.
    block : ndarray of int64, shape (n_levels,)
        Block of two weeks in which each was published.
    generator : numpy.random.Generator
        For the resampling of blocks.
    n_draws : int
        Resamplings.

    Returns
    -------
    tuple of ClassOutcome
        By ``AGREEMENTS``, then the difference ``most_less_lone``. Both terms of a difference are
        resampled together.

    Examples
    --------
    >>> one = np.ones(4)
    >>> votes = np.array([1.0, 1.0, 3.0, 3.0])
    >>> levels = PublishedLevels(np.arange(4), one, one / 2, votes, 3 * one)
    >>> touched = np.array([True, False, True, True])
    >>> outcomes = Outcomes(touched, touched | True, one, one)
    >>> classes = compare_agreements(levels, outcomes, np.arange(4), np.random.default_rng(1))
    >>> [(each.agreement, each.level_count, each.touch_excess.value) for each in classes]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('lone', 2, 0.0), ('some', 0, nan), ('most', 2, 0.5), ('most_less_lone', 4, 0.5)]
    """
    sums = _sums(levels, outcomes, block)
    n_blocks = sums.shape[2]
    drawn = generator.integers(0, max(n_blocks, 1), (n_draws, n_blocks))
    repeats = np.zeros((n_draws, n_blocks))
    np.add.at(repeats, (np.arange(n_draws)[:, None], drawn), 1.0)
    whole = _means(sums.sum(axis=2))
    resampled = _means(np.einsum("cab,db->cad", sums, repeats))
    counts = sums[:2].sum(axis=2).astype(np.int64)
    occupied = (sums[0] > 0).sum(axis=1)
    classes = [
        ClassOutcome(
            agreement=agreement,
            level_count=int(counts[0, row]),
            touched_count=int(counts[1, row]),
            touch_ratio=float(whole[0, row] + whole[3, row]),
            expected_touch_ratio=float(whole[3, row]),
            **_estimates(whole[:, row], resampled[:, row], occupied[row]),
            block_count=int(occupied[row]),
        )
        for row, agreement in enumerate(AGREEMENTS)
    ]
    lone, most = AGREEMENTS.index("lone"), AGREEMENTS.index("most")
    n_common = int(((sums[0, lone] > 0) & (sums[0, most] > 0)).sum())
    difference = ClassOutcome(
        agreement="most_less_lone",
        level_count=int(counts[0, lone] + counts[0, most]),
        touched_count=int(counts[1, lone] + counts[1, most]),
        touch_ratio=float("nan"),
        expected_touch_ratio=float("nan"),
        **_estimates(
            whole[:, most] - whole[:, lone], resampled[:, most] - resampled[:, lone], n_common
        ),
        block_count=n_common,
    )
    return (*classes, difference)


def _sums(levels: PublishedLevels, outcomes: Outcomes, block: IntArray) -> FloatArray:
    """Return counts, touches, odds, overshoot and reversals, shape (5, n_classes, n_blocks)."""
    is_counted = outcomes.is_known & np.isfinite(levels.probability)
    blocks, own_block = np.unique(block[is_counted], return_inverse=True)
    which = agreement_of(levels.agreeing, levels.votes)[is_counted]
    is_touched = outcomes.is_touched[is_counted]
    columns = np.stack(
        (
            np.ones(len(which)),
            is_touched.astype(np.float64),
            levels.probability[is_counted],
            np.where(is_touched, outcomes.overshoot_bps[is_counted], 0.0),
            np.where(is_touched, outcomes.is_reversed[is_counted], 0.0),
        )
    )
    n_classes, n_blocks = len(AGREEMENTS), len(blocks)
    sums = group_sums(columns, which * n_blocks + own_block, n_classes * n_blocks)
    return sums.reshape((len(columns), n_classes, n_blocks))


def _estimates(whole: FloatArray, draws: FloatArray, n_blocks: int) -> dict[str, Estimate]:
    """Return the measures of one class by name, from means of all levels and of each draw."""
    names = ("touch_excess", "overshoot_bps", "reversal_ratio")
    return {
        name: _estimate(float(whole[row]), draws[row], n_blocks) for row, name in enumerate(names)
    }


def _means(sums: FloatArray) -> FloatArray:
    """Return touch excess, overshoot, reversal and mean odds from sums, first axis 5 to 4."""
    count, touched, odds, overshoot, reversed_ = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        is_enough = touched >= LEAST_TOUCHED
        return np.stack(
            (
                (touched - odds) / count,
                np.where(is_enough, overshoot / touched, np.nan),
                np.where(is_enough, reversed_ / touched, np.nan),
                odds / count,
            )
        )


def _estimate(value: float, draws: FloatArray, n_blocks: int) -> Estimate:
    """Return a mean with its interval, which needs enough blocks and a figure in most draws."""
    known = draws[np.isfinite(draws)]
    if n_blocks < LEAST_FORTNIGHTS or len(known) < 0.9 * len(draws) or not np.isfinite(value):
        return Estimate(float(value), float("nan"), float("nan"))
    low, high = np.quantile(known, (0.05, 0.95))
    return Estimate(float(value), float(low), float(high))
