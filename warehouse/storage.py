"""What the writer's database is stored in, and what differs between a file and a lake.

Belongs here: choosing the storage of an address, and what a connection's storage can do. Nothing
else in the tree asks whether the warehouse is a lake.
"""

from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

import duckdb

from warehouse import checkpoints, lake_tables
from warehouse.address import LakeAddress, WarehouseAddress
from warehouse.database_file import FileStorage
from warehouse.lake import LakeStorage, data_folder
from warehouse.lake_access import lake_in_use
from warehouse.lake_files import tidy_lake
from warehouse.shared_files import SharedPlace

# DuckDB's name for the type of an attached lake.
_LAKE = "ducklake"

# A file is several requests to object storage and a row for each column in the catalogue: rows that
# are smaller than this in memory [bytes] are sent to the writer and share a file there.
_FEWEST_SHARED_BYTES = 1_000_000


class Storage(Protocol):
    """What opening the writer's database needs of its storage."""

    @property
    def spill(self) -> Path:
        """Where data beyond memory goes."""

    def held(self) -> AbstractContextManager[None]:
        """Exclude other writers for the block, and mend what the last one left."""

    def is_empty(self) -> bool:
        """Return whether nothing has been written to it yet."""

    def attach(self, connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
        """Attach it under a name, in ``held``; made where it is empty."""

    def replaced(self) -> AbstractContextManager[WarehouseAddress]:
        """Yield an address to write to, which takes this one's place after the block."""

    def content_of(self, file_name: str) -> str:
        """Return in words which rows a data file holds; empty where that is not known."""

    def discard_unfinished(self) -> None:
        """Delete what ``replaced`` left where it was killed; the caller excludes other writers."""


def examine_lake(address: LakeAddress) -> tuple[str, ...]:
    """Return in words what a lake rests on; see ``LakeStorage.examine``, whose errors it raises."""
    return LakeStorage(address).examine()


def storage_at(address: WarehouseAddress) -> Storage:
    """Return the storage of an address."""
    return LakeStorage(address) if isinstance(address, LakeAddress) else FileStorage(address)


def has_view_column_comments(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether columns of views can be commented in the database in use."""
    return _type_of(connection) != _LAKE


def shared_place(connection: duckdb.DuckDBPyConnection) -> SharedPlace | None:
    """Return where other processes can store rows; None where only the writer can.

    What they store is taken in by ``warehouse.shared_files.register_files``.
    """
    if _type_of(connection) != _LAKE:
        return None
    return SharedPlace(data_folder(connection, lake_in_use(connection)), _FEWEST_SHARED_BYTES)


def insert_placeholders(connection: duckdb.DuckDBPyConnection) -> None:
    """Prepare tables that have no rows, where storage needs it."""
    if _type_of(connection) == _LAKE:
        lake_tables.insert_placeholders(connection)


def delete_placeholders(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete what ``insert_placeholders`` left in tables, in the caller's transaction."""
    if _type_of(connection) == _LAKE:
        lake_tables.delete_placeholders(connection)


def tidy(connection: duckdb.DuckDBPyConnection, before: datetime) -> None:
    """Free the room of deleted rows in the database in use.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    before : datetime
        Where storage keeps versions, those from before are dropped [UTC].
    """
    if _type_of(connection) == _LAKE:
        tidy_lake(connection, before)
    else:
        checkpoints.checkpoint(connection)


def _type_of(connection: duckdb.DuckDBPyConnection) -> str:
    row = connection.execute(
        "select type from duckdb_databases() where database_name = current_database()"
    ).fetchone()
    return row[0] if row else ""
