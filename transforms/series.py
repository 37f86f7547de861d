"""What goes into an estimator and what comes out of it, for one series, whatever its model.

Belongs here: ``Bars`` (input, validated) and ``Outputs`` (positions at each instant).
Does not belong here: what a series carries from one call to the next (``state``).

Axes used throughout: axis ``side`` has length 2, ``LONG`` = 0 and ``SHORT`` = 1; axis ``tier``
follows the order of ``EstimatorParameters.leverages``. *Quantity* means position units: units of
the asset for linear contracts, USD of contract value for inverse ones.
"""

from dataclasses import dataclass, fields
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from transforms.errors import InvalidInput

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ContractKind = Literal["linear", "inverse"]

LONG: Final = 0
SHORT: Final = 1
SIDES: Final = ("long", "short")

MICROSECONDS: Final = 1_000_000
"""Microseconds in a second; instants are counted in them."""

DAY_MICROSECONDS: Final = 86_400 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one series in order of time, with open interest already filled.

    Missing bars are simply absent; the bar after them has ``has_gap_before``.

    Parameters
    ----------
    open, high, low, close : ndarray of float64, shape (n_bars,)
        Last traded prices [USD per unit of the asset], finite and above 0.
    mark_high, mark_low : ndarray of float64, shape (n_bars,)
        Extremes of the mark price [USD per unit of the asset]. NaN: not observed; the model then
        liquidates on the last price and counts the bar in ``Outputs.last_price_count``.
    volume : ndarray of float64, shape (n_bars,)
        Traded volume, each trade once [quantity], finite and at least 0.
    taker_buy : ndarray of float64, shape (n_bars,)
        Part of the volume whose taker bought [quantity]. NaN: not observed.
    open_interest : ndarray of float64, shape (n_bars,)
        Open interest at the end of the bar [quantity], finite and at least 0;
        ``accounting.impute_open_interest`` fills what was not observed.
    is_imputed : ndarray of bool, shape (n_bars,)
        Whether the open interest of the bar was filled rather than observed.
    has_gap_before : ndarray of bool, shape (n_bars,)
        Whether bars are missing just before this one: its change of open interest then also holds
        what happened in them, so it is not counted as a violation.
    bar_seconds : int
        Length of every bar [s].
    bar_end : ndarray of int64, shape (n_bars,), or None
        Instant at which each bar ends [microseconds since 1970, UTC], at least ``bar_seconds``
        apart; what decays by the clock reads it. None: not given.

    Raises
    ------
    InvalidInput
        If shapes differ or a value is not allowed; the message names the column and the bar.

    Examples
    --------
    >>> one = np.ones(1)
    >>> bars = Bars(
    ...     open=100 * one, high=101 * one, low=99 * one, close=100 * one,
    ...     mark_high=np.nan * one, mark_low=np.nan * one, volume=5 * one, taker_buy=np.nan * one,
    ...     open_interest=7 * one, is_imputed=one < 0, has_gap_before=one < 0, bar_seconds=300,
    ... )
    >>> len(bars)
    1
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    mark_high: FloatArray
    mark_low: FloatArray
    volume: FloatArray
    taker_buy: FloatArray
    open_interest: FloatArray
    is_imputed: BoolArray
    has_gap_before: BoolArray
    bar_seconds: int
    bar_end: IntArray | None = None

    def __post_init__(self) -> None:
        """Check shapes and values."""
        n_bars = len(self.open)
        for name in _BAR_COLUMNS:
            kind = np.bool_ if name in ("is_imputed", "has_gap_before") else np.float64
            # Read-only arrays would be another type to the compiler, compiled all over again.
            array = np.require(getattr(self, name), dtype=kind, requirements=["C", "W"])
            if array.shape != (n_bars,):
                raise InvalidInput(
                    f"bars.{name} has shape {array.shape}, expected ({n_bars},) like bars.open"
                )
            object.__setattr__(self, name, array)
        if self.bar_seconds <= 0:
            raise InvalidInput(f"bars.bar_seconds is {self.bar_seconds}, expected above 0 seconds")
        if self.bar_end is not None:
            object.__setattr__(
                self, "bar_end", _checked_ends(self.bar_end, n_bars, self.bar_seconds)
            )
        for name in ("open", "high", "low", "close"):
            array = getattr(self, name)
            _refuse(name, array, ~(np.isfinite(array) & (array > 0.0)), "a finite price above 0")
        for name in ("mark_high", "mark_low"):
            array = getattr(self, name)
            allowed = np.isnan(array) | (np.isfinite(array) & (array > 0.0))
            _refuse(name, array, ~allowed, "a finite price above 0, or NaN where not observed")
        for name in ("volume", "open_interest"):
            array = getattr(self, name)
            _refuse(name, array, ~(np.isfinite(array) & (array >= 0.0)), "finite and at least 0")
        allowed = np.isnan(self.taker_buy) | (np.isfinite(self.taker_buy) & (self.taker_buy >= 0.0))
        _refuse("taker_buy", self.taker_buy, ~allowed, "at least 0, or NaN where not observed")
        _refuse("high", self.high, self.high < self.low, "at least the low of the bar")
        _refuse(
            "mark_high", self.mark_high, self.mark_high < self.mark_low, "at least the mark low"
        )

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.open)

    def part(self, start: int, stop: int) -> "Bars":
        """Return the bars from `start` up to but not including `stop`.

        Parameters
        ----------
        start, stop : int
            As in a slice; the arrays are views of the same memory.

        Returns
        -------
        Bars
            ``stop - start`` bars.

        Examples
        --------
        >>> one, flag = np.ones(5), np.zeros(5, dtype=np.bool_)
        >>> len(Bars(*[one] * 9, flag, flag, bar_seconds=300).part(1, 3))
        2
        """
        # What has been checked once need not be checked again.
        part = object.__new__(Bars)
        for name in _BAR_COLUMNS:
            object.__setattr__(part, name, getattr(self, name)[start:stop])
        object.__setattr__(part, "bar_seconds", self.bar_seconds)
        bar_end = None if self.bar_end is None else self.bar_end[start:stop]
        object.__setattr__(part, "bar_end", bar_end)
        return part


