"""Instants in the published file: TIMESTAMP in UTC there, aware datetimes in UTC in Python.

A TIMESTAMP is the same hour for a client in any time zone, needs no package of time zones to be
read, and is compared with a day without a calendar. Belongs here: both ways of the conversion.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from warehouse.contracts import Relation

_AWARE = pa.timestamp("us", tz="UTC")


def as_published(relation: Relation) -> str:
    """Return what is selected of a relation of the warehouse for its table in the file.

    Through the integer: ``at time zone`` takes thirty times as long.
    """
    return _replaced(relation, 'make_timestamp(epoch_us("{0}")) as "{0}"')


def as_exported(relation: Relation) -> str:
    """Return what is selected of a table in the file for Parquet, which marks instants as UTC."""
    return _replaced(relation, 'make_timestamptz(epoch_us("{0}")) as "{0}"')


def _replaced(relation: Relation, expression: str) -> str:
    parts = [expression.format(each.name) for each in relation.columns if each.is_instant]
    return f"* replace ({', '.join(parts)})" if parts else "*"


def without_zone(value: Any) -> Any:  # noqa: ANN401  (any parameters of a statement)
    """Return parameters with their datetimes in UTC and without a zone.

    >>> from datetime import timedelta, timezone
    >>> without_zone(datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5))))
    datetime.datetime(2026, 1, 1, 0, 0)
    """
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, list | tuple):
        return [without_zone(each) for each in value]
    if isinstance(value, dict):
        return {name: without_zone(each) for name, each in value.items()}
    return value


def with_zone(value: Any) -> Any:  # noqa: ANN401  (any value of a row)
    """Return a value with its datetimes in UTC, those in lists and structs too.

    >>> with_zone([datetime(2026, 1, 1)])
    [datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)]
    """
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if isinstance(value, list):
        return [with_zone(each) for each in value]
    if isinstance(value, dict):
        return {key: with_zone(each) for key, each in value.items()}
    return value


def rows_with_zone(rows: list[tuple[Any, ...]], types: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return rows with the datetimes of some columns in UTC.

    Parameters
    ----------
    rows : list of tuple
        Rows as DuckDB returns them.
    types : sequence of str
        Type of each column, as DuckDB spells it.
    """
    places = {place for place, each in enumerate(types) if "TIMESTAMP" in each}
    if not places:
        return rows
    return [
        tuple(with_zone(each) if place in places else each for place, each in enumerate(row))
        for row in rows
    ]


def table_with_zone(table: pa.Table) -> pa.Table:
    """Return a table with its instants marked as UTC."""
    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is None:
            column = table.column(place).cast(_AWARE)
            table = table.set_column(place, pa.field(field.name, _AWARE, field.nullable), column)
    return table
