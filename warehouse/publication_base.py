"""The version that people read, attached beside the one that is being published.

Belongs here: which it is and what its release recorded of it, and SQL over rows of releases with
other columns. Does not belong here: what is compared (``warehouse.first_published``).
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb

from warehouse.contracts import Relation
from warehouse.published_versions import newest_version
from warehouse.sql_text import quoted
from warehouse.utc import without_zone

logger = logging.getLogger(__name__)

BASE = "before"
"""The version as a catalog."""


@dataclass(frozen=True, slots=True)
class PublicationMark:
    """Which publication is under way.

    Parameters
    ----------
    publication_id : str
        Its id.
    published_at : datetime
        Its instant, UTC.
    form_sha256 : str
        Hash of what its file is made of, except its rows.
    """

    publication_id: str
    published_at: datetime
    form_sha256: str


@dataclass(frozen=True, slots=True)
class Base:
    """The version that people read.

    Parameters
    ----------
    columns : dict of str to dict of str to str
        Type of each column by relation, as DuckDB spells it.
    published_at : datetime, optional
        When it was published, UTC; None where its release did not record it.
    form_sha256 : str, optional
        Hash of what it is made of, except its rows; None where its release did not record it.
    """

    columns: dict[str, dict[str, str]]
    published_at: datetime | None
    form_sha256: str | None


@contextmanager
def attached_base(connection: duckdb.DuckDBPyConnection, link: Path) -> Iterator[Base | None]:
    """Attach the version that people read; yield None where there is none that can be read."""
    version = newest_version(link)
    try:
        base = None if version is None else _attached(connection, version)
    except duckdb.Error as exc:
        logger.warning("%s cannot be read (%s); nothing of it is kept", version, exc)
        base = None
    try:
        yield base
    finally:
        connection.execute(f"detach database if exists {BASE}")


def _attached(connection: duckdb.DuckDBPyConnection, version: Path) -> Base:
    connection.execute(f"attach {quoted(version)} as {BASE} (read_only)")
    columns: dict[str, dict[str, str]] = {}
    for name, column, kind in connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() "
        "where database_name = ? and not internal",
        [BASE],
    ).fetchall():
        columns.setdefault(name, {})[column] = kind
    try:
        row = connection.execute(f"select {BASE}.published_at(), {BASE}.form_sha256()").fetchone()
    except duckdb.CatalogException:
        row = None
    if row is None:
        return Base(columns, None, None)
    return Base(columns, row[0].replace(tzinfo=UTC), row[1])


def selected(
    columns: Mapping[str, str], known: Mapping[str, str] | None, *, qualifier: str = ""
) -> str:
    """Return what is selected of rows that may be of another release.

    Parameters
    ----------
    columns : mapping of str to str
        Columns wanted, with their types.
    known : mapping of str to str, optional
        Columns that the rows have, with their types: another type is cast, NULL is taken where the
        cast fails and where there is no such column. None where they are as wanted.
    qualifier : str
        Alias of the rows with a dot.
    """
    parts = []
    for name, kind in columns.items():
        found = kind if known is None else known.get(name)
        value = f'{qualifier}"{name}"'
        if found is None:
            value = f"null::{kind}"
        elif kind == "TIMESTAMP" and found == "TIMESTAMP WITH TIME ZONE":
            value = f"make_timestamp(epoch_us({value}))"
        elif found != kind:
            value = f"try_cast({value} as {kind})"
        parts.append(f'{value} as "{name}"')
    return ", ".join(parts)


def published_types(relation: Relation) -> dict[str, str]:
    """Return the type of each column in the published file."""
    return {column.name: column.published_type for column in relation.columns}


def literal(instant: datetime) -> str:
    """Return an instant as a literal of the published file."""
    return f"timestamp '{without_zone(instant)}'"


def span_condition(window_start: datetime, days: list[date] | None) -> str:
    """Return the condition on rows of some days after an instant; None: of all."""
    inside = f"as_of > {literal(window_start)}"
    if days is None:
        return inside
    any_day = " or ".join(f"({day_condition(day)})" for day in days)
    return f"{inside} and ({any_day or 'false'})"


def day_condition(day: date) -> str:
    """Return the condition on the hours of a day: midnight is the first, as in Parquet by day."""
    start = datetime.combine(day, time(), UTC)
    return f"as_of >= {literal(start)} and as_of < {literal(start + timedelta(days=1))}"