_BAR_COLUMNS: Final = tuple(
    field.name for field in fields(Bars) if field.name not in ("bar_seconds", "bar_end")
)


def _checked_ends(bar_end: IntArray, n_bars: int, bar_seconds: int) -> IntArray:
    """Return the ends of bars as int64 after checking that no two bars overlap."""
    ends = np.require(bar_end, dtype=np.int64, requirements=["C", "W"])
    if ends.shape != (n_bars,):
        raise InvalidInput(
            f"bars.bar_end has shape {ends.shape}, expected ({n_bars},) like bars.open"
        )
    is_early = np.diff(ends) < bar_seconds * MICROSECONDS
    if np.any(is_early):
        bar = int(np.argmax(is_early)) + 1
        raise InvalidInput(
            f"bars.bar_end[{bar}] is {ends[bar] - ends[bar - 1]} microseconds after the end of "
            f"the bar before, bars last {bar_seconds} s: sort them and drop duplicates"
        )
    return ends


def checked_bar_indices(
    after: npt.ArrayLike, bars: Bars, name: str, what: str, n_before: int
) -> IntArray:
    """Return bar indices as int64 after checking that each is -1 or a bar.

    Parameters
    ----------
    after : array_like of int, shape (n,)
        Bar indices, never decreasing; -1: before the first bar of this call.
    bars : Bars
        Bars of this call.
    name : str
        Argument, for messages.
    what : str
        What lies after each bar, with its article.
    n_before : int
        Bars of the series before this call [bars].

    Returns
    -------
    ndarray of int64, shape (n,)
        The same, as an array of its own.

    Raises
    ------
    InvalidInput
        If they are no bar indices, or one lies before the first bar of the series.

    Examples
    --------
    >>> seven = np.full(2, 7.0)
    >>> bars = Bars(*[seven] * 9, seven < 0, seven < 0, bar_seconds=300)
    >>> checked_bar_indices([0, 1, 1], bars, "emit_after", "an instant", 0).tolist()
    [0, 1, 1]
    """
    ends = np.atleast_1d(np.asarray(after))
    if ends.size == 0:
        return np.zeros(0, dtype=np.int64)
    if ends.ndim != 1 or not np.issubdtype(ends.dtype, np.integer):
        raise InvalidInput(
            f"{name} has shape {ends.shape} and type {ends.dtype}, expected one-dimensional bar "
            "indices"
        )
    if np.any(np.diff(ends) < 0) or ends[0] < -1 or ends[-1] >= len(bars):
        raise InvalidInput(
            f"{name} runs from {ends.min()} to {ends.max()}, expected bar indices from -1 to "
            f"{len(bars) - 1} that never decrease"
        )
    if ends[0] == -1 and n_before == 0:
        raise InvalidInput(
            f"{name} names {what} before the first bar of the series, where nothing is known: "
            "begin with the first bar"
        )
    return ends.astype(np.int64)


def _refuse(name: str, array: FloatArray, is_wrong: BoolArray, expected: str) -> None:
    """Raise an error that names the first bar where `is_wrong`."""
    if np.any(is_wrong):
        bar = int(np.argmax(is_wrong))
        raise InvalidInput(
            f"bars.{name}[{bar}] is {array[bar]}, expected {expected}; "
            f"{int(np.count_nonzero(is_wrong))} of {len(array)} bars are affected: "
            "quarantine or repair them before the model runs"
        )


