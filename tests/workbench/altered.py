"""Changes to the rows of a stand-in's answers, for its fault ``altered``."""

from collections.abc import Callable, Sequence
from typing import Any

Change = Callable[[Sequence[Any]], list[Any]]


def each(change: Callable[[Any], Any]) -> Change:
    """Return what changes a copy of each row."""
    return lambda rows: [change(dict(row) if isinstance(row, dict) else list(row)) for row in rows]


def put(name: Any, make: Callable[[Any], Any]) -> Change:
    """Return what replaces a cell of each row."""

    def change(row: Any) -> Any:
        row[name] = make(row[name])
        return row

    return each(change)


def scaled(name: Any, factor: float) -> Change:
    """Return what multiplies a cell of each row."""
    return put(name, lambda cell: str(float(cell) * factor))
