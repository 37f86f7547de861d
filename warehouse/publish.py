"""Publishing: a file for readers built beside and swapped in whole, and Parquet by day.

``published/liqheat.duckdb`` holds every public relation, those by hour bounded by a window. It is a
link to a version, ``versions/<id>/liqheat.duckdb``, made from the one before it, so that an hour
more costs a day's rows, whatever the window. A version is never written to after the link points to
it: what somebody leaves beside it, such as a log of changes, goes with it.
``published/parquet/<relation>/day=YYYY-MM-DD/data.parquet`` holds the whole history; only days that
changed are written again.

All files are written under ``published/.writing``, where no reader looks, and moved into place.
"""

import hashlib
import itertools
import logging
import os
import shutil
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Self

import duckdb

from warehouse.connect import CATALOG, ROW_GROUP_SIZE, quoted, transaction, translated
from warehouse.contracts import Relation, comment_statements, public_relations, relations
from warehouse.errors import TerminalWarehouseError
from warehouse.models import Model, macros, models, set_window, tables_behind

logger = logging.getLogger(__name__)

PUBLISHED_FILE = "liqheat.duckdb"

_VERSIONS = "versions"
_WRITING = ".writing"

# Who has resolved the link opens the version it pointed to within this time.
_GRACE_NS = 60 * 1_000_000_000

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


def _put(finished: Path, final: Path) -> None:
    """Move a finished file to its place, read-only: readers see the old one or this one whole."""
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    finished.chmod(0o444)
    finished.replace(final)
    _sync_folder(final.parent)


