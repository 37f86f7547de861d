"""The ledger of archive files, ``meta.archive_file``.

Belongs here: reading and writing it. Does not belong here: which files are wanted, and when to look
for an absent file again (jobs).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from warehouse.connect import insert_rows, transaction
from warehouse.contracts import table_of

_TABLE = "meta.archive_file"


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """State of one archive file; the columns of ``meta.archive_file``."""

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
    """Return the entries by path."""
    rows = connection.execute(f"select * from {_TABLE}").fetchall()
    return {row[0]: ArchiveEntry(*row) for row in rows}


def write_archive_files(
    connection: duckdb.DuckDBPyConnection, entries: Sequence[ArchiveEntry]
) -> None:
    """Replace the entries of some files."""
    with transaction(connection):
        connection.execute(
            f"delete from {_TABLE} where list_contains(?::varchar[], path)",
            [[entry.path for entry in entries]],
        )
        insert_rows(connection, _TABLE, table_of(_TABLE, entries))
