"""Opening the writer's database, and how DuckDB's errors become ours.

The writer's file is opened by one process at a time. Everybody else reads the published file
(``warehouse/read.py``).
"""

import fcntl
import itertools
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from warehouse.errors import (
    QueryFailed,
    StorageFull,
    TerminalWarehouseError,
    WarehouseBusy,
    WarehouseDamaged,
    WarehouseError,
)
from warehouse.migrate import migrate, write_comments
from warehouse.models import create_views

logger = logging.getLogger(__name__)

CATALOG = "warehouse"
"""What the writer's file is called in SQL, whatever the file is called."""

# Rows are compressed by the group, and a commit writes the last group of each table again. Groups
# of DuckDB's 122,880 rows would hold 100 MB of maps each; a fifteenth of it makes a build twice as
# fast and an hour more cost what that hour holds.
ROW_GROUP_SIZE = 8192

# How DuckDB says that another process, or another connection of this one, holds the file.
_BUSY = ("Could not set lock", "Conflicting lock", "Unique file handle conflict")

# How it says that a file is not what it wrote: torn, overwritten, or with another file's log.
_DAMAGED = (
    "not a valid DuckDB database file",
    "orrupt",
    "checksum",
    "replaying WAL",
    "Could not read enough bytes",
    "eserialize",
)

_UNREADABLE_SQL = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn DuckDB's and the file system's errors into ours.

    Parameters
    ----------
    doing : str
        What was being done, with the file's name; opens the message.
    """
    try:
        yield
    except (duckdb.Error, OSError) as exc:
        text = str(exc)
        if any(sign in text for sign in _BUSY):
            raise WarehouseBusy(
                f"{doing}: another writer has it open ({text.splitlines()[0]}); "
                "wait for it to end, or read the published file instead"
            ) from exc
        if "No space left" in text or "Disk quota" in text or "disk is full" in text.lower():
            raise StorageFull(
                f"{doing}: no room on the disk ({text.splitlines()[0]}); "
                "free some and run the same command again, nothing committed is lost"
            ) from exc
        if any(sign in text for sign in _DAMAGED):
            raise WarehouseDamaged(
                f"{doing}: the database is damaged ({text.splitlines()[0]}); "
                "run `liqheat rebuild`, which makes it again from raw history"
            ) from exc
        if isinstance(exc, _UNREADABLE_SQL):
            raise QueryFailed(f"{doing}: {text}") from exc
        raise TerminalWarehouseError(f"{doing}: {text}") from exc


def quoted(path: Path) -> str:
    """Return a path as SQL spells it; statements that name files take no parameters for them."""
    return "'" + str(path).replace("'", "''") + "'"


def _configure(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")


@contextmanager
def open_warehouse(
    path: Path, *, threads: int | None = None, memory_limit_bytes: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield the writer's connection, its schema and views brought up to date.

    Parameters
    ----------
    path : Path
        The writer's file; made where absent.
    threads : int, optional
        Threads DuckDB may use; by default all cores.
    memory_limit_bytes : int, optional
        Memory DuckDB may use [bytes]; by default 80 % of the machine's.

    Raises
    ------
    WarehouseBusy
        Another process has the file open.
    WarehouseDamaged
        The file is no DuckDB file, or part of it cannot be read.
    WarehouseError
        The file is one of a later release.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file is attached, since the size of row groups can be told no other way; what does not
    # fit into memory is set down beside it all the same.
    config: dict[str, str | int] = {"temp_directory": f"{path}.tmp"}
    if threads is not None:
        config["threads"] = threads
    if memory_limit_bytes is not None:
        config["memory_limit"] = f"{memory_limit_bytes}B"
    with translated(f"opening {path}"):
        connection = duckdb.connect(config=config)  # type: ignore[arg-type]
    try:
        with translated(f"opening {path}"):
            connection.execute(
                f"attach {quoted(path)} as {CATALOG} (row_group_size {ROW_GROUP_SIZE}); "
                f"use {CATALOG}"
            )
        with translated(f"preparing {path}"):
            _configure(connection)
            migrate(connection)
            # One commit for all: each waits for the disk.
            with transaction(connection):
                write_comments(connection)
                create_views(connection)
        with translated(f"working on {path}"):
            yield connection
    finally:
        connection.close()


@contextmanager
def replaced_warehouse(path: Path) -> Iterator[Path]:
    """Yield the path of a database to make, which takes the writer's place after the block.

    Nobody can open the old file meanwhile. It is put aside with its log of changes, under the first
    free name ``<file>.old-<n>``.

    Raises
    ------
    WarehouseBusy
        Another process has the file open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_name(f"{path.name}.rebuilding")
    for left in (making, _log_of(making)):
        left.unlink(missing_ok=True)
    with translated(f"replacing {path}"), path.open("ab") as held:
        try:
            # As DuckDB locks its files.
            fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise WarehouseBusy(
                f"replacing {path}: another writer has it open; wait for it to end"
            ) from exc
        yield making
        number = next(n for n in itertools.count(1) if not _aside(path, n).exists())
        if _log_of(path).exists():
            # First, or it would be replayed over the file that takes this one's place.
            _log_of(path).rename(_log_of(_aside(path, number)))
        if path.stat().st_size:
            path.rename(_aside(path, number))
        making.replace(path)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.old-{number}")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Run the block in one transaction: all of it is committed, or none."""
    connection.execute("begin transaction")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


@contextmanager
def open_scratch(tables: Mapping[str, pa.Table]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a database in memory that holds given tables and nothing else.

    Parameters
    ----------
    tables : mapping of str to Table
        By schema-qualified name.
    """
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.execute(f"create schema if not exists {name.partition('.')[0]}")
            connection.register("given", table)
            connection.execute(f"create table {name} as from given")
            connection.unregister("given")
        yield connection


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> Iterator[None]:
    """Let the statements of the block read rows under a name."""
    connection.register(name, rows)
    try:
        yield
    finally:
        connection.unregister(name)


def scalar(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: list[Any] | None = None,
) -> Any:  # noqa: ANN401  (whatever the statement selects)
    """Return the first column of a statement's first row; None where it has no row.

    Of a statement that changes rows it is how many.
    """
    row = connection.execute(sql, parameters).fetchone()
    return row[0] if row else None


def insert_rows(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> int:
    """Append rows to a stored table, columns by their names; return how many.

    They are cut where groups of the file are, so that each is compressed whole and by a thread of
    its own: for maps 1.1 s instead of 1.9 a year of one series.
    """
    batches = rows.combine_chunks().to_batches(max_chunksize=ROW_GROUP_SIZE)
    cut = pa.Table.from_batches(batches, rows.schema)
    connection.execute(f"insert into {name} by name select * from cut")
    return int(cut.num_rows)


__all__ = [
    "CATALOG",
    "ROW_GROUP_SIZE",
    "WarehouseError",
    "insert_rows",
    "open_scratch",
    "open_warehouse",
    "quoted",
    "replaced_warehouse",
    "transaction",
    "translated",
]