def _empty_folder(folder: Path) -> Path:
    """Return a folder without what a killed publication left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _point_to(version: Path, link: Path) -> None:
    """Make the link that readers open point to a version, at once, and sync it."""
    temporary = link.parent / _WRITING / link.name
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(version.relative_to(link.parent))
    except (OSError, NotImplementedError) as exc:
        raise TerminalWarehouseError(
            f"{link.parent}: no symbolic link can be made there ({exc}); "
            "put LIQHEAT_HOME on a file system that has them"
        ) from exc
    temporary.replace(link)
    _sync_folder(link.parent)


def _forget_versions(link: Path) -> None:
    """Delete the versions that no reader can be about to open.

    The last one before the newest stays, and what was followed by another within the last minute.
    A reader that has opened a version keeps it, deleted or not.
    """
    # What was written beside the link is of a file that stood in its place once.
    link.with_name(f"{link.name}.wal").unlink(missing_ok=True)
    made = []
    for folder in link.parent.glob(f"{_VERSIONS}/*"):
        file = folder / link.name
        if file.exists():
            made.append((file.stat().st_mtime_ns, folder))
        else:
            shutil.rmtree(folder)
    made.sort()
    newest = link.resolve()
    horizon = newest.stat().st_mtime_ns - _GRACE_NS
    for (_, folder), (followed_ns, _) in itertools.pairwise(made):
        if followed_ns < horizon and folder != newest.parent:
            shutil.rmtree(folder)


def _public_models() -> list[tuple[Relation, Model | None]]:
    """Return each public relation with the model that makes it; None for a stored table."""
    by_name = {model.name: model for model in models()}
    return [(relation, by_name.get(relation.name)) for relation in public_relations()]


def _is_hourly(relation: Relation) -> bool:
    return "as_of" in relation.grain


def _form_sha256() -> str:
    """Return the hash of everything that decides what a published file looks like."""
    parts = [duckdb.__version__, macros(), *(model.select for model in models())]
    for relation in public_relations():
        parts += [relation.name, *comment_statements(relation, "table")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class _Held:
    """The assets that checks hold back, each from an hour on: all of it, and its grades.

    Written into statements as literals. They are few, mostly none, and a join against them by hour
    takes as long as writing a day of maps.
    """

    assets: tuple[tuple[str, datetime], ...]
    grades: tuple[tuple[str, datetime], ...]

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection) -> Self:
        """Return what is held back as the warehouse stands."""
        rows = connection.execute(
            "select asset, min(held_from_at), min(held_from_at) filter (where is_grade_held) "
            "from intermediate.int_held_back group by asset order by asset"
        ).fetchall()
        return cls(
            tuple((asset, at) for asset, at, _ in rows),
            tuple((asset, at) for asset, _, at in rows if at is not None),
        )

    def condition(self, relation: Relation) -> str:
        """Return the condition on rows of an hourly relation that are not held back."""
        if relation.schema == "quality" or "asset" not in relation.column_names:
            return "true"
        # What holds an asset back is one of its reasons: its grade is published, unless it fails.
        held = self.grades if relation.name == "marts.asset_quality_hourly" else self.assets
        if not held:
            return "true"
        # A row without an asset or an hour is held by nobody.
        cases = " or ".join(
            f"(asset = {_text(asset)} and as_of >= timestamptz '{at.isoformat()}')"
            for asset, at in held
        )
        return f"not coalesce({cases}, false)"


def _fill_table(
    connection: duckdb.DuckDBPyConnection,
    relation: Relation,
    window_start: datetime,
    days: list[date] | None,
    held: _Held,
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
            f"create table {target} as select * from {name} as hourly "
            f"where as_of > ? and {held.condition(relation)}",
            [window_start],
        )
    else:
        connection.execute(f"delete from {target} where as_of <= ?", [window_start])
        for day in days:
            before, last = _day_bounds(day)
            span = [max(before, window_start), last]
            connection.execute(f"delete from {target} where as_of > ? and as_of <= ?", span)
            set_window(connection, None, *span)
            connection.execute(
                f"insert into {target} select * from {name} as hourly "
                f"where as_of > ? and as_of <= ? and {held.condition(relation)}",
                span,
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


def _untouched_version(link: Path) -> Path | None:
    """Return the version that readers open, None where it is gone or somebody has written to it."""
    version = link.resolve()
    if not link.is_symlink() or not version.is_file():
        return None
    is_written_to = (
        version.with_name(f"{version.name}.wal").exists()
        # The link is made after the version is finished.
        or version.stat().st_mtime_ns > link.lstat().st_mtime_ns
    )
    if is_written_to:
        logger.warning("%s: somebody has written to it; it is made anew", version)
    return None if is_written_to else version


def _attach_copy(connection: duckdb.DuckDBPyConnection, link: Path, building: Path) -> bool:
    """Attach a copy of the published file; say whether it is the one swapped in last."""
    version = _untouched_version(link)
    if version is None:
        return False
    shutil.copyfile(version, building)
    try:
        _attach(connection, building)
        row = connection.execute(
            "select count(*) from building.meta.publication "
            "inner join meta.publication using (publication_id)"
        ).fetchone()
        size = connection.execute(
            "select free_blocks <= used_blocks from pragma_database_size() "
            "where database_name = 'building'"
        ).fetchone()
    except duckdb.Error as exc:
        logger.warning("%s cannot be read (%s); it is made anew", version, exc)
        row = size = None
    # A file of which half is free would only grow.
    if row and row[0] and size and size[0]:
        return True
    _discard(connection, building)
    return False


def _attach(connection: duckdb.DuckDBPyConnection, building: Path) -> None:
    connection.execute(f"attach {quoted(building)} as building (row_group_size {ROW_GROUP_SIZE})")


def _discard(connection: duckdb.DuckDBPyConnection, building: Path) -> None:
    # An error that has taken the connection with it is the one to tell.
    with suppress(duckdb.Error):
        connection.execute(f"use {CATALOG}")
        connection.execute("detach database if exists building")
    _empty_folder(building.parent)


def _fill(
    connection: duckdb.DuckDBPyConnection, publication: list[Any], days: list[date] | None
) -> dict[str, int]:
    """Bring all of the attached file up to date and return the rows of each stored relation.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's, a database attached as ``building``.
    publication : list
        The row that the file carries: id, form, start of the window.
    days : list of date, optional
        Days to write again; None where the file is empty.
    """
    window_start: datetime = publication[2]
    row_counts: dict[str, int] = {}
    views: list[tuple[Relation, Model]] = []
    try:
        with transaction(connection):
            held = _Held.read(connection)
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
                        row_counts[table.name] = _fill_table(
                            connection, table, window_start, days, held
                        )
            connection.execute(
                "create or replace table building.meta.publication as "
                "select ? as publication_id, ? as form_sha256, ? as window_start_at",
                publication,
            )
        if days is None:
            connection.execute("use building")
            connection.execute(macros())
            for relation, model in views:
                connection.execute(f"create view {model.name} as {model.select}")
                for statement in comment_statements(relation, "view"):
                    connection.execute(statement)
            connection.execute(f"use {CATALOG}")
        # Writes the log of changes into the file.
        connection.execute("detach building")
    finally:
        set_window(connection, None, None, None)
    return row_counts


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
    link = folder / PUBLISHED_FILE
    form_sha256 = _form_sha256()
    publication_id = str(uuid.uuid4())
    publication = [publication_id, form_sha256, window_start]
    with translated(f"publishing {link}"):
        building = _empty_folder(folder / _WRITING) / PUBLISHED_FILE
        days = _days_to_write(connection, form_sha256, window_start)
        row_counts: dict[str, int] | None = None
        try:
            if days is not None and _attach_copy(connection, link, building):
                try:
                    row_counts = _fill(connection, publication, days)
                except duckdb.Error as exc:
                    logger.warning("%s cannot be brought up to date (%s); made anew", link, exc)
                    # Should the error have taken the writer's connection with it, the next
                    # publication will not go on from this file either.
                    os.utime(link)
                    _discard(connection, building)
            if row_counts is None:
                _attach(connection, building)
                row_counts = _fill(connection, publication, None)
        except BaseException:
            _discard(connection, building)
            raise
        version = folder / _VERSIONS / publication_id / PUBLISHED_FILE
        version.parent.mkdir(parents=True)
        _put(building, version)
        _point_to(version, link)
        # Killed before this, the next publication finds a file that it does not know, and starts
        # anew.
        with transaction(connection):
            connection.execute("delete from meta.publication")
            connection.execute("insert into meta.publication values (?, ?, ?)", publication)
            connection.execute("delete from meta.pending_file")
        _forget_versions(link)
    return link, row_counts


def changed_days(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """Return the days whose Parquet is out of date, oldest first."""
    rows = connection.execute(
        "select distinct published_day from meta.pending_publish order by published_day"
    ).fetchall()
    return [row[0] for row in rows]


def lost_days(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[date]:
    """Return the days with maps in the warehouse whose Parquet of the map is not there.

    Somebody deleted them, or brought back a home without what is published.
    """
    days = connection.execute(
        "select distinct as_of::date from derived.heatmap order by all"
    ).fetchall()
    maps = folder / "parquet" / "liquidation_heatmap_hourly"
    return [day for (day,) in days if not (maps / f"day={day}" / "data.parquet").exists()]


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
                    _write_day(cursor, relation, folder, day, held)
        return day

    held = _Held.read(connection)

    _empty_folder(folder / _WRITING)
    with ThreadPoolExecutor(threads) as pool:
        for day in pool.map(write, days):
            with transaction(connection):
                connection.execute(
                    "delete from meta.pending_publish where published_day = ?", [day]
                )
                connection.execute("insert into meta.pending_file values (?)", [day])
            on_day(day)


def _write_day(
    connection: duckdb.DuckDBPyConnection, relation: Relation, folder: Path, day: date, held: _Held
) -> None:
    short_name = relation.name.split(".")[1]
    target = folder / "parquet" / short_name / f"day={day.isoformat()}" / "data.parquet"
    # Earlier releases wrote where readers look.
    for left in target.parent.glob(".writing-*"):
        left.unlink()
    temporary = folder / _WRITING / f"{short_name}-{day.isoformat()}"
    written = connection.execute(
        f"copy (select * from {relation.name} as hourly "
        f"where as_of >= timestamptz '{day} 00:00:00+00' "
        f"and as_of < timestamptz '{day} 00:00:00+00' + interval 1 day "
        f"and {held.condition(relation)}) to {quoted(temporary)} "
        "(format parquet, compression zstd, compression_level 1, parquet_version v2)"
    ).fetchone()
    # A reader that has listed the files must find each: one that is there once stays, empty.
    if (written and written[0]) or target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        _put(temporary, target)
