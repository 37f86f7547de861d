"""What a ledger carries from one call to the next, and its bytes in a checkpoint.

Belongs here: ``LedgerState``, written and read bit for bit. Does not belong here: how it moves over
bars (``kernel``).
"""

import math
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.ledger.parameter_sets import N_ENTRIES, N_HALF_LIVES, LedgerParameters
from transforms.series import FloatArray, IntArray
from transforms.state_bytes import check_sealed, hash_from_bytes, hash_to_bytes, seal

_MAGIC: Final = b"LIQLEDG\x01"
_HEADER: Final = struct.Struct("<8s64sqqqqqdqq")
_N_SIDES: Final = 2
_N_AGE_SUMS: Final = 2
_N_PATH: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class LedgerState:
    """What a ledger carries from one call to the next: what is held, and the span left open.

    The amount of a row on a node is ``nodes * multiplier`` of the row's half-life: one decay
    costs four multiplications. ``n_open`` is the number of bars since the end of the last span.

    Parameters
    ----------
    structure_hash : str
        ``LedgerParameters.structure_hash`` of the ledger it belongs to.
    bar_count : int
        Bars seen since the series started [bars].
    first_end, last_end : int
        Ends of the first and of the last bar [microseconds since 1970, UTC]; 0 before them.
    close : float
        Close of the last bar [USD per unit of the asset]; NaN before the first.
    first_node : int
        Grid node of ``nodes[:, 0]``.
    nodes : ndarray of float64, shape (2, n_nodes, n_rows)
        Stored amount by side, node and row, to be multiplied by ``multiplier`` [deposit units].
    amount_hours : ndarray of float64, shape (2, n_nodes, n_distances)
        Stored amount of the slowest half-life times its time of deposit, as above
        [deposit units x hours since ``first_end``].
    multiplier : ndarray of float64, shape (4,)
        Factor of each half-life [ratio].
    extents : ndarray of int64, shape (2, 2)
        First and last node of each side that can hold anything, as grid nodes; 1 and 0: none.
    open_exposure : ndarray of float64, shape (2, n_rows)
        Consumed in the open span [deposit units].
    open_age : ndarray of float64, shape (2, 2)
        By side, what was consumed of the slowest half-life, and that times ln(age in hours).
    open_path : ndarray of float64, shape (3,)
        Close before the open span, its lowest and its highest price [nodes]; NaN, inf and -inf
        before any.
    pending_places : ndarray of float64, shape (n_open, 4)
        Open, high, low and close of the bars of the open span [nodes].
    pending_amounts : ndarray of float64, shape (n_open, 4)
        What they deposit by half-life, to be multiplied by ``multiplier`` [deposit units].
    pending_hours : ndarray of float64, shape (n_open,)
        Their ends [hours since ``first_end``].
    """

    structure_hash: str
    bar_count: int
    first_end: int
    last_end: int
    close: float
    first_node: int
    nodes: FloatArray
    amount_hours: FloatArray
    multiplier: FloatArray
    extents: IntArray
    open_exposure: FloatArray
    open_age: FloatArray
    open_path: FloatArray
    pending_places: FloatArray
    pending_amounts: FloatArray
    pending_hours: FloatArray

    @classmethod
    def empty(cls, parameters: LedgerParameters) -> "LedgerState":
        """Return the state of a series before its first bar.

        Parameters
        ----------
        parameters : LedgerParameters
            Ledger it belongs to.

        Returns
        -------
        LedgerState
            No bars, nothing held.

        Examples
        --------
        >>> from transforms.ledger import LEDGERS
        >>> LedgerState.empty(LEDGERS["path_ledger"]).bar_count
        0
        """
        return cls(
            structure_hash=parameters.structure_hash,
            bar_count=0,
            first_end=0,
            last_end=0,
            close=float("nan"),
            first_node=0,
            nodes=np.zeros((_N_SIDES, 0, parameters.n_rows)),
            amount_hours=np.zeros((_N_SIDES, 0, len(parameters.distances))),
            multiplier=np.ones(N_HALF_LIVES),
            extents=np.array([[1, 0]] * _N_SIDES),
            open_exposure=np.zeros((_N_SIDES, parameters.n_rows)),
            open_age=np.zeros((_N_SIDES, _N_AGE_SUMS)),
            open_path=np.array([np.nan, np.inf, -np.inf]),
            pending_places=np.zeros((0, N_ENTRIES)),
            pending_amounts=np.zeros((0, N_HALF_LIVES)),
            pending_hours=np.zeros(0),
        )

    def standing(self) -> FloatArray:
        """Return what is held by side, node and row, deposits of the open span aside.

        Returns
        -------
        ndarray of float64, shape (2, n_nodes, n_rows)
            Amount on node ``first_node + i`` [deposit units].

        Examples
        --------
        >>> from transforms.ledger import LEDGERS
        >>> LedgerState.empty(LEDGERS["path_ledger"]).standing().shape
        (2, 0, 64)
        """
        return self.nodes * np.tile(self.multiplier, self.nodes.shape[2] // N_HALF_LIVES)

    def to_bytes(self) -> bytes:
        """Return the state as bytes: what is on nodes only where it is, with version and checksum.

        Returns
        -------
        bytes
            Little-endian, read by ``from_bytes``; equal states give equal bytes.

        Raises
        ------
        InvalidInput
            If ``structure_hash`` is longer than 64 ASCII characters.

        Examples
        --------
        >>> from transforms.ledger import LEDGERS
        >>> payload = LedgerState.empty(LEDGERS["path_ledger"]).to_bytes()
        >>> LedgerState.from_bytes(payload).to_bytes() == payload
        True
        """
        filled = self._filled_extents()
        body = b"".join(
            [
                _HEADER.pack(
                    _MAGIC,
                    hash_to_bytes(self.structure_hash, "LedgerParameters.structure_hash"),
                    self.nodes.shape[1],
                    self.amount_hours.shape[2],
                    self.bar_count,
                    self.first_end,
                    self.last_end,
                    self.close,
                    self.first_node,
                    len(self.pending_hours),
                ),
                self.extents.astype("<i8").tobytes(),
                filled.astype("<i8").tobytes(),
                *(getattr(self, column).astype("<f8").tobytes() for column in _NUMBERS),
                *(part.astype("<f8").tobytes() for part in self._filled_parts(filled)),
            ]
        )
        return seal(body)

    @classmethod
    def from_bytes(cls, payload: bytes) -> "LedgerState":
        """Return the state that ``to_bytes`` wrote, bit for bit.

        Raises
        ------
        UnreadableState
            If the bytes are cut short, changed, or of a version this code does not read.

        Examples
        --------
        >>> from transforms.ledger import LEDGERS
        >>> empty = LedgerState.empty(LEDGERS["path_ledger"])
        >>> LedgerState.from_bytes(empty.to_bytes()).multiplier.tolist()
        [1.0, 1.0, 1.0, 1.0]
        """
        check_sealed(payload, _MAGIC, _HEADER, "state of a ledger")
        _, name, n_nodes, n_distances, bar_count, first_end, last_end, close, first_node, n_open = (
            _HEADER.unpack_from(payload)
        )
        n_rows = n_distances * N_HALF_LIVES
        shapes = {
            "multiplier": (N_HALF_LIVES,),
            "open_exposure": (_N_SIDES, n_rows),
            "open_age": (_N_SIDES, _N_AGE_SUMS),
            "open_path": (_N_PATH,),
            "pending_places": (n_open, N_ENTRIES),
            "pending_amounts": (n_open, N_HALF_LIVES),
            "pending_hours": (n_open,),
        }
        n_indices = _N_SIDES * 2 * (1 + n_distances)
        indices = np.frombuffer(payload, "<i8", n_indices, _HEADER.size).astype(np.int64)
        stored = np.frombuffer(payload[:-4], "<f8", -1, _HEADER.size + 8 * n_indices)
        stored = stored.astype(np.float64)
        sizes = [math.prod(shapes[column]) for column in _NUMBERS]
        *parts, stored = np.split(stored, np.cumsum(sizes))
        numbers = zip(_NUMBERS, parts, strict=True)
        state = cls(
            structure_hash=hash_from_bytes(name),
            bar_count=bar_count,
            first_end=first_end,
            last_end=last_end,
            close=close,
            first_node=first_node,
            nodes=np.zeros((_N_SIDES, n_nodes, n_rows)),
            amount_hours=np.zeros((_N_SIDES, n_nodes, n_distances)),
            extents=indices[: _N_SIDES * 2].reshape(_N_SIDES, 2),
            **{column: part.reshape(shapes[column]) for column, part in numbers},
        )
        taken = 0
        for part in state._filled_parts(indices[_N_SIDES * 2 :].reshape(_N_SIDES, n_distances, 2)):
            part[...] = stored[taken : taken + part.size].reshape(part.shape)
            taken += part.size
        return state

    def _filled_extents(self) -> IntArray:
        """Return from and up to which node each side and distance holds anything; 0, 0: nowhere."""
        n_nodes, n_distances = self.amount_hours.shape[1:]
        if n_nodes == 0:
            return np.zeros((_N_SIDES, n_distances, 2), dtype=np.int64)
        amounts = self.nodes.reshape(_N_SIDES, n_nodes, n_distances, N_HALF_LIVES)
        is_filled = np.count_nonzero(amounts, axis=-1) > 0
        stop = n_nodes - is_filled[:, ::-1].argmax(axis=1)
        filled = np.stack([is_filled.argmax(axis=1), stop], axis=-1)
        return np.where(is_filled.any(axis=1)[..., np.newaxis], filled, 0)

    def _filled_parts(self, filled: IntArray) -> list[FloatArray]:
        """Return the filled part of each side and distance, amounts and then times, as views."""
        parts = []
        for side, distance in np.ndindex(filled.shape[:2]):
            start, stop = filled[side, distance]
            rows = slice(distance * N_HALF_LIVES, (distance + 1) * N_HALF_LIVES)
            parts += [
                self.nodes[side, start:stop, rows],
                self.amount_hours[side, start:stop, distance],
            ]
        return parts


_NUMBERS: Final = (
    "multiplier",
    "open_exposure",
    "open_age",
    "open_path",
    "pending_places",
    "pending_amounts",
    "pending_hours",
)
"""Columns of numbers in the order of the bytes; what is on the nodes follows them."""
