"""A venue's answer in columns: rows found, cells taken, text made numbers, instants read.

Belongs here: reading what a declaration points at, believing nothing about types. Does not belong
here: which venue, and what the figures mean (`sources.venues.responses`).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sources.checks import Rejects
from sources.venues.declaration import Column, Endpoint

Milliseconds = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MILLISECONDS = {"ms": 1, "s": 1000}
# Before the first exchange, and beyond any clock: what is outside is no instant.
_EARLIEST_MS, _LATEST_MS = 1_230_768_000_000, 4_102_444_800_000


class MalformedResponse(ValueError):
    """An answer has no rows where its declaration says they are; ``received`` is the answer."""

    received: str | None = None


def find_rows(answer: object, endpoint: Endpoint) -> list[Any]:
    """Return the rows of an answer, in the order received.

    Parameters
    ----------
    answer : object
        Decoded JSON.
    endpoint : Endpoint
        Says where the rows are.

    Raises
    ------
    MalformedAnswer
        Where the declared path leads nowhere, or to no list.
    """
    # A contract that has not traded yet may answer with nothing at all.
    found = [] if answer == "" and not endpoint.is_columnar else _follow(answer, endpoint.rows)
    if endpoint.is_columnar:
        return _rows_of_columns(found, endpoint)
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, list):
        raise MalformedResponse(
            f"{_path(endpoint.rows)} is {type(found).__name__}, expected a list"
        )
    if endpoint.joined_rows:
        others = _follow(answer, endpoint.joined_rows)
        if not isinstance(others, list) or len(others) != len(found):
            raise MalformedResponse(
                f"{_path(endpoint.joined_rows)} does not match {_path(endpoint.rows)}"
            )
        found = [
            {**one, **other} if isinstance(one, Mapping) and isinstance(other, Mapping) else one
            for one, other in zip(found, others, strict=True)
        ]
    return found


def _follow(answer: object, path: tuple[str | int, ...]) -> object:
    here: Any = answer
    for step in path:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError) as exc:
            raise MalformedResponse(f"the answer has no {_path(path)}") from exc
    return here


def _rows_of_columns(found: object, endpoint: Endpoint) -> list[Any]:
    if not isinstance(found, Mapping):
        raise MalformedResponse(f"{_path(endpoint.rows)} is {type(found).__name__}, expected lists")
    keys = [key for key in endpoint.columns.values() if isinstance(key, str)]
    columns = [found.get(key) for key in keys]
    lists = [column for column in columns if isinstance(column, list)]
    if len(lists) != len(keys):
        # No trades in the span: some venues leave the lists out altogether.
        if not any(columns):
            return []
        raise MalformedResponse(f"not all of {', '.join(keys)} are lists")
    if len({len(column) for column in lists}) > 1:
        raise MalformedResponse(f"{', '.join(keys)} are not equally long")
    return [dict(zip(keys, cells, strict=True)) for cells in zip(*lists, strict=True)]


def _path(path: tuple[str | int, ...]) -> str:
    return ".".join(str(step) for step in path) or "the answer itself"


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
    """Return a cell as a finite number, or None where it is none.

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
    """The rows of one answer, column by column, and what is wrong with them.

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
        """Start with nothing against any row."""
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
        """Return one row as it came."""
        return json.dumps(self.rows[row], default=str, ensure_ascii=False)
