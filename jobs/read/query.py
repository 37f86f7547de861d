"""Reading the published file: the only way in for people and programs outside the pipeline."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.settings import Settings
from warehouse import read
from warehouse.contracts import Relation, public_relations
from warehouse.errors import QueryFailed, QueryOverLimit, WarehouseError
from warehouse.published_versions import PUBLISHED_FILE
from warehouse.queries import named_query
from warehouse.read import Reader, ReadLimits, open_published
from warehouse.tables_page import tables_page


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The rows of a query.

    Parameters
    ----------
    columns : tuple of str
        Names, in order.
    rows : iterator of tuple
        Rows as they are read; valid while the query is open.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def open_reader(settings: Settings) -> AbstractContextManager[Reader]:
    """Return a reader of the published file, as a context.

    Raises
    ------
    NotPublished
        Nothing has been published yet.
    """
    return open_published(published_file(settings), limits=read_limits(settings))


@contextmanager
def query(
    settings: Settings, sql: str, parameters: list[Any] | dict[str, Any] | None = None
) -> Iterator[QueryResult]:
    """Yield the result of a query on the published file.

    Raises
    ------
    NotPublished
        Nothing has been published yet.
    QueryFailed
        The statement does more than read, or could not be parsed, bound or computed.
    QueryOverLimit
        The statement needs more memory or time than the settings allow.
    """
    with open_reader(settings) as reader:
        reader.execute(sql, parameters)
        yield QueryResult(reader.columns, reader.rows())


def query_by_name(
    settings: Settings, name: str, parameters: dict[str, Any]
) -> AbstractContextManager[QueryResult]:
    """Yield the result of ``sql/queries/<name>.sql`` on the published file, as `query` does."""
    return query(settings, named_query(name), parameters)


def named_rows(reader: Reader, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of ``sql/queries/<name>.sql`` through an open reader, by column."""
    rows = reader.execute(named_query(name), dict(parameters)).fetchall()
    columns = reader.columns
    return [dict(zip(columns, row, strict=True)) for row in rows]


def named_rows_if_published(
    reader: Reader, name: str, parameters: Mapping[str, Any]
) -> list[dict[str, Any]] | None:
    """Return rows; None where a release without the table or its columns published the file."""
    try:
        return named_rows(reader, name, parameters)
    except QueryOverLimit:
        raise
    except QueryFailed:
        return None


def newest_hour(settings: Settings) -> datetime | None:
    """Return the newest hour in the published file, UTC; None where none can be read."""
    try:
        with query(settings, "select max(as_of) from marts.market_context_hourly") as result:
            newest = next(result.rows)[0]
    except WarehouseError:
        return None
    return None if newest is None else newest.astimezone(UTC)


def bounded_process(settings: Settings) -> AbstractContextManager[None]:
    """Return a context that limits the memory of this process to that of one reader."""
    return read.bounded_process(read_limits(settings))


def read_limits(settings: Settings) -> ReadLimits:
    """Return the memory and time that one reader may use."""
    return ReadLimits(memory_mb=settings.query_memory_mb, seconds=settings.query_seconds)


def published_file(settings: Settings) -> Path:
    """Return the path of the file that readers open."""
    return settings.published / PUBLISHED_FILE


def describe_tables() -> list[Relation]:
    """Return the public relations with their columns and comments."""
    return public_relations()


def describe_tables_as_markdown() -> str:
    """Return the public relations as the page kept in ``docs/tables.md``."""
    return tables_page()
