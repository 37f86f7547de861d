"""Figures of one part of a file's rows, and the time bounds they are held to.

Belongs here: the arrays that travel from reading to records. Does not belong here: reading,
judging or converting them.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sources.recorded.cells import FloatArray, IntArray

BoolArray = npt.NDArray[np.bool_]


def microseconds_of(instant: dt.datetime) -> int:
    """Return the microseconds since 1970 of an aware datetime."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone; pass an aware datetime")
    return (instant - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


class TimeBounds:
    """The time of the import and the span wanted, in microseconds since 1970."""

    def __init__(
        self, ingested_at: dt.datetime, start: dt.datetime | None, end: dt.datetime | None
    ) -> None:
        limits = np.iinfo(np.int64)
        self.ingested_at = microseconds_of(ingested_at)
        self._start = limits.min if start is None else microseconds_of(start)
        self._end = limits.max if end is None else microseconds_of(end)

    def contain(self, instants: IntArray) -> BoolArray:
        """Return which instants lie in the span wanted."""
        return (instants >= self._start) & (instants < self._end)


@dataclass(frozen=True, slots=True)
class PartRows:
    """Figures of one part; all arrays of shape (n_rows,).

    Parameters
    ----------
    series : ndarray of int64
        Position in the `InstrumentBook`.
    at : ndarray of int64
        Instant, or open of the bar [microseconds since 1970].
    member : ndarray of int64
        Position in `UsableRows.members`.
    row : ndarray of int64
        Row number in the member.
    values : dict of str to ndarray of float64
        Cells as received; NaN where there is nothing.
    """

    series: IntArray
    at: IntArray
    member: IntArray
    row: IntArray
    values: dict[str, FloatArray]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.at)

    def take(self, which: BoolArray | IntArray | slice) -> "PartRows":
        """Return some of the rows, by mask, position or slice; by a mask of all, these same."""
        # Nearly always all rows of a file are usable, and copies of it are what costs memory.
        if isinstance(which, np.ndarray) and which.dtype == np.bool_ and which.all():
            return self
        return PartRows(
            self.series[which],
            self.at[which],
            self.member[which],
            self.row[which],
            {cell: values[which] for cell, values in self.values.items()},
        )

    @staticmethod
    def join(pieces: Sequence["PartRows"], cells: Sequence[str]) -> "PartRows":
        """Return the rows of all pieces in turn; no pieces give no rows."""
        nothing: IntArray = np.empty(0, dtype=np.int64)
        none = PartRows(nothing, nothing, nothing, nothing, {cell: np.empty(0) for cell in cells})
        pieces = pieces or [none]
        return PartRows(
            np.concatenate([piece.series for piece in pieces]),
            np.concatenate([piece.at for piece in pieces]),
            np.concatenate([piece.member for piece in pieces]),
            np.concatenate([piece.row for piece in pieces]),
            {cell: np.concatenate([piece.values[cell] for piece in pieces]) for cell in cells},
        )
