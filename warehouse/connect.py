"""Opening the writer's database, statements on it, and translating DuckDB's errors.

One process at a time opens the writer's file. Everybody else reads the published file
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
)
from warehouse.migrate import migrate, write_comments
from warehouse.models import create_views, definitions_sha256, macros, models

logger = logging.getLogger(__name__)

CATALOG = "warehouse"
"""Name of the writer's file in SQL, whatever the file is called."""

# Rows are compressed by group, and a commit rewrites the last group of each table. Groups of
# DuckDB's 122,880 rows would hold 100 MB of maps each; a fifteenth of that makes a build twice as
# fast, and one more hour costs what that hour holds.
ROW_GROUP_SIZE = 8192

# In DuckDB's message when another process, or another connection of this one, has the file open.
_BUSY = ("Could not set lock", "Conflicting lock", "Unique file handle conflict")

# In its message when a file is not what it wrote: torn, overwritten, or with another file's log.
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
    """Translate errors of DuckDB and the file system into those of `warehouse.errors`.

    Parameters
    ----------
    doing : str
        The activity with the file's name, at the beginning of the message.
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


def quoted(value: Path | str) -> str:
    """Return a path or text as an SQL literal, for statements that take no parameters."""
    return "'" + str(value).replace("'", "''") + "'"


@contextmanager
def open_warehouse(
    path: Path, *, threads: int | None = None, memory_limit_bytes: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield the writer's connection, its schema and views up to date.

    Parameters
    ----------
    path : Path
        The writer's file; created where absent.
    threads : int, optional
        Threads of DuckDB; by default all cores.
    memory_limit_bytes : int, optional
        Memory of DuckDB [bytes]; by default 80 % of the machine's.

    Raises
    ------
    WarehouseBusy
        Another process has the file open.
    WarehouseDamaged
        The file is not a DuckDB file, or part of it cannot be read.
    WarehouseError
        A later release wrote the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {"temp_directory": f"{path}.tmp"}
    if threads is not None:
        config["threads"] = threads
    if memory_limit_bytes is not None:
        config["memory_limit"] = f"{memory_limit_bytes}B"
    with translated(f"opening {path}"):
        connection = duckdb.connect(config=config)
    try:
        with translated(f"opening {path}"):
            _attach(connection, path)
        with translated(f"preparing {path}"):
            connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
            _bring_up_to_date(connection)
        with translated(f"working on {path}"):
            yield connection
    finally:
        connection.close()


def _attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Attach the writer's file, created where absent, and use it.

    It is attached, not opened, because only that sets the size of row groups; data beyond memory
    spills beside it all the same.
    """
    connection.execute(
        f"attach {quoted(path)} as {CATALOG} (row_group_size {ROW_GROUP_SIZE}); use {CATALOG}"
    )


def _bring_up_to_date(connection: duckdb.DuckDBPyConnection) -> None:
    """Migrate, write missing comments, and replace macros and views of other definitions."""
    migrated = migrate(connection)
    definitions = definitions_sha256()
    are_current = not migrated and _definitions_of(connection) == definitions
    # One commit for all of them: each waits for the disk.
    with transaction(connection):
        write_comments(connection)
        if not are_current:
            create_views(connection)
            connection.execute(f"create or replace macro definitions_sha256() as '{definitions}'")


def _definitions_of(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return the hash of the definitions that the views were made from."""
    try:
        found: str = scalar(connection, "select definitions_sha256()")
    except duckdb.CatalogException:
        return None
    return found


@contextmanager
def replaced_warehouse(path: Path) -> Iterator[Path]:
    """Yield the path of a database to build, which replaces the writer's after the block.

    The old file is locked meanwhile. It is renamed, with its log of changes, to the first free name
    ``<file>.old-<n>``.

    Raises
    ------
    WarehouseBusy
        Another process has the file open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f"{path.name}.rebuilding")
    for left in (building, _log_of(building)):
        left.unlink(missing_ok=True)
    with translated(f"replacing {path}"), path.open("ab") as held:
        try:
            # The lock that DuckDB takes on its files.
            fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise WarehouseBusy(
                f"replacing {path}: another writer has it open; wait for it to end"
            ) from exc
        yield building
        number = next(n for n in itertools.count(1) if not _old_name(path, n).exists())
        if _log_of(path).exists():
            # First, or DuckDB would replay it over the new file.
            _log_of(path).rename(_log_of(_old_name(path, number)))
        if path.stat().st_size:
            path.rename(_old_name(path, number))
        building.replace(path)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _old_name(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.old-{number}")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Run the block in one transaction: all of it is committed, or nothing."""
    connection.execute("begin transaction")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def select_model(name: str, tables: Mapping[str, pa.Table]) -> list[dict[str, Any]]:
    """Return the rows of a model over given tables, in a database in memory.

    Parameters
    ----------
    name : str
        Schema-qualified name of the model.
    tables : mapping of str to Table
        All relations that the model reads, by schema-qualified name.
    """
    (model,) = (model for model in models() if model.name == name)
    with duckdb.connect() as connection:
        connection.execute(macros())
        for table, rows in tables.items():
            connection.execute(f"create schema if not exists {table.partition('.')[0]}")
            with registered(connection, "given", rows):
                connection.execute(f"create table {table} as from given")
        selected: list[dict[str, Any]] = (
            connection.execute(model.select).to_arrow_table().to_pylist()
        )
    return selected


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> Iterator[None]:
    """Let the statements of the block read rows under a name."""
    connection.register(name, rows)
    try:
        yield
    finally:
        connection.unregister(name)


def scalar(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any] | None = None
) -> Any:  # noqa: ANN401  (whatever the statement selects)
    """Return the first column of a statement's first row; None where it has no row.

    Of a statement that changes rows it is how many.
    """
    row = connection.execute(sql, parameters).fetchone()
    return row[0] if row else None


def insert_rows(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> int:
    """Append rows to a stored table, columns by their names; return how many.

    The rows are split at the file's row groups, so that a thread compresses each group whole: a
    year of maps of one series takes 1.1 s instead of 1.9.
    """
    batches = rows.combine_chunks().to_batches(max_chunksize=ROW_GROUP_SIZE)
    cut = pa.Table.from_batches(batches, rows.schema)
    connection.execute(f"insert into {name} by name select * from cut")
    return int(cut.num_rows)
