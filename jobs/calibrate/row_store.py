"""Storing what a calibration found in place of what an earlier one did.

Belongs here: the one transaction that deletes, inserts and marks days to publish. Does not belong
here: the rows.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
from duckdb import DuckDBPyConnection

from warehouse.connect import insert_rows, transaction


class Replacement(NamedTuple):
    """Rows in place of others.

    Parameters
    ----------
    name : str
        The stored table.
    rows : Table
        The new rows.
    where : str
        Condition on the old ones, with a question mark for each value.
    values : sequence
        Its values.
    """

    name: str
    rows: pa.Table
    where: str
    values: Sequence[Any]


def replace_rows(connection: DuckDBPyConnection, replacement: Replacement) -> int:
    """Insert rows in place of those that a condition selects; return how many are new.

    The days of the new rows are marked to be published. A table without ``as_of`` is published
    whole and marks none.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    replacement : Replacement
        Both.
    """
    name, rows, where, values = replacement
    with transaction(connection):
        connection.execute(f"delete from {name} where {where}", list(values))
        count = insert_rows(connection, name, rows)
        if "as_of" in rows.column_names:
            connection.execute(
                "insert into meta.pending_publish select distinct as_of::date from rows"
            )
    return count
