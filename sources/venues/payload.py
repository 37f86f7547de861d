"""The decoded JSON of a response in columns: rows found, cells read, text turned into numbers.

Belongs here: reading what a declaration points at, trusting no types. Does not belong here: what
the figures mean (`sources.venues.responses`).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from sources.checks import QuarantinedRow, Rejects
from sources.venues.endpoints import Column, Endpoint

Milliseconds = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MILLISECONDS = {"ms": 1, "s": 1000}
# Before the first exchange, and beyond any clock: outside of this, a number is no instant.
_EARLIEST_MS, _LATEST_MS = 1_230_768_000_000, 4_102_444_800_000


def to_ms(instant: datetime) -> int:
    """Return an instant as whole milliseconds since 1970."""
    return round(instant.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """Return an instant, UTC, from milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def milliseconds(span: timedelta) -> int:
    """Return a time span as whole milliseconds."""
    return span // timedelta(milliseconds=1)


def to_instants(labels: Milliseconds) -> npt.NDArray[np.datetime64]:
    """Return milliseconds since 1970 as instants, for columns of records."""
    return labels.astype("datetime64[ms]")


class MalformedResponse(ValueError):
    """A response has no rows at the declared path; ``received`` is the response."""

    received: str | None = None


def find_rows(payload: object, endpoint: Endpoint) -> list[Any]:
    """Return the rows of a response, in the order received.

    Parameters
    ----------
    payload : object
        Decoded JSON.
    endpoint : Endpoint
        Declares the path to the rows.

    Raises
    ------
    MalformedResponse
        Where the declared path does not exist or holds no list.
    """
    # The response for a contract that has not traded yet may be empty.
    found = [] if payload == "" and not endpoint.is_columnar else _follow(payload, endpoint.rows)
    if endpoint.is_columnar:
        return _rows_of_columns(found, endpoint)
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, list):
        raise MalformedResponse(
            f"{_path(endpoint.rows)} is {type(found).__name__}, expected a list"
        )
    if endpoint.joined_rows:
        others = _follow(payload, endpoint.joined_rows)
        if not isinstance(others, list) or len(others) != len(found):
            raise MalformedResponse(
                f"{_path(endpoint.joined_rows)} does not match {_path(endpoint.rows)}"
            )
        found = [
            {**one, **other} if isinstance(one, Mapping) and isinstance(other, Mapping) else one
            for one, other in zip(found, others, strict=True)
        ]
    return found


def _follow(payload: object, path: tuple[str | int, ...]) -> object:
    here: Any = payload
    for step in path:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError) as exc:
            raise MalformedResponse(f"the response has no {_path(path)}") from exc
    return here


def _rows_of_columns(found: object, endpoint: Endpoint) -> list[Any]:
    if not isinstance(found, Mapping):
        raise MalformedResponse(f"{_path(endpoint.rows)} is {type(found).__name__}, expected lists")
    keys = [key for key in endpoint.columns.values() if isinstance(key, str)]
    columns = [found.get(key) for key in keys]
    lists = [column for column in columns if isinstance(column, list)]
    if len(lists) != len(keys):
        # Without trades in the span, some venues leave the lists out.
        if not any(columns):
            return []
        raise MalformedResponse(f"not all of {', '.join(keys)} are lists")
    if len({len(column) for column in lists}) > 1:
        raise MalformedResponse(f"{', '.join(keys)} are not equally long")
    return [dict(zip(keys, cells, strict=True)) for cells in zip(*lists, strict=True)]


def _path(path: tuple[str | int, ...]) -> str:
    return ".".join(str(step) for step in path) or "the response itself"


def take_cell(row: object, column: Column) -> object:
    """Return one cell of a row; None where it is missing or empty.

    Examples
    --------
    >>> take_cell({"a": "", "b": "2"}, ("a", "b")), take_cell([1, 2], 5), take_cell("?", "a")
    ('2', None, None)
    """
    for name in column if isinstance(column, tuple) else (column,):
        cell = None
        if isinstance(name, str) and isinstance(row, Mapping):
            cell = row.get(name)
        elif isinstance(name, int) and isinstance(row, list) and name < len(row):
            cell = row[name]
        if cell is not None and cell != "":
            return cell
    return None


def to_number(cell: object) -> float | None:
    """Return a cell as a finite number; None for anything else.

    Examples
    --------
    >>> to_number("1.5"), to_number(2), to_number("1e-3"), to_number("x"), to_number(True)
    (1.5, 2.0, 0.001, None, None)
    >>> to_number("nan"), to_number("1_000"), to_number(None)
    (None, None, None)
    """
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        return None
    if isinstance(cell, str) and "_" in cell:
        return None
    try:
        number = float(cell)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_short(row: object, column: Column) -> bool:
    return isinstance(column, int) and isinstance(row, list) and len(row) <= column


@dataclass(slots=True)
class Table:
    """The rows of one response, column by column, and their faults.

    Parameters
    ----------
    rows : sequence
        As received.
    rejects : Rejects
        Collects the faults.
    """

    rows: Sequence[Any]
    rejects: Rejects = field(init=False)

    def __post_init__(self) -> None:
        """Start without faults."""
        self.rejects = Rejects(len(self.rows))

    def numbers(self, column: Column, cell: str, *, is_required: bool) -> Floats:
        """Return a column as numbers, shape (n_rows,); NaN where missing or rejected.

        Parameters
        ----------
        column : Column
            Where the cells are.
        cell : str
            Their name in reasons.
        is_required : bool
            Whether a row without it is unusable. Text that is no number always is.
        """
        cells = [take_cell(row, column) for row in self.rows]
        values = np.full(len(cells), np.nan)
        for number, one in enumerate(cells):
            value = to_number(one)
            if value is not None:
                values[number] = value
            elif one is not None:
                self.rejects.reasons.setdefault(number, (cell, "not a finite number"))
            elif _is_short(self.rows[number], column):
                # Cells are known by their place alone: with fewer, each may be another.
                cells_here = len(self.rows[number])
                self.rejects.reasons.setdefault(
                    number, (cell, f"the row has {cells_here} cells: another format than declared")
                )
            elif is_required:
                self.rejects.reasons.setdefault(number, (cell, "missing"))
        return values

    def labels(self, column: Column, unit: str) -> Milliseconds:
        """Return a column as instants, shape (n_rows,) [ms since 1970]; 0 where rejected."""
        values = self.numbers(column, "time", is_required=True) * _MILLISECONDS[unit]
        is_far = (values < _EARLIEST_MS) | (values > _LATEST_MS)
        self.rejects.flag(is_far, "time", f"no instant in {unit}")
        return np.where(np.isnan(values) | is_far, 0, values).astype(np.int64)

    def texts(self, column: Column) -> list[str | None]:
        """Return a column as text; None where missing or neither text nor number."""
        cells = [take_cell(row, column) for row in self.rows]
        return [
            str(cell)
            if isinstance(cell, str | int | float) and not isinstance(cell, bool)
            else None
            for cell in cells
        ]

    def received(self, row: int) -> str:
        """Return one row as received."""
        return json.dumps(self.rows[row], default=str, ensure_ascii=False)

    def refused(self, instruments: Sequence[str | None] | None = None) -> list[QuarantinedRow]:
        """Return the rows with a fault, for quarantine; ``instruments`` names that of each row."""
        return [
            QuarantinedRow(
                reason=reason,
                received=self.received(row),
                row_number=row + 1,
                column_name=cell,
                instrument=None if instruments is None else instruments[row],
            )
            for row, (cell, reason) in sorted(self.rejects.reasons.items())
        ]
