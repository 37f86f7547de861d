"""Leverage of measured positions: set and effective, in the tiers of the estimators.

Belongs here: effective leverage, tiers, classes of size and distance, shares of tiers. Does not
belong here: which positions are fresh (``half_lives``).

*Set* is the leverage an account chose for an asset. *Effective* is the leverage of an isolated
position with the same entry and liquidation price: what an estimator has to assume to put the
level where it is. On cross margin the two differ widely, since the whole account backs the
position.
"""

from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from transforms.estimators import ESTIMATORS
from transforms.positions.account_draws import (
    AccountDraws,
    Evidence,
    MeasuredFigure,
    measured,
)
from transforms.positions.changes import Changes
from transforms.series import BoolArray, FloatArray, IntArray

TIERS: Final = (1.0, *ESTIMATORS["turnover"].leverages)
"""Leverage of each tier [multiple]; 1: no price can liquidate it."""

CLASSES: Final = (3.0, 5.0, 10.0, 20.0)
"""Upper ends of the classes of set leverage [multiple], as in ``raw.position_coverage``."""

CLASS_NAMES: Final = ("up to 3x", "up to 5x", "up to 10x", "up to 20x", "above 20x")

SIZES: Final = (1e3, 1e4, 1e5)
"""Borders of the classes of size [USD]; from the last on a position is swept within the hour."""

SIZE_NAMES: Final = ("below 1k", "1k to 10k", "10k to 100k", "100k and more")

DISTANCES: Final = (0.01, 0.02, 0.05, 0.10, 0.20)
"""Borders of the classes of |ln(liquidation price / mark price)| [ln], those of reach."""

DISTANCE_NAMES: Final = (
    "0-1 %", "1-2 %", "2-5 %", "5-10 %", "10-20 %", "beyond 20 %", "no price",
)  # fmt: skip

Side: TypeAlias = Literal["left", "right"]

_TIER_BORDERS: Final = np.sqrt(np.array(TIERS[:-1]) * np.array(TIERS[1:]))


def effective_leverage(changes: Changes, maintenance_margin_ratio: FloatArray) -> FloatArray:
    """Return the leverage of isolated positions with the same entry and liquidation price.

    Solves the liquidation price of linear isolated positions for the leverage: long
    E (1 - 1/L) / (1 - m), short E (1 + 1/L) / (1 + m), with m the maintenance margin ratio.

    Parameters
    ----------
    changes : Changes
        The log.
    maintenance_margin_ratio : ndarray of float64, shape (n_rows,)
        Maintenance margin of each row's asset and size [ratio].

    Returns
    -------
    ndarray of float64, shape (n_rows,)
        [multiple]. 1 where there is no liquidation price or it lies further away than without
        leverage; infinity where it lies on the side of profit. NaN where the entry is not known.

    Examples
    --------
    >>> from transforms.positions.changes import example_changes
    >>> log = example_changes([0.0], [1.0])
    >>> effective_leverage(log, np.array([0.0])).round(6).tolist()
    [10.0]
    >>> effective_leverage(log, np.array([0.0125])).round(2).tolist()
    [8.99]
    """
    ratio = changes.liquidation_price / changes.entry_price
    m = maintenance_margin_ratio
    margin = np.where(changes.is_short, ratio * (1.0 + m) - 1.0, 1.0 - ratio * (1.0 - m))
    with np.errstate(divide="ignore"):
        leverage = np.where(margin > 0.0, 1.0 / np.maximum(margin, 1e-12), np.inf)
    has_price = np.isfinite(changes.liquidation_price)
    is_known = np.isfinite(changes.entry_price) & (changes.entry_price > 0.0)
    bounded = np.where(has_price, np.maximum(leverage, 1.0), 1.0)
    return np.where(is_known, bounded, np.nan)


def maintenance_margin_ratios(changes: Changes) -> FloatArray:
    """Return the maintenance margin of each row's asset by Hyperliquid's rule.

    It is half the initial margin at the largest leverage of the asset
    (https://hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations). The largest leverage
    that any account has set is taken as the one allowed.

    Parameters
    ----------
    changes : Changes
        The log.

    Returns
    -------
    ndarray of float64, shape (n_rows,)
        [ratio]; 0 where no leverage is known.

    Examples
    --------
    >>> from transforms.positions.changes import example_changes
    >>> maintenance_margin_ratios(example_changes([0.0], [1.0])).tolist()
    [0.05]
    """
    largest = np.zeros(int(changes.asset.max(initial=-1)) + 1)
    np.maximum.at(largest, changes.asset, np.nan_to_num(changes.leverage))
    own = largest[changes.asset]
    ratios: FloatArray = np.where(own > 0.0, 0.5 / np.where(own > 0.0, own, 1.0), 0.0)
    return ratios


def _place_among(borders: npt.ArrayLike, values: FloatArray, side: Side = "right") -> IntArray:
    """Return how many borders lie below each value, or at it; -1 for NaN."""
    found = np.searchsorted(np.asarray(borders), values, side=side).astype(np.int64)
    return np.where(np.isnan(values), -1, found)


