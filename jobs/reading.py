"""Reading what is published: the only way in for people and programs outside the pipeline."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from jobs.settings import Settings
from warehouse.connect import open_published
from warehouse.contracts import Relation, public_relations, tables_page
from warehouse.publish import PUBLISHED_FILE


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of a query.

    Parameters
    ----------
    columns : tuple of str
        Names, in order.
    rows : iterator of tuple
        Rows as they are read; valid while the query is open.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def published(settings: Settings) -> Iterator[DuckDBPyConnection]:
    """Yield a read-only connection to the published file.

    Raises
    ------
    NotPublished
        Nothing has been published yet.
    """
    with open_published(published_file(settings)) as connection:
        yield connection


def _rows(connection: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while chunk := connection.fetchmany(10_000):
        yield from chunk


@contextmanager
def query(
    settings: Settings, sql: str, parameters: list[Any] | dict[str, Any] | None = None
) -> Iterator[Answer]:
    """Yield the answer to a query on the published file.

    Raises
    ------
    NotPublished
        Nothing has been published yet.
    QueryFailed
        The statement could not be parsed or bound.
    """
    with published(settings) as connection:
        connection.execute(sql, parameters)
        columns = tuple(column[0] for column in connection.description or ())
        yield Answer(columns, _rows(connection))


def published_file(settings: Settings) -> Path:
    """Return the path of the file that readers open."""
    return settings.published / PUBLISHED_FILE


def describe_tables() -> list[Relation]:
    """Return the public relations with their columns and comments."""
    return public_relations()


def describe_tables_as_markdown() -> str:
    """Return the same as the page kept in ``docs/tables.md``."""
    return tables_page()
