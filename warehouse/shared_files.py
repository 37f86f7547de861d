"""Files of rows that other processes than the writer store for a lake, and taking them into it.

Belongs here: writing such a file, in any process; registering it, in the writer. Does not belong
here: which rows go into files (``jobs.build.shard_rows``), the lake's own files (DuckLake).

A file is written once, under a name of its own, and belongs to the lake from when it is registered.
One that never is counts as left by a killed transaction: maintenance deletes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa

from warehouse.address import BUCKET, ObjectStore
from warehouse.contracts import Relation, relations
from warehouse.error_messages import translated
from warehouse.errors import ContractViolation, LakeRejected
from warehouse.lake_access import create_access, lake_in_use, load_extension
from warehouse.machine_memory import memory_config
from warehouse.sql_text import quoted

FILE_OPTIONS = {"parquet_compression": "zstd", "parquet_row_group_size": "8192"}
"""Options of a lake's own files, as DuckLake names them, and of those written here.

Groups of rows as in a file of DuckDB; a group is held in memory while it is written.
"""


@dataclass(frozen=True, slots=True)
class SharedPlace:
    """Where processes other than the writer store rows.

    Parameters
    ----------
    folder : str
        Folder of the lake's data or ``s3://bucket/prefix``, with a slash at its end.
    fewest_bytes : int
        Size in memory from which rows of a table are worth a file [bytes].
    prefix : str
        Beginning of the names of files.
    """

    folder: str
    fewest_bytes: int
    prefix: str = ""

    def named(self, prefix: str) -> "SharedPlace":
        """Return the place with another beginning of names."""
        return replace(self, prefix=prefix)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of rows that is not registered yet.

    Parameters
    ----------
    path : str
        Where it is.
    row_count : int
        Its rows.
    """

    path: str
    row_count: int


def write_file(place: SharedPlace, name: str, rows: pa.Table, store: ObjectStore) -> StoredFile:
    """Write rows of a table into a new file; return it.

    Whoever repeats the work writes another file: no name is used twice.

    Parameters
    ----------
    place : SharedPlace
        Where to write.
    name : str
        Schema-qualified name of the stored table.
    rows : Table
        Its columns, in any order.
    store : ObjectStore
        How this process reaches object storage.

    Raises
    ------
    ContractViolation
        A column that is never NULL is, or a column is missing.
    WarehouseError
        The place cannot be written to.
    """
    relation = relations()[name]
    _check_contract(relation, rows)
    folder = f"{place.folder}{name.replace('.', '/')}/"
    path = f"{folder}{place.prefix}-{uuid4().hex[:12]}.parquet"
    columns = ", ".join(f'"{each.name}"::{each.type} as "{each.name}"' for each in relation.columns)
    options = ", ".join(
        f"{key.removeprefix('parquet_')} {value}" for key, value in FILE_OPTIONS.items()
    )
    config = {"threads": 1, **memory_config()}
    with translated(f"writing {path}"), duckdb.connect(config=config) as connection:
        if path.startswith(BUCKET):
            load_extension(connection, "httpfs")
            create_access(connection, "store", place.folder, store)
        else:
            Path(folder).mkdir(parents=True, exist_ok=True)
        connection.register("given", rows)
        connection.execute(
            f"copy (select {columns} from given) to {quoted(path)} (format parquet, {options})"
        )
    return StoredFile(path, rows.num_rows)


def read_file(connection: duckdb.DuckDBPyConnection, file: StoredFile) -> pa.Table:
    """Return the rows of a file."""
    return connection.execute("from read_parquet(?)", [file.path]).to_arrow_table()


def _check_contract(relation: Relation, rows: pa.Table) -> None:
    """Refuse what an insert would refuse and registering a file would not."""
    for column in relation.columns:
        if column.name not in rows.column_names:
            raise ContractViolation(f"rows of {relation.name} lack the column {column.name}")
        if not column.is_nullable and rows[column.name].null_count:
            raise ContractViolation(f"a row of {relation.name} has no {column.name}")


def register_files(
    connection: duckdb.DuckDBPyConnection, name: str, files: Sequence[StoredFile]
) -> int:
    """Take files into a table of the lake in use, in the caller's transaction; return their rows.

    DuckLake would take a file twice and count its rows twice, so one that is known is refused.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    name : str
        Schema-qualified name of the table.
    files : sequence of StoredFile
        Files that were not registered before.

    Raises
    ------
    ContractViolation
        A file is named twice or is registered already.
    LakeRejected
        A file is not where the writer looks for it.
    """
    schema, _, table = name.partition(".")
    catalog = quoted(lake_in_use(connection))
    paths = [file.path for file in files]
    known = connection.execute(
        f"select data_file from ducklake_list_files({catalog}, {quoted(table)}, "
        f"schema => {quoted(schema)}) where list_contains(?, data_file)",
        [paths],
    ).fetchone()
    twice = known[0] if known else next((path for path in paths if paths.count(path) > 1), None)
    if twice:
        raise ContractViolation(
            f"{twice} is in {name} already: taken in again, its rows would be there twice"
        )
    listed = ", ".join(map(quoted, paths))
    try:
        connection.execute(
            f"call ducklake_add_data_files({catalog}, {quoted(table)}, [{listed}], "
            f"schema => {quoted(schema)}, hive_partitioning => false)"
        )
    except duckdb.IOException as exc:
        if "No files found" not in str(exc):
            raise
        raise LakeRejected(
            f"a worker wrote {paths[0]}, which is not there on this machine: LIQHEAT_DATA is to "
            "be object storage, or a folder that all machines of the cluster share"
        ) from exc
    return sum(file.row_count for file in files)
