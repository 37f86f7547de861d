"""What a series carries from one call to the next, and its bytes in a checkpoint.

Belongs here: ``State``, written and read bit for bit. Does not belong here: how it moves over bars
(``density``, ``volume_profile``).
"""

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from transforms.series import FloatArray, IntArray
from transforms.state_bytes import check_sealed, hash_from_bytes, hash_to_bytes, seal

_MAGIC: Final = b"LIQHEAT\x02"
_HEADER: Final = struct.Struct("<8s64sqqqdd")
_INDICES: Final = (
    "low_node",
    "high_node",
    "start_up_low_node",
    "start_up_high_node",
    "counts",
)
ROW_FIGURES: Final = (
    "multiplier",
    "total",
    "consumed_quantity",
    "consumed_usd",
    "swept_quantity",
    "swept_usd",
)
"""Columns with a figure per row."""

SIDE_FIGURES: Final = ("unlevered", "start_up_unlevered", "excess_quantity")
"""Columns with a figure per side."""

_NUMBERS: Final = (*ROW_FIGURES, *SIDE_FIGURES, "balance")
"""Columns of numbers in the order of the bytes; ``balance`` has two, as those by side have."""

_N_COUNTS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a series carries from one call to the next.

    A row of ``nodes`` is one (side, tier) of the density model, all longs before all shorts, or
    the one trailing volume profile. The quantity on a node is ``nodes * multiplier``: scaling a
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
            No bars, no positions.

        Examples
        --------
        >>> State.empty(18).bar_count
        0
        """
        rows = {name: np.zeros(n_rows) for name in ROW_FIGURES}
        sides = {name: np.zeros(2) for name in SIDE_FIGURES}
        return cls(
            params_hash=params_hash,
            bar_count=0,
            open_interest=0.0,
            close=float("nan"),
            first_node=0,
            nodes=np.zeros((n_rows, 0)),
            low_node=np.ones(n_rows, dtype=np.int64),
            high_node=np.zeros(n_rows, dtype=np.int64),
            start_up_nodes=np.zeros((n_rows, 0)),
            start_up_low_node=np.ones(n_rows, dtype=np.int64),
            start_up_high_node=np.zeros(n_rows, dtype=np.int64),
            balance=np.array([np.inf, -np.inf]),
            counts=np.zeros(_N_COUNTS, dtype=np.int64),
            **{**rows, **sides, "multiplier": np.ones(n_rows)},
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
        """Return the quantity on each node, multipliers applied.

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
        spans = self._filled_spans()
        n_rows, n_stored = len(self.total), sum(map(len, spans))
        body = b"".join(
            [
                _HEADER.pack(
                    _MAGIC,
                    hash_to_bytes(self.params_hash, "EstimatorParameters.params_hash"),
                    n_rows,
                    n_stored,
                    self.bar_count,
                    self.open_interest,
                    self.close,
                ),
                *(getattr(self, column).astype("<i8").tobytes() for column in _INDICES),
                *(getattr(self, column).astype("<f8").tobytes() for column in _NUMBERS),
                *(span.astype("<f8").tobytes() for span in spans),
            ]
        )
        return seal(body)

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
        check_sealed(payload, _MAGIC, _HEADER, "model state")
        _, name, n_rows, n_stored, bar_count, open_interest, close = _HEADER.unpack_from(payload)
        n_indices = 4 * n_rows + _N_COUNTS
        stop = _HEADER.size + 8 * n_indices
        indices = np.frombuffer(payload, "<i8", n_indices, _HEADER.size).astype(np.int64)
        numbers = np.frombuffer(payload, "<f8", 6 * n_rows + 8 + n_stored, stop).astype(np.float64)
        *parts, stored = np.split(numbers, np.cumsum([n_rows] * 6 + [2] * 4))
        columns: dict[str, Any] = dict(zip(_NUMBERS, parts, strict=True))
        columns |= zip(_INDICES, np.split(indices, np.cumsum([n_rows] * 4)), strict=True)
        low, high = columns["low_node"], columns["high_node"]
        is_filled = low <= high
        first_node = int(low[is_filled].min()) if is_filled.any() else 0
        last_node = int(high[is_filled].max()) if is_filled.any() else -1
        nodes, start_up_nodes = np.zeros((2, n_rows, last_node - first_node + 1))
        state = cls(
            params_hash=hash_from_bytes(name),
            bar_count=bar_count,
            open_interest=open_interest,
            close=close,
            first_node=first_node,
            nodes=nodes,
            start_up_nodes=start_up_nodes,
            **columns,
        )
        taken = 0
        for span in state._filled_spans():
            span[:] = stored[taken : taken + len(span)]
            taken += len(span)
        return state

    def _filled_spans(self) -> list[FloatArray]:
        """Return the filled part of each row that has one, start-up mass last, as views."""
        return [
            nodes[row, low[row] - self.first_node : high[row] - self.first_node + 1]
            for nodes, low, high in (
                (self.nodes, self.low_node, self.high_node),
                (self.start_up_nodes, self.start_up_low_node, self.start_up_high_node),
            )
            for row in np.flatnonzero(low <= high)
        ]
