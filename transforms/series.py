"""What goes into an estimator and what comes out of it, for one series, whatever its model.

Belongs here: ``Bars`` (input), ``State`` (what a series carries from one call to the next) and
``Outputs`` (what stands at each instant asked for), with their validation and the bytes of a state.
Does not belong here: how a state moves (``density``, ``volume_profile``).

Axes used throughout: axis ``side`` has length 2, ``LONG`` = 0 and ``SHORT`` = 1; axis ``tier``
follows the order of ``EstimatorParameters.leverages``. *Quantity* means position units: units of
the asset for linear contracts, USD of contract value for inverse ones.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from transforms.errors import InvalidInput, UnreadableState

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ContractKind = Literal["linear", "inverse"]

LONG: Final = 0
SHORT: Final = 1
SIDES: Final = ("long", "short")


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
        return part


_BAR_COLUMNS: Final = (
    "open",
    "high",
    "low",
    "close",
    "mark_high",
    "mark_low",
    "volume",
    "taker_buy",
    "open_interest",
    "is_imputed",
    "has_gap_before",
)


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
    """What stands at each instant asked for, and what happened since the instant before it.

    A map covers the published bins around the close (``grid.published_bins``). What stands further
    away is in ``beyond_*``; what no price can liquidate is in ``unlevered_*``. Per side,
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
        What stands within the published bins [units of the asset; USD at the node's price].
    near_base, near_usd : ndarray of float64, shape (n_emits, 2, n_tiers)
        The part of it on nodes within ``grid.NEAR_RANGE`` of the close [as above].
    beyond_base, beyond_usd : ndarray of float64, shape (n_emits, 2, n_tiers)
        What stands outside the published bins [as above].
    unlevered_base, unlevered_usd : ndarray of float64, shape (n_emits, 2)
        What no price can liquidate [units of the asset; USD at the close].
    consumed_quantity, consumed_usd : ndarray of float64, shape (n_emits, 2, n_tiers)
        Predicted liquidations since the instant before [quantity; USD at the node's price].
        NaN where the model has none (``volume_profile``).
    swept_quantity, swept_usd : ndarray of float64, shape (n_emits, 2, n_tiers)
        What opened since then and was liquidated within the same bar, so that it never stood: its
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
        Share of start-up mass in all that stands on a side, beyond the published bins and
        unlevered too [ratio]; 0 where nothing stands. NaN where the model follows no positions
        (``volume_profile``).
    start_up_in_range_ratio : ndarray of float64, shape (n_emits, 2)
        The same of the published bins alone [ratio].
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

    def __len__(self) -> int:
        """Return the number of instants."""
        return len(self.close)


_MAGIC: Final = b"LIQHEAT\x02"
_HEADER: Final = struct.Struct("<8s64sqqqdd")
_COUNTERS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a series carries from one call to the next.

    A row of ``nodes`` is one (side, tier) of the density model, all longs before all shorts, or
    the one trailing volume profile. What stands on a node is ``nodes * multiplier``: scaling a
    whole row costs one multiplication. Only the nodes of a row's span can be other than 0.

    Parameters
    ----------
    params_hash : str
        ``EstimatorParameters.params_hash`` of the parameters that made the state.
    bar_count : int
        Bars seen since the series started [bars].
    open_interest : float
        Open interest after the last bar [quantity].
    close : float
        Close of the last bar, of a trail too [USD per unit of the asset]; NaN before that.
    first_node : int
        Grid node of ``nodes[:, 0]``.
    nodes : ndarray of float64, shape (n_rows, n_nodes)
        Stored amount per row and node, to be multiplied by ``multiplier`` [quantity].
    multiplier : ndarray of float64, shape (n_rows,)
        Factor of each row [ratio].
    total : ndarray of float64, shape (n_rows,)
        Running sum of each row, multiplier applied [quantity].
    low_node, high_node : ndarray of int64, shape (n_rows,)
        Span of each row as grid nodes, both ends included; ``low_node`` 1 and ``high_node`` 0
        mean that the row is empty.
    unlevered : ndarray of float64, shape (2,)
        What no price can liquidate, per side [quantity].
    start_up_nodes : ndarray of float64, shape (n_rows, n_nodes)
        The part of ``nodes`` that is start-up mass, with the same multipliers [quantity].
    start_up_low_node, start_up_high_node : ndarray of int64, shape (n_rows,)
        Span of the start-up mass of each row, as above; it only ever shrinks.
    start_up_unlevered : ndarray of float64, shape (2,)
        The part of ``unlevered`` that is start-up mass [quantity].
    consumed_quantity, consumed_usd : ndarray of float64, shape (n_rows,)
        Predicted liquidations since the last instant written [quantity; USD at the node's price].
    swept_quantity, swept_usd : ndarray of float64, shape (n_rows,)
        Opened and liquidated within one bar since then [quantity; USD at the liquidation price].
    excess_quantity : ndarray of float64, shape (2,)
        Predicted liquidations beyond closes since then, per side [quantity].
    balance : ndarray of float64, shape (2,)
        Smallest and largest balance factor since then [ratio]; inf and -inf: none.
    counts : ndarray of int64, shape (4,)
        Bars, violations, imputed bars and bars on last price since then [bars].
    """

    params_hash: str
    bar_count: int
    open_interest: float
    close: float
    first_node: int
    nodes: FloatArray
    multiplier: FloatArray
    total: FloatArray
    low_node: IntArray
    high_node: IntArray
    unlevered: FloatArray
    start_up_nodes: FloatArray
    start_up_low_node: IntArray
    start_up_high_node: IntArray
    start_up_unlevered: FloatArray
    consumed_quantity: FloatArray
    consumed_usd: FloatArray
    swept_quantity: FloatArray
    swept_usd: FloatArray
    excess_quantity: FloatArray
    balance: FloatArray
    counts: IntArray

    @classmethod
    def empty(cls, n_rows: int, params_hash: str = "") -> "State":
        """Return the state of a series before its first bar.

        Parameters
        ----------
        n_rows : int
            Rows of the model: two sides times the tiers, or 1 for a volume profile.
        params_hash : str
            Hash of the parameters the state belongs to.

        Returns
        -------
        State
            No bars, nothing standing.

        Examples
        --------
        >>> State.empty(18).bar_count
        0
        """
        return cls(
            params_hash=params_hash,
            bar_count=0,
            open_interest=0.0,
            close=float("nan"),
            first_node=0,
            nodes=np.zeros((n_rows, 0)),
            multiplier=np.ones(n_rows),
            total=np.zeros(n_rows),
            low_node=np.ones(n_rows, dtype=np.int64),
            high_node=np.zeros(n_rows, dtype=np.int64),
            unlevered=np.zeros(2),
            start_up_nodes=np.zeros((n_rows, 0)),
            start_up_low_node=np.ones(n_rows, dtype=np.int64),
            start_up_high_node=np.zeros(n_rows, dtype=np.int64),
            start_up_unlevered=np.zeros(2),
            consumed_quantity=np.zeros(n_rows),
            consumed_usd=np.zeros(n_rows),
            swept_quantity=np.zeros(n_rows),
            swept_usd=np.zeros(n_rows),
            excess_quantity=np.zeros(2),
            balance=np.array([np.inf, -np.inf]),
            counts=np.zeros(_COUNTERS, dtype=np.int64),
        )

    @property
    def has_trail(self) -> bool:
        """Return whether the series has yet to start, from entries that bars before it laid.

        Returns
        -------
        bool
            False for an empty state, and once the series has a bar.

        Examples
        --------
        >>> State.empty(18).has_trail
        False
        """
        return self.bar_count == 0 and bool(np.any(self.low_node <= self.high_node))

    def standing(self) -> FloatArray:
        """Return what stands on each node, multipliers applied.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_nodes)
            Amount on node ``first_node + i`` [quantity].

        Examples
        --------
        >>> State.empty(18).standing().shape
        (18, 0)
        """
        return self.nodes * self.multiplier[:, np.newaxis]

    def to_bytes(self) -> bytes:
        """Return the state as bytes: only the spans of the rows, with version and checksum.

        Returns
        -------
        bytes
            Little-endian, read by ``from_bytes``; equal states give equal bytes.

        Raises
        ------
        InvalidInput
            If ``params_hash`` is longer than 64 ASCII characters.

        Examples
        --------
        >>> payload = State.empty(18).to_bytes()
        >>> State.from_bytes(payload).to_bytes() == payload
        True
        """
        name = self.params_hash.encode("ascii")
        if len(name) > 64:
            raise InvalidInput(
                f"params_hash has {len(name)} characters, a state holds at most 64; "
                "use EstimatorParameters.params_hash"
            )
        n_rows = len(self.total)
        spans = [
            *_spans(self.nodes, self.low_node - self.first_node, self.high_node - self.first_node),
            *_spans(
                self.start_up_nodes,
                self.start_up_low_node - self.first_node,
                self.start_up_high_node - self.first_node,
            ),
        ]
        header = _HEADER.pack(
            _MAGIC,
            name,
            n_rows,
            sum(map(len, spans)),
            self.bar_count,
            self.open_interest,
            self.close,
        )
        columns = (
            self.multiplier,
            self.total,
            self.consumed_quantity,
            self.consumed_usd,
            self.swept_quantity,
            self.swept_usd,
            self.unlevered,
            self.start_up_unlevered,
            self.excess_quantity,
            self.balance,
            *spans,
        )
        indices = (
            self.low_node,
            self.high_node,
            self.start_up_low_node,
            self.start_up_high_node,
            self.counts,
        )
        body = b"".join(
            [header]
            + [np.ascontiguousarray(array, dtype="<i8").tobytes() for array in indices]
            + [np.ascontiguousarray(array, dtype="<f8").tobytes() for array in columns]
        )
        return body + struct.pack("<I", zlib.crc32(body))

    @classmethod
    def from_bytes(cls, payload: bytes) -> "State":
        """Return the state that ``to_bytes`` wrote.

        Parameters
        ----------
        payload : bytes
            As written by ``to_bytes``.

        Returns
        -------
        State
            Bit for bit the state that was written.

        Raises
        ------
        UnreadableState
            If the bytes are cut short, changed, or of a version this code does not read.

        Examples
        --------
        >>> State.from_bytes(State.empty(18).to_bytes()).unlevered.tolist()
        [0.0, 0.0]
        """
        advice = "drop it and replay from an older checkpoint or from the first bar"
        if len(payload) < _HEADER.size + 4:
            raise UnreadableState(
                f"model state has {len(payload)} bytes, a header alone has {_HEADER.size + 4}; "
                f"{advice}"
            )
        magic, name, n_rows, n_stored, bar_count, open_interest, close = _HEADER.unpack_from(
            payload
        )
        if magic != _MAGIC:
            raise UnreadableState(
                f"model state opens with {magic!r}, this version reads {_MAGIC!r}; {advice}"
            )
        body, checksum = payload[:-4], struct.unpack("<I", payload[-4:])[0]
        if zlib.crc32(body) != checksum:
            raise UnreadableState(
                f"model state of {len(payload)} bytes is torn or changed "
                f"(its checksum does not match); {advice}"
            )
        n_indices = 4 * n_rows + _COUNTERS
        n_numbers = 6 * n_rows + 8 + n_stored
        offset = _HEADER.size + 8 * n_indices
        indices = np.frombuffer(body, dtype="<i8", count=n_indices, offset=_HEADER.size)
        numbers = np.frombuffer(body, dtype="<f8", count=n_numbers, offset=offset)
        low_node, high_node, start_up_low, start_up_high, counts = np.split(
            indices.astype(np.int64), np.cumsum([n_rows] * 4)
        )
        (
            multiplier,
            total,
            consumed_quantity,
            consumed_usd,
            swept_quantity,
            swept_usd,
            unlevered,
            start_up_unlevered,
            excess,
            balance,
            stored,
        ) = np.split(numbers.astype(np.float64), np.cumsum([n_rows] * 6 + [2] * 4))
        is_filled = low_node <= high_node
        first_node = int(low_node[is_filled].min()) if is_filled.any() else 0
        last_node = int(high_node[is_filled].max()) if is_filled.any() else -1
        nodes, start_up_nodes = np.zeros((2, n_rows, last_node - first_node + 1))
        taken = 0
        for target, low, high in (
            (nodes, low_node - first_node, high_node - first_node),
            (start_up_nodes, start_up_low - first_node, start_up_high - first_node),
        ):
            for span in _spans(target, low, high):
                span[:] = stored[taken : taken + len(span)]
                taken += len(span)
        return cls(
            params_hash=name.rstrip(b"\0").decode("ascii"),
            bar_count=bar_count,
            open_interest=open_interest,
            close=close,
            first_node=first_node,
            nodes=nodes,
            multiplier=multiplier,
            total=total,
            low_node=low_node,
            high_node=high_node,
            unlevered=unlevered,
            start_up_nodes=start_up_nodes,
            start_up_low_node=start_up_low,
            start_up_high_node=start_up_high,
            start_up_unlevered=start_up_unlevered,
            consumed_quantity=consumed_quantity,
            consumed_usd=consumed_usd,
            swept_quantity=swept_quantity,
            swept_usd=swept_usd,
            excess_quantity=excess,
            balance=balance,
            counts=counts,
        )


def _spans(nodes: FloatArray, low: IntArray, high: IntArray) -> list[FloatArray]:
    """Return the filled part of each row that has one, from `low` to `high`, as views."""
    return [nodes[row, low[row] : high[row] + 1] for row in np.flatnonzero(low <= high)]
