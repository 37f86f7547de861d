"""Publishing: a file for readers built beside and swapped in whole, and Parquet by day.

``published/liqheat.duckdb`` holds every public relation, those by hour bounded by a window, so
that publishing costs the same next year. ``published/parquet/<relation>/day=YYYY-MM-DD/`` holds
the whole history; only days that changed are written again.
"""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb

from warehouse.connect import CATALOG, quoted, transaction
from warehouse.contracts import Relation, comment_statements, public_relations, relations
from warehouse.models import Model, models, set_window, tables_behind

logger = logging.getLogger(__name__)

PUBLISHED_FILE = "liqheat.duckdb"


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What one publication wrote.

    Parameters
    ----------
    path : Path
        The published file.
    size_bytes : int
        Its size.
    row_counts : dict of str to int
        Rows of each public relation stored in it; a view counts the rows it is made from.
    day_count : int
        Days whose Parquet was written.
    """

    path: Path
    size_bytes: int
    row_counts: dict[str, int]
    day_count: int


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(temporary: Path, final: Path) -> None:
    """Put a finished file in its place so that readers see the old one or this one, never less."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(final)
    _sync_folder(final.parent)


def _public_models() -> list[tuple[Relation, Model | None]]:
    """Return each public relation with the model that makes it; None for a stored table."""
    by_name = {model.name: model for model in models()}
    return [(relation, by_name.get(relation.name)) for relation in public_relations()]


def _is_hourly(relation: Relation) -> bool:
    return "as_of" in relation.grain


def _copy_table(
    connection: duckdb.DuckDBPyConnection, relation: Relation, window_start: datetime
) -> int:
    """Copy a relation into the attached file, bounded by the window where it is by hour."""
    name = relation.name
    bound = "where as_of > ?" if _is_hourly(relation) else ""
    row = connection.execute(
        f"create table building.{name} as select * from {name} {bound}",
        [window_start] if bound else [],
    ).fetchone()
    return int(row[0]) if row else 0


def publish_file(
    connection: duckdb.DuckDBPyConnection, folder: Path, *, window_start: datetime
) -> tuple[Path, dict[str, int]]:
    """Build the readers' file and swap it in; return its path and the rows of each relation.

    A reader that holds the old file open keeps its view of it.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    folder : Path
        The published folder.
    window_start : datetime
        Rows with as_of after this instant are published.
    """
    folder.mkdir(parents=True, exist_ok=True)
    building = folder / f".building-{os.getpid()}.duckdb"
    for left in folder.glob(".building-*"):
        left.unlink()
    row_counts: dict[str, int] = {}
    use_home = f"use {CATALOG}"
    connection.execute(f"attach {quoted(building)} as building")
    set_window(connection, None, window_start, None)
    views: list[tuple[Relation, Model]] = []
    try:
        with transaction(connection):
            for schema in ("marts", "quality", "derived"):
                connection.execute(f"create schema building.{schema}")
            for relation, model in _public_models():
                if model is not None and model.materialized == "view":
                    views.append((relation, model))
                    copied = [relations()[name] for name in tables_behind(model)]
                else:
                    copied = [relation]
                for stored in copied:
                    if stored.name not in row_counts:
                        row_counts[stored.name] = _copy_table(connection, stored, window_start)
                        for statement in comment_statements(stored, "table", "building."):
                            connection.execute(statement)
        connection.execute("use building")
        for relation, model in views:
            connection.execute(f"create view {model.name} as {model.select}")
            for statement in comment_statements(relation, "view"):
                connection.execute(statement)
    except BaseException:
        connection.execute(use_home)
        connection.execute("detach building")
        building.unlink(missing_ok=True)
        raise
    finally:
        set_window(connection, None, None, None)
    connection.execute(use_home)
    connection.execute("detach building")
    final = folder / PUBLISHED_FILE
    _replace(building, final)
    return final, row_counts


def changed_days(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """Return the days whose Parquet is out of date, oldest first."""
    rows = connection.execute(
        "select distinct published_day from meta.pending_publish order by published_day"
    ).fetchall()
    return [row[0] for row in rows]


def publish_days(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    days: list[date],
    *,
    threads: int,
    on_day: Callable[[date], None],
) -> None:
    """Write the Parquet of some days again and strike them off the list of changed ones.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    folder : Path
        The published folder.
    days : list of date
        UTC days of as_of.
    threads : int
        Days written at once: a day is too small for DuckDB to share out among cores.
    on_day : callable
        Told each day when it is written.
    """

    def write(day: date) -> date:
        with connection.cursor() as cursor:
            cursor.execute(f"use {CATALOG}; set timezone = 'UTC'")
            # Models that look back over hours look back from here, not from the beginning.
            midnight = datetime.combine(day, time(), UTC)
            before = midnight - timedelta(microseconds=1)
            set_window(cursor, None, before, before + timedelta(days=1))
            for relation in public_relations():
                if _is_hourly(relation):
                    _write_day(cursor, relation, folder / "parquet", day)
        return day

    with ThreadPoolExecutor(threads) as pool:
        for day in pool.map(write, days):
            connection.execute("delete from meta.pending_publish where published_day = ?", [day])
            on_day(day)


def _write_day(
    connection: duckdb.DuckDBPyConnection, relation: Relation, folder: Path, day: date
) -> None:
    target = folder / relation.name.split(".")[1] / f"day={day.isoformat()}"
    target.mkdir(parents=True, exist_ok=True)
    for left in target.glob(".writing-*"):
        left.unlink()
    temporary = target / f".writing-{os.getpid()}.parquet"
    written = connection.execute(
        f"copy (select * from {relation.name} where as_of >= timestamptz '{day} 00:00:00+00' "
        f"and as_of < timestamptz '{day} 00:00:00+00' + interval 1 day) to {quoted(temporary)} "
        "(format parquet, compression zstd, compression_level 1, parquet_version v2)"
    ).fetchone()
    if written and written[0]:
        _replace(temporary, target / "data.parquet")
        return
    for empty in (temporary, target / "data.parquet"):
        empty.unlink(missing_ok=True)
    target.rmdir()
