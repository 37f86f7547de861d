"""Opening the writer's database, and statements on it.

One process at a time opens it. Everybody else reads the published file (``warehouse/read.py``).
What it is stored in, a file or a lake, is known to ``warehouse.storage``.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import duckdb
import pyarrow as pa

from warehouse import checkpoints
from warehouse.address import WarehouseAddress
from warehouse.contracts import relations
from warehouse.database_file import ROW_GROUP_SIZE
from warehouse.error_messages import translated
from warehouse.errors import DataFileMissing
from warehouse.machine_memory import memory_config
from warehouse.migrate import migrate, write_comments
from warehouse.models import create_views, definitions_sha256, macros, models
from warehouse.storage import Storage, delete_placeholders, insert_placeholders, storage_at

logger = logging.getLogger(__name__)

CATALOG = "warehouse"
"""Name of the writer's database in SQL, whatever the file is called."""


@contextmanager
def open_warehouse(
    address: WarehouseAddress,
    *,
    threads: int | None = None,
    memory_limit_bytes: int | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield the writer's connection, its schema and views up to date.

    Parameters
    ----------
    address : Path or LakeAddress
        The writer's file or lake; created where absent.
    threads : int, optional
        Threads of DuckDB; by default all cores.
    memory_limit_bytes : int, optional
        Memory of DuckDB [bytes]; by default half of the machine's or the container's.

    Raises
    ------
    WarehouseBusy
        Another process has it open.
    WarehouseDamaged
        The file is not a DuckDB file, or part of it cannot be read.
    WarehouseError
        A later release wrote it, or a server of the lake cannot be used.
    """
    storage = storage_at(address)
    config = {"temp_directory": str(storage.spill), **memory_config(memory_limit_bytes)}
    if threads is not None:
        config["threads"] = threads
    with ExitStack() as stack:
        with translated(f"opening {address}"):
            stack.enter_context(storage.held())
            connection = stack.enter_context(duckdb.connect(config=config))
            stack.enter_context(translated(f"closing {address}"))
            stack.enter_context(checkpoints.checkpointed(connection))
            storage.attach(connection, CATALOG)
            connection.execute(f"use {CATALOG}")
        with translated(f"preparing {address}"):
            connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
            _bring_up_to_date(connection)
        with _naming_what_is_gone(storage), translated(f"working on {address}"):
            yield connection


@contextmanager
def _naming_what_is_gone(storage: Storage) -> Iterator[None]:
    """Add to the message about a data file that is gone which rows it held."""
    try:
        yield
    except DataFileMissing as exc:
        found = re.search(r"[\w-]+\.parquet", str(exc))
        content = storage.content_of(found[0]) if found else ""
        if not content:
            raise
        raise DataFileMissing(f"{exc}; gone are {content}") from exc


def _bring_up_to_date(connection: duckdb.DuckDBPyConnection) -> None:
    """Migrate, write missing comments, and replace macros and views of other definitions."""
    migrated = migrate(connection)
    definitions = definitions_sha256()
    are_current = not migrated and _definitions_of(connection) == definitions
    if are_current:
        return
    insert_placeholders(connection)
    # One commit for all of them: each waits for the disk or a server.
    with transaction(connection):
        delete_placeholders(connection)
        write_comments(connection)
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
def replaced_warehouse(address: WarehouseAddress) -> Iterator[WarehouseAddress]:
    """Yield the address of a database to build, which replaces the writer's after the block.

    Writers of the old one are excluded meanwhile; it is kept under another name.

    Raises
    ------
    WarehouseBusy
        Another process has it open.
    """
    with translated(f"replacing {address}"), storage_at(address).replaced() as building:
        yield building


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Run the block in one transaction: all of it is committed, or nothing.

    A large log is then brought into the file; an error of that comes after the commit.
    """
    connection.execute("begin transaction")
    try:
        yield
    except BaseException:
        # A server that has ended the connection rolls back by itself; the first error says so.
        with suppress(duckdb.Error):
            connection.execute("rollback")
        raise
    connection.execute("commit")
    checkpoints.checkpoint_large_logs(connection)


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
    with duckdb.connect(config=memory_config()) as connection:
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


def insert_values(
    connection: duckdb.DuckDBPyConnection, name: str, rows: Iterable[Sequence[Any]]
) -> int:
    """Append rows to a stored table, their values in the order of its columns; return how many.

    One statement for all of them: on a lake each writes a file.
    """
    schema = relations()[name].arrow_schema
    columns = list(zip(*rows, strict=True))
    if not columns:
        return 0
    arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
    return insert_rows(connection, name, pa.Table.from_arrays(arrays, schema=schema))


def insert_rows(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> int:
    """Append rows to a stored table, columns by their names; return how many.

    The rows are split at the file's row groups, so that a thread compresses each group whole: a
    year of maps of one series takes 1.1 s instead of 1.9.
    """
    batches = rows.combine_chunks().to_batches(max_chunksize=ROW_GROUP_SIZE)
    cut = pa.Table.from_batches(batches, rows.schema)
    connection.execute(f"insert into {name} by name select * from cut")
    return int(cut.num_rows)