def tier_of(leverage: FloatArray) -> IntArray:
    """Return the tier nearest to each leverage, by ratio: an index into ``TIERS``, -1 for NaN.

    Parameters
    ----------
    leverage : ndarray of float64, shape (n,)
        [multiple]; NaN: not known.

    Examples
    --------
    >>> [TIERS[each] for each in tier_of(np.array([1.0, 4.0, 40.0, np.inf]))]
    [1.0, 5.0, 50.0, 100.0]
    """
    return _place_among(_TIER_BORDERS, leverage)


def class_of(leverage: FloatArray) -> IntArray:
    """Return the class of each set leverage [multiple]: an index into ``CLASS_NAMES``, -1 for NaN.

    Examples
    --------
    >>> class_of(np.array([3.0, 20.0, 40.0])).tolist()
    [0, 3, 4]
    """
    return _place_among(CLASSES, leverage, "left")


def size_of_positions(notional_usd: FloatArray) -> IntArray:
    """Return the class of each size [USD]: an index into ``SIZE_NAMES``, -1 for NaN.

    Examples
    --------
    >>> size_of_positions(np.array([10.0, 1e5])).tolist()
    [0, 3]
    """
    return _place_among(SIZES, notional_usd)


def distance_of(liquidation_price: FloatArray, mark_price: FloatArray) -> IntArray:
    """Return the class of the distance of each liquidation price from the mark price.

    Parameters
    ----------
    liquidation_price, mark_price : ndarray of float64, shape (n,)
        [USD per unit of the asset]. NaN: none, or not known.

    Returns
    -------
    ndarray of int64, shape (n,)
        Index into ``DISTANCE_NAMES``; -1 where the mark price is not known.

    Examples
    --------
    >>> classes = distance_of(np.array([99.0, 70.0, np.nan]), np.full(3, 100.0))
    >>> [DISTANCE_NAMES[each] for each in classes]
    ['1-2 %', 'beyond 20 %', 'no price']
    """
    distance = np.abs(np.log(liquidation_price / mark_price))
    has_none = np.isnan(liquidation_price)
    found = np.where(has_none, len(DISTANCES) + 1, _place_among(DISTANCES, distance))
    return np.where(np.isfinite(mark_price), found, -1)


def standing_at(changes: Changes, instant: int) -> BoolArray:
    """Return which rows hold the positions of an instant, as last seen by then.

    Parameters
    ----------
    changes : Changes
        The log.
    instant : int
        [microseconds since 1970, UTC].

    Returns
    -------
    ndarray of bool, shape (n_rows,)

    Examples
    --------
    >>> from transforms.positions.changes import HOUR, example_changes
    >>> standing_at(example_changes([0.0, 2.0, 5.0], [1.0, 2.0, 0.0]), 3 * HOUR).tolist()
    [False, True, False]
    """
    is_seen = changes.observed_at <= instant
    is_replaced = np.zeros(len(changes), dtype=np.bool_)
    is_replaced[:-1] = changes.is_same_series[1:] & is_seen[1:]
    standing: BoolArray = is_seen & ~is_replaced & (changes.quantity > 0.0)
    return standing


def shares_of(
    account: IntArray, group: IntArray, weight: FloatArray, n_groups: int, draws: AccountDraws
) -> tuple[MeasuredFigure, ...]:
    """Return the share of each group in the weight of all, with intervals.

    Parameters
    ----------
    account : ndarray of int64, shape (n,)
        Account of each position.
    group : ndarray of int64, shape (n,)
        Group of each, a tier for instance; negative: left out.
    weight : ndarray of float64, shape (n,)
        What each counts. NaN: left out.
    n_groups : int
        Number of groups.
    draws : AccountDraws
        Draws of accounts.

    Returns
    -------
    tuple of MeasuredFigure, length n_groups
        Shares [ratio], which sum to 1. A share rests on all positions, those of other groups too.

    Examples
    --------
    >>> draws = AccountDraws.of(40, np.random.default_rng(1))
    >>> found = shares_of(np.arange(40), np.arange(40) % 2, np.ones(40), 2, draws)
    >>> [(each.value, each.positions) for each in found]
    [(0.5, 20), (0.5, 20)]
    """
    is_used = (group >= 0) & np.isfinite(weight)
    account, group, weight = account[is_used], group[is_used], weight[is_used]
    count = np.bincount(group, minlength=n_groups)
    if not weight.sum() > 0.0:
        return (MeasuredFigure.missing(Evidence.NOTHING),) * n_groups
    of_group = np.where(group == np.arange(n_groups)[:, None], weight, 0.0)
    drawn = draws.totals(account, of_group)
    with np.errstate(invalid="ignore"):
        drawn = drawn / drawn.sum(axis=0)
    shares = of_group.sum(axis=1) / weight.sum()
    return tuple(
        measured(float(share), own, account, weight, int(n), is_share=True)
        for share, own, n in zip(shares, drawn, count, strict=True)
    )
