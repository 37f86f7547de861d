"""Published Parquet, one file for each relation and day: whole, read-only, with comments."""

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path

import duckdb

from warehouse.contracts import Relation
from warehouse.durable_files import move_into_place
from warehouse.published_versions import READ_ONLY, WRITING
from warehouse.sql_text import quoted


def day_folder(published: Path, relation: Relation, day: date, kind: str = "parquet") -> Path:
    """Return the folder of a relation's rows of a day, there or not."""
    return published / kind / relation.short_name / f"day={day}"


def write_day(
    connection: duckdb.DuckDBPyConnection,
    select: str,
    relation: Relation,
    day: date,
    *,
    published: Path,
    kind: str = "parquet",
    moves: ThreadPoolExecutor | None = None,
) -> Future[None] | None:
    """Write the rows of a day; an empty day gets no file unless it has one.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Where the SELECT runs.
    select : str
        The rows.
    relation : Relation
        What they are of.
    day : date
        UTC day of as_of.
    published : Path
        The published folder.
    kind : str
        Folder below it.
    moves : ThreadPoolExecutor, optional
        Where the file is moved to its place, which waits for the disk, while the caller goes on
        with the move that is returned; by default it has been moved when this returns.
    """
    folder = day_folder(published, relation, day, kind)
    target = folder / "data.parquet"
    # Earlier releases wrote where readers look.
    for left in folder.glob(".writing-*"):
        left.unlink()
    temporary = published / WRITING / f"{kind}-{folder.parent.name}-{folder.name}"
    written = connection.execute(
        f"copy ({select}) to {quoted(temporary)} "
        "(format parquet, compression zstd, compression_level 1, parquet_version v2, "
        f"kv_metadata {_comments(relation)})"
    ).fetchone()
    # A reader that has listed the files must find each: one that is there once stays, empty.
    if not (written and written[0]) and not target.exists():
        temporary.unlink()
        return None
    if moves is not None:
        return moves.submit(move_into_place, temporary, target, mode=READ_ONLY)
    move_into_place(temporary, target, mode=READ_ONLY)
    return None


def _comments(relation: Relation) -> str:
    """Return a relation's comments as a literal of what Parquet keeps beside the schema.

    Parquet has no comment of a column: each is under ``comment.<column>``, the table's under
    ``comment``.
    """
    comments = {"comment": relation.description} | {
        f"comment.{column.name}": column.comment for column in relation.columns
    }
    return "{" + ", ".join(f"{quoted(key)}: {quoted(text)}" for key, text in comments.items()) + "}"


def changed_days(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """Return the days whose Parquet is out of date, oldest first."""
    rows = connection.execute(
        "select distinct published_day from meta.pending_publish order by published_day"
    ).fetchall()
    return [row[0] for row in rows]


def lost_days(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[date]:
    """Return the days with maps in the warehouse whose Parquet of the map is missing.

    Somebody deleted them, or restored a home without its published folder.
    """
    days = connection.execute(
        "select distinct as_of::date from derived.heatmap order by all"
    ).fetchall()
    maps = folder / "parquet" / "liquidation_heatmap_hourly"
    return [day for (day,) in days if not (maps / f"day={day}" / "data.parquet").exists()]
