"""Publishing: a file for readers built beside and swapped in whole, and Parquet by day.

``published/liqheat.duckdb`` holds every public relation, those by hour bounded by a window. It is
made from the one before it, so that an hour more costs a day's rows, whatever the window.
``published/parquet/<relation>/day=YYYY-MM-DD/`` holds the whole history; only days that changed are
written again.
"""

import hashlib
import logging
import os
import shutil
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb

from warehouse.connect import CATALOG, ROW_GROUP_SIZE, quoted, transaction
from warehouse.contracts import Relation, comment_statements, public_relations, relations
from warehouse.models import Model, models, set_window, tables_behind

logger = logging.getLogger(__name__)

PUBLISHED_FILE = "liqheat.duckdb"

# The step of as_of's type.
_INSTANT = timedelta(microseconds=1)


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


def _form_sha256() -> str:
    """Return the hash of everything that decides what a published file looks like."""
    parts = [duckdb.__version__, *(model.select for model in models())]
    for relation in public_relations():
        parts += [relation.name, *comment_statements(relation, "table")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _fill_table(
    connection: duckdb.DuckDBPyConnection,
    relation: Relation,
    window_start: datetime,
    days: list[date] | None,
) -> int:
    """Bring a table of the attached file up to date and return its row count.

    With `days` only they are written again, and what has left the window is deleted.
    """
    name = relation.name
    target = f"building.{name}"
    if not _is_hourly(relation):
        connection.execute(f"create or replace table {target} as select * from {name}")
    elif days is None:
        set_window(connection, None, window_start, None)
        connection.execute(
            f"create table {target} as select * from {name} where as_of > ?", [window_start]
        )
    else:
        connection.execute(f"delete from {target} where as_of <= ?", [window_start])
        for day in days:
            before, last = _day_bounds(day)
            span = [max(before, window_start), last]
            connection.execute(f"delete from {target} where as_of > ? and as_of <= ?", span)
            set_window(connection, None, *span)
            connection.execute(
                f"insert into {target} select * from {name} where as_of > ? and as_of <= ?", span
            )
    if days is None or not _is_hourly(relation):
        for statement in comment_statements(relation, "table", "building."):
            connection.execute(statement)
    row = connection.execute(f"select count(*) from {target}").fetchone()
    return int(row[0]) if row else 0


def _day_bounds(day: date) -> tuple[datetime, datetime]:
    """Return the instants (before, last] between which the hours of a day lie."""
    before = datetime.combine(day, time(), UTC) - _INSTANT
    return before, before + timedelta(days=1)


def _days_to_write(
    connection: duckdb.DuckDBPyConnection, form_sha256: str, window_start: datetime
) -> list[date] | None:
    """Return the days in which the published file is out of date; None where it is no base.

    That is a file of another form, of a window that began later, or of which most has changed.
    """
    published = connection.execute(
        "select form_sha256, window_start_at from meta.publication"
    ).fetchone()
    if published is None or published[0] != form_sha256 or published[1] > window_start:
        return None
    rows = connection.execute(
        "select distinct published_day from meta.pending_publish where published_day >= $first "
        "union select published_day from meta.pending_file where published_day >= $first "
        "order by published_day",
        {"first": window_start.date()},
    ).fetchall()
    held = connection.execute(
        "select count(distinct as_of::date) from derived.heatmap where as_of > ?", [window_start]
    ).fetchone()
    days = [row[0] for row in rows]
    return None if held is None or 2 * len(days) > held[0] else days


def _attach_copy(connection: duckdb.DuckDBPyConnection, final: Path, building: Path) -> bool:
    """Attach a copy of the published file; say whether it is the one swapped in last."""
    if not final.exists():
        return False
    try:
        shutil.copyfile(final, building)
        connection.execute(
            f"attach {quoted(building)} as building (row_group_size {ROW_GROUP_SIZE})"
        )
        row = connection.execute(
            "select count(*) from building.meta.publication "
            "inner join meta.publication using (publication_id)"
        ).fetchone()
        size = connection.execute(
            "select free_blocks <= used_blocks from pragma_database_size() "
            "where database_name = 'building'"
        ).fetchone()
    except duckdb.Error as exc:
        # Whatever is wrong with it, it can be made again from what the warehouse holds.
        logger.warning("%s is no file to go on from (%s); it is made anew", final, exc)
        row = size = None
    # A file of which half is free would only grow.
    if row and row[0] and size and size[0]:
        return True
    connection.execute("detach database if exists building")
    building.unlink(missing_ok=True)
    return False


def publish_file(
    connection: duckdb.DuckDBPyConnection, folder: Path, *, window_start: datetime
) -> tuple[Path, dict[str, int]]:
    """Build the readers' file and swap it in; return its path and the rows of each relation.

    A reader that holds the old file open keeps its view of it. Where the old file is of the same
    form, its copy is brought up to date in the days that have changed; else all is written.

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
    final = folder / PUBLISHED_FILE
    building = folder / f".building-{os.getpid()}.duckdb"
    for left in folder.glob(".building-*"):
        left.unlink()
    row_counts: dict[str, int] = {}
    use_home = f"use {CATALOG}"
    form_sha256 = _form_sha256()
    publication = [str(uuid.uuid4()), form_sha256, window_start]
    days = _days_to_write(connection, form_sha256, window_start)
    if days is not None and not _attach_copy(connection, final, building):
        days = None
    views: list[tuple[Relation, Model]] = []
    try:
        if days is None:
            connection.execute(
                f"attach {quoted(building)} as building (row_group_size {ROW_GROUP_SIZE})"
            )
        with transaction(connection):
            for schema in ("marts", "quality", "derived", "meta"):
                connection.execute(f"create schema if not exists building.{schema}")
            for relation, model in _public_models():
                if model is not None and model.materialized == "view":
                    views.append((relation, model))
                    stored = [relations()[name] for name in tables_behind(model)]
                else:
                    stored = [relation]
                for table in stored:
                    if table.name not in row_counts:
                        row_counts[table.name] = _fill_table(connection, table, window_start, days)
            connection.execute(
                "create or replace table building.meta.publication as "
                "select ? as publication_id, ? as form_sha256, ? as window_start_at",
                publication,
            )
        if days is None:
            connection.execute("use building")
            for relation, model in views:
                connection.execute(f"create view {model.name} as {model.select}")
                for statement in comment_statements(relation, "view"):
                    connection.execute(statement)
    except BaseException:
        connection.execute(use_home)
        connection.execute("detach database if exists building")
        building.unlink(missing_ok=True)
        raise
    finally:
        set_window(connection, None, None, None)
    connection.execute(use_home)
    connection.execute("detach building")
    _replace(building, final)
    # Killed before this, the next publication finds a file that it does not know, and starts anew.
    with transaction(connection):
        connection.execute("delete from meta.publication")
        connection.execute("insert into meta.publication values (?, ?, ?)", publication)
        connection.execute("delete from meta.pending_file")
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
            set_window(cursor, None, *_day_bounds(day))
            for relation in public_relations():
                if _is_hourly(relation):
                    _write_day(cursor, relation, folder / "parquet", day)
        return day

    with ThreadPoolExecutor(threads) as pool:
        for day in pool.map(write, days):
            with transaction(connection):
                connection.execute(
                    "delete from meta.pending_publish where published_day = ?", [day]
                )
                connection.execute("insert into meta.pending_file values (?)", [day])
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