@dataclass(frozen=True, slots=True)
class Outputs:
    """Positions at each instant, and what happened since the instant before it.

    A map covers the published bins around the close (``grid.published_bins``). Positions
    further away are in ``beyond_*``, those no price can liquidate in ``unlevered_*``. Per side,
    in range + beyond + unlevered = open interest, also in units of the asset: those of an inverse
    contract are its USD at the last close.

    Parameters
    ----------
    close : ndarray of float64, shape (n_emits,)
        Last close [USD per unit of the asset]; the price the map is centred on.
    open_interest : ndarray of float64, shape (n_emits,)
        Open interest [quantity].
    first_bin : ndarray of int64, shape (n_emits,)
        Bin index of ``liquidation_usd[..., 0]``.
    n_bins : ndarray of int64, shape (n_emits,)
        Published bins, 500 or 501; entries of ``liquidation_usd`` behind them are 0 and no bins.
    liquidation_usd : ndarray of float32, shape (n_emits, 2, 501)
        Map: what would be liquidated in each bin [USD].
    in_range_base, in_range_usd : ndarray of float64, shape (n_emits, 2, n_tiers)
        Positions within the published bins [units of the asset; USD at the node's price].
    near_base, near_usd : ndarray of float64, shape (n_emits, 2, n_tiers)
        The part of it on nodes within ``grid.NEAR_RANGE`` of the close [as above].
    beyond_base, beyond_usd : ndarray of float64, shape (n_emits, 2, n_tiers)
        Positions outside the published bins [as above].
    unlevered_base, unlevered_usd : ndarray of float64, shape (n_emits, 2)
        What no price can liquidate [units of the asset; USD at the close].
    consumed_quantity, consumed_usd : ndarray of float64, shape (n_emits, 2, n_tiers)
        Predicted liquidations since the instant before [quantity; USD at the node's price].
        NaN where the model has none (``volume_profile``).
    swept_quantity, swept_usd : ndarray of float64, shape (n_emits, 2, n_tiers)
        What opened since then and was liquidated within the same bar, so that it never showed: its
        liquidation price was on the wrong side of the bar's close [quantity; USD at its
        liquidation price]; NaN as above.
    excess_quantity : ndarray of float64, shape (n_emits, 2)
        Predicted liquidations, swept ones too, beyond what can have been closed [quantity]; NaN as
        above.
    balance_min, balance_max : ndarray of float64, shape (n_emits,)
        Extremes of the factor by which the books were balanced, both sides [ratio]. NaN: no bar
        since the instant before, or the model has none.
    bar_count, violation_count, imputed_count, last_price_count : ndarray of int64, (n_emits,)
        Bars since the instant before; of them bars with |change of open interest| > volume, bars
        with imputed open interest, and bars liquidated on the last price.
    books_error : ndarray of float64, shape (n_emits, 2)
        |sum over nodes + unlevered - open interest| / open interest [ratio], 0 where open interest
        is 0. Summed node by node, so that it checks the running totals too.
    start_up_usd : ndarray of float32, shape (n_emits, 2, 501)
        The part of ``liquidation_usd`` that is start-up mass: what is left of the open interest
        that the first bar of the series found, whose entries nobody saw [USD].
    start_up_ratio : ndarray of float64, shape (n_emits, 2)
        Share of start-up mass in all positions of a side, beyond the published bins and
        unlevered too [ratio]; 0 where there are none. NaN where the model follows no positions
        (``volume_profile``).
    start_up_in_range_ratio : ndarray of float64, shape (n_emits, 2)
        The same of the published bins alone [ratio].
    liquidation_by_tier_usd : ndarray of float32, shape (n_by_tier, 2, n_tiers, 501)
        ``liquidation_usd`` of each tier, which sum to it, at the last ``n_by_tier`` of the
        instants [USD].
    """

    close: FloatArray
    open_interest: FloatArray
    first_bin: IntArray
    n_bins: IntArray
    liquidation_usd: Float32Array
    in_range_base: FloatArray
    in_range_usd: FloatArray
    near_base: FloatArray
    near_usd: FloatArray
    beyond_base: FloatArray
    beyond_usd: FloatArray
    unlevered_base: FloatArray
    unlevered_usd: FloatArray
    consumed_quantity: FloatArray
    consumed_usd: FloatArray
    swept_quantity: FloatArray
    swept_usd: FloatArray
    excess_quantity: FloatArray
    balance_min: FloatArray
    balance_max: FloatArray
    bar_count: IntArray
    violation_count: IntArray
    imputed_count: IntArray
    last_price_count: IntArray
    books_error: FloatArray
    start_up_usd: Float32Array
    start_up_ratio: FloatArray
    start_up_in_range_ratio: FloatArray
    liquidation_by_tier_usd: Float32Array

    def __len__(self) -> int:
        """Return the number of instants."""
        return len(self.close)
