"""Rows of a shard on their way from a worker to the writer: as files where they are many.

Belongs here: which rows a worker stores itself, and taking all of a window's into tables. Does not
belong here: how files are written and registered (``warehouse.shared_files``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection

from jobs.settings import read_object_store
from warehouse.connect import insert_rows
from warehouse.shared_files import (
    SharedPlace,
    StoredFile,
    read_file,
    register_files,
    write_file,
)


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A file of a shard's rows that is not registered yet.

    Parameters
    ----------
    file : StoredFile
        Where it is.
    assets : frozenset of str
        What its rows are of.
    """

    file: StoredFile
    assets: frozenset[str]


ShardPart: TypeAlias = pa.Table | ShardFile
"""Some rows of a table, at hand or in a file."""

TableRows = dict[str, list[ShardPart]]
"""Rows by the table they go to."""


def store_many(place: SharedPlace | None, tables: TableRows) -> TableRows:
    """Return the rows of a shard, those of tables that have many as a file that is not registered.

    Object storage is reached as this process' environment says.

    Parameters
    ----------
    place : SharedPlace or None
        Where this process can store rows; None where only the writer can.
    tables : dict of str to list of pyarrow.Table
        The rows by table.

    Raises
    ------
    WarehouseError
        The place cannot be written to.
    """
    if place is None:
        return tables
    return {name: _store_many(place, name, parts) for name, parts in tables.items()}


def _store_many(place: SharedPlace, name: str, parts: list[ShardPart]) -> list[ShardPart]:
    tables = [part for part in parts if isinstance(part, pa.Table) and len(part)]
    if not tables or sum(part.nbytes for part in tables) < place.fewest_bytes:
        return parts
    rows = pa.concat_tables(tables)
    file = write_file(place, name, rows, read_object_store())
    return [ShardFile(file, frozenset(pc.unique(rows["asset"]).to_pylist()))]


def rows_of_assets(
    connection: DuckDBPyConnection, tables: TableRows, assets: list[str]
) -> TableRows:
    """Return the rows of some assets; a file that has others besides is read and never registered.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    tables : dict of str to list of pyarrow.Table or ShardFile
        The rows by table.
    assets : list of str
        Whose rows to keep.
    """
    kept = pa.array(assets)

    def rows_of(part: ShardPart) -> ShardPart:
        if isinstance(part, ShardFile):
            if part.assets.issubset(assets):
                return part
            part = read_file(connection, part.file)
        return part.filter(pc.is_in(part["asset"], kept))

    return {name: [rows_of(part) for part in parts] for name, parts in tables.items()}


def insert_parts(connection: DuckDBPyConnection, name: str, parts: Sequence[ShardPart]) -> int:
    """Insert rows and register files of a table, in the caller's transaction; return how many."""
    rows = [part for part in parts if isinstance(part, pa.Table)]
    files = [part.file for part in parts if isinstance(part, ShardFile)]
    row_count = insert_rows(connection, name, pa.concat_tables(rows)) if rows else 0
    return row_count + (register_files(connection, name, files) if files else 0)
