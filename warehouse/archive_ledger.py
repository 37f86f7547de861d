"""The ledger of archive files, ``meta.archive_file``.

Belongs here: reading and writing it. Does not belong here: which files are wanted, and when an
absent one is looked for again (jobs).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

import duckdb
import pyarrow as pa

from warehouse.connect import insert_rows, transaction


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """What is known of one archive file; the columns of ``meta.archive_file``."""

    path: str
    venue: str
    instrument: str
    dataset: str
    period: str
    first_day: date
    end_day: date
    status: str
    row_count: int
    sha256: str | None
    message: str | None
    checked_at: datetime


def read_archive_files(connection: duckdb.DuckDBPyConnection) -> dict[str, ArchiveEntry]:
    """Return what is known of each archive file, by its path."""
    rows = connection.execute("select * from meta.archive_file").fetchall()
    return {row[0]: ArchiveEntry(*row) for row in rows}


def write_archive_files(
    connection: duckdb.DuckDBPyConnection, entries: Sequence[ArchiveEntry]
) -> None:
    """Write what is known of some files in the place of what was known of them."""
    if not entries:
        return
    with transaction(connection):
        connection.execute(
            "delete from meta.archive_file where list_contains(?, path)",
            [[entry.path for entry in entries]],
        )
        rows = pa.Table.from_pylist([asdict(entry) for entry in entries])
        insert_rows(connection, "meta.archive_file", rows)
