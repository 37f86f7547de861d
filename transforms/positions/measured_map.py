"""The map of measured positions at an hour, and what it rests on.

Belongs here: which states of positions count, in which bin of the price grid each lies, and the
coverage of the result. Does not belong here: where states come from, and the form in which a map
lands (``jobs.positions``).

Nothing is estimated: a position is valued at the liquidation price that the venue stated, and lies
there until its account is seen again.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from transforms.errors import InvalidInput
from transforms.grid import N_PUBLISHED_BINS, bin_of_price, published_bins
from transforms.series import LONG, SIDES, BoolArray, FloatArray, IntArray

MAX_STATE_AGE_SECONDS = 26 * 3600.0
"""States older than this leave the map [s]: every account is due within a day."""

MAX_SILENCE_SECONDS = 3600.0
"""Without a state this young there is no map of the hour [s]: collection has stopped."""

HOUR_SECONDS = 3600.0

LEVERAGE_LIMITS = (3.0, 5.0, 10.0, 20.0)
"""Largest leverage of each class but the last, which has none."""


@dataclass(frozen=True, slots=True)
class MeasuredPositions:
    """Positions as last seen, of several assets.

    Parameters
    ----------
    asset : ndarray of int64, shape (n_positions,)
        Number of the asset.
    side : ndarray of int64, shape (n_positions,)
        ``LONG`` or ``SHORT``.
    quantity : ndarray of float64, shape (n_positions,)
        Size [units of the asset], above 0.
    liquidation_price : ndarray of float64, shape (n_positions,)
        As the venue states it [USD per unit of the asset]. NaN: the position has none.
    leverage : ndarray of float64, shape (n_positions,)
        Leverage multiple set for the position. NaN: not known; it is in no class of leverage.
    is_cross : ndarray of bool, shape (n_positions,)
        Whether it shares the margin of its account.
    account : ndarray of int64, shape (n_positions,)
        A number for each account.
    age_seconds : ndarray of float64, shape (n_positions,)
        Time from the state to the instant of the map [s]. Below 0: the state came after it.
    has_traded_since : ndarray of bool, shape (n_positions,)
        Whether the account was seen trading after the state.

    Raises
    ------
    InvalidInput
        If shapes differ.
    """

    asset: IntArray
    side: IntArray
    quantity: FloatArray
    liquidation_price: FloatArray
    leverage: FloatArray
    is_cross: BoolArray
    account: IntArray
    age_seconds: FloatArray
    has_traded_since: BoolArray

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        for name in self.__slots__:
            shape = getattr(self, name).shape
            if shape != self.asset.shape or len(shape) != 1:
                raise InvalidInput(
                    f"{name} has shape {shape} and asset {self.asset.shape}; give one of each a "
                    "position"
                )

    def __len__(self) -> int:
        """Return the number of positions."""
        return len(self.asset)

    def take(self, chosen: BoolArray | IntArray) -> "MeasuredPositions":
        """Return some of the positions."""
        return MeasuredPositions(*(getattr(self, name)[chosen] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class MapCoverage:
    """What the maps of some assets rest on, by asset and side.

    Every array has shape (n_assets, 2); the axis of sides is ``LONG``, ``SHORT``. Quantities are in
    units of the asset.

    Parameters
    ----------
    accounts, positions : ndarray of int64
        Accounts and positions whose state counts.
    observed : ndarray of float64
        Their quantity: the sum of mapped, without_price, beyond_reach and passed.
    mapped : ndarray of float64
        Quantity that the map values.
    without_price : ndarray of float64
        Quantity without a liquidation price.
    beyond_reach : ndarray of float64
        Quantity whose liquidation price lies beyond the published bins.
    passed : ndarray of float64
        Quantity whose liquidation price the mark price has passed since the state.
    stale : ndarray of float64
        Quantity left out because its state is too old; not in ``observed``.
    cross : ndarray of float64
        Observed quantity on cross margin.
    traded_since : ndarray of float64
        Observed quantity of accounts that traded after their state.
    age_p50_seconds, age_p90_seconds, age_max_seconds : ndarray of float64
        Ages of the states that count, the first two weighted by quantity [s]. NaN: no position.
    within_hour_ratio : ndarray of float64
        Share of the observed quantity whose state is at most an hour old. NaN: no position.
    by_leverage : ndarray of float64, shape (n_assets, 2, 5)
        Observed quantity by class of leverage: up to each of ``LEVERAGE_LIMITS``, and above.
    """

    accounts: IntArray
    positions: IntArray
    observed: FloatArray
    mapped: FloatArray
    without_price: FloatArray
    beyond_reach: FloatArray
    passed: FloatArray
    stale: FloatArray
    cross: FloatArray
    traded_since: FloatArray
    age_p50_seconds: FloatArray
    age_p90_seconds: FloatArray
    age_max_seconds: FloatArray
    within_hour_ratio: FloatArray
    by_leverage: FloatArray


@dataclass(frozen=True, slots=True)
class MeasuredMaps:
    """Maps of measured positions of some assets, their cells in order of asset, side and bin.

    Parameters
    ----------
    asset, side, bin_index : ndarray of int64, shape (n_cells,)
        Where each cell is: asset, ``LONG`` or ``SHORT``, published bin.
    value_usd : ndarray of float64, shape (n_cells,)
        Positions at their liquidation prices [USD], above 0.
    first_bin, bin_count : ndarray of int64, shape (n_assets,)
        Published bins of each asset's map: the map is 0 in those that have no cell.
    coverage : MapCoverage
        What the maps rest on.
    """

    asset: IntArray
    side: IntArray
    bin_index: IntArray
    value_usd: FloatArray
    first_bin: IntArray
    bin_count: IntArray
    coverage: MapCoverage


def seconds_of_silence(age_seconds: FloatArray) -> float:
    """Return the age of the newest state that was known at the instant of a map.

    Parameters
    ----------
    age_seconds : ndarray of float64, shape (n_positions,)
        As in `MeasuredPositions`.

    Returns
    -------
    float
        Seconds; infinite where no state was known.

    Examples
    --------
    >>> seconds_of_silence(np.array([7200.0, 30.0, -5.0])), seconds_of_silence(np.array([-5.0]))
    (30.0, inf)
    """
    return float(np.min(age_seconds, where=age_seconds >= 0.0, initial=np.inf))


def map_positions(positions: MeasuredPositions, mark_price: FloatArray) -> MeasuredMaps:
    """Return the maps of assets from positions as last seen.

    A state older than ``MAX_STATE_AGE_SECONDS`` does not count, nor one that came after the instant
    of the map. A position counts at quantity x liquidation price in the bin of its liquidation
    price. One whose liquidation price the mark price has passed was liquidated or has changed: it
    is in no bin.

    Parameters
    ----------
    positions : MeasuredPositions
        Each position of the assets.
    mark_price : ndarray of float64, shape (n_assets,)
        Mark price at the instant of the map [USD per unit of the asset], finite and above 0.

    Returns
    -------
    MeasuredMaps
        Cells and coverage.

    Raises
    ------
    InvalidInput
        If a mark price is not finite and above 0, or a position is of an asset without one.

    Examples
    --------
    A long of 2 with its liquidation at 80 and another without one; the mark price is 100.

    >>> two = np.zeros(2, np.int64)
    >>> maps = map_positions(
    ...     MeasuredPositions(
    ...         asset=two, side=two, quantity=np.array([2.0, 3.0]),
    ...         liquidation_price=np.array([80.0, np.nan]), leverage=np.array([5.0, 2.0]),
    ...         is_cross=two > 0, account=np.arange(2), age_seconds=np.array([60.0, 7200.0]),
    ...         has_traded_since=two > 0,
    ...     ),
    ...     np.array([100.0]),
    ... )
    >>> maps.value_usd.tolist(), maps.bin_index.tolist() == [int(bin_of_price(80.0))]
    ([160.0], True)
    >>> maps.coverage.observed.tolist(), maps.coverage.without_price.tolist()
    ([[5.0, 0.0]], [[3.0, 0.0]])
    >>> maps.coverage.within_hour_ratio[0, 0].round(2).item()
    0.4
    """
    _require_marks(positions, mark_price)
    first_bin, bin_count = published_bins(mark_price)
    shape = (len(mark_price), len(SIDES))
    is_old = positions.age_seconds > MAX_STATE_AGE_SECONDS
    stale = _sums(positions.take(is_old), shape)
    held = positions.take(~is_old & (positions.age_seconds >= 0.0))

    has_price = np.isfinite(held.liquidation_price) & (held.liquidation_price > 0.0)
    price = np.where(has_price, held.liquidation_price, mark_price[held.asset])
    is_passed = has_price & (
        np.where(held.side == LONG, price > mark_price[held.asset], price < mark_price[held.asset])
    )
    place = bin_of_price(price) - first_bin[held.asset]
    is_inside = (place >= 0) & (place < bin_count[held.asset])
    is_mapped = has_price & ~is_passed & is_inside
    cells, cell_of = np.unique(
        (_groups(held) * N_PUBLISHED_BINS + place)[is_mapped], return_inverse=True
    )
    usd = held.quantity[is_mapped] * price[is_mapped]
    group, cell_place = np.divmod(cells, N_PUBLISHED_BINS)
    asset, side = np.divmod(group, len(SIDES))
    return MeasuredMaps(
        asset=asset,
        side=side,
        bin_index=first_bin[asset] + cell_place,
        value_usd=np.bincount(cell_of, usd, len(cells)).astype(np.float64),
        first_bin=first_bin,
        bin_count=bin_count,
        coverage=_cover(held, is_mapped, has_price, is_passed, stale),
    )


def _require_marks(positions: MeasuredPositions, mark_price: FloatArray) -> None:
    """Refuse positions of an asset without a mark price."""
    if len(positions) and not 0 <= positions.asset.min() <= positions.asset.max() < len(mark_price):
        raise InvalidInput(
            f"assets are numbered {positions.asset.min()} to {positions.asset.max()}, but there "
            f"are {len(mark_price)} mark prices; leave out positions without a mark price"
        )


def _cover(
    held: MeasuredPositions,
    is_mapped: BoolArray,
    has_price: BoolArray,
    is_passed: BoolArray,
    stale: FloatArray,
) -> MapCoverage:
    """Return the coverage of positions that count."""
    shape = (len(stale), len(SIDES))
    group = _groups(held)
    n_groups = stale.size
    observed = _sums(held, shape)
    fresh = _sums(held.take(held.age_seconds <= HOUR_SECONDS), shape)
    accounts, account = np.unique(held.account, return_inverse=True)
    distinct = np.unique(group * len(accounts) + account) // max(len(accounts), 1)
    p50, p90, oldest = (ages.reshape(shape) for ages in _ages(held, group, n_groups))
    classes = np.searchsorted(LEVERAGE_LIMITS, held.leverage)
    return MapCoverage(
        accounts=np.bincount(distinct, minlength=n_groups).reshape(shape),
        positions=np.bincount(group, minlength=n_groups).reshape(shape),
        observed=observed,
        mapped=_sums(held.take(is_mapped), shape),
        without_price=_sums(held.take(~has_price), shape),
        beyond_reach=_sums(held.take(has_price & ~is_passed & ~is_mapped), shape),
        passed=_sums(held.take(is_passed), shape),
        stale=stale,
        cross=_sums(held.take(held.is_cross), shape),
        traded_since=_sums(held.take(held.has_traded_since), shape),
        age_p50_seconds=p50,
        age_p90_seconds=p90,
        age_max_seconds=oldest,
        within_hour_ratio=fresh / np.where(observed > 0.0, observed, np.nan),
        by_leverage=np.stack(
            [
                _sums(held.take((classes == number) & np.isfinite(held.leverage)), shape)
                for number in range(len(LEVERAGE_LIMITS) + 1)
            ],
            axis=-1,
        ),
    )


def _ages(held: MeasuredPositions, group: IntArray, n_groups: int) -> FloatArray:
    """Return the median, 90th percentile by quantity and maximum of ages [s], shape (3, n_groups).

    NaN where a group has no position.
    """
    ages = np.full((3, n_groups), np.nan)
    order = np.lexsort((held.age_seconds, group))
    age, quantity = held.age_seconds[order], held.quantity[order]
    ends = np.cumsum(np.bincount(group, minlength=n_groups))
    for number, (start, end) in enumerate(pairwise((0, *ends.tolist()))):
        if end > start:
            below = np.cumsum(quantity[start:end])
            at = np.searchsorted(below, below[-1] * np.array([0.5, 0.9]))
            ages[:2, number] = age[start:end][at]
            ages[2, number] = age[end - 1]
    return ages


def _groups(positions: MeasuredPositions) -> IntArray:
    """Return the number of the asset and side of each position."""
    return positions.asset * len(SIDES) + positions.side


def _sums(positions: MeasuredPositions, shape: tuple[int, int]) -> FloatArray:
    """Return the quantity of positions by asset and side [units of the asset]."""
    sums = np.bincount(_groups(positions), positions.quantity, shape[0] * shape[1])
    return sums.astype(np.float64).reshape(shape)
