"""What raw holds twice: rows that a newer one of the same key has replaced, and room left by them.

Belongs here: deleting what nobody reads any more. Does not belong here: which row counts, beyond
the rule all of staging shares (``sql/staging``: the newest taken in, then the first source, then
the larger values).
"""

from datetime import datetime

import duckdb

from warehouse.connect import transaction
from warehouse.contracts import relations
from warehouse.lookups import INSTANTS


def delete_superseded(
    connection: duckdb.DuckDBPyConnection, start: datetime, end: datetime
) -> dict[str, int]:
    """Delete the rows of raw that staging leaves out for a newer one; return rows by table.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    start, end : datetime
        Only rows of instants within [start, end): those of the last hours are still looked at by
        what measures how often venues correct themselves.
    """
    deleted: dict[str, int] = {}
    for kind, instant in INSTANTS.items():
        name = f"raw.{kind}"
        relation = relations()[name]
        key = ", ".join(column for column in relation.grain if column != "ingested_at")
        # As in sql/staging, or another row would stay than the one that counts.
        values = ", ".join(
            f"{column} desc"
            for column in relation.column_names
            if column not in {*relation.grain, "source"}
        )
        with transaction(connection):
            row = connection.execute(
                f"delete from {name} where rowid in (select place.rowid from ("
                f"select rowid, row_number() over (partition by {key} "
                f"order by ingested_at desc, source, {values}) as place from {name} "
                f"where {instant} >= ? and {instant} < ?) as place where place.place > 1)",
                [start, end],
            ).fetchone()
        deleted[name] = int(row[0]) if row else 0
    return deleted


def reclaim(connection: duckdb.DuckDBPyConnection) -> None:
    """Write the log into the database file and give back the room of what was deleted."""
    connection.execute("checkpoint")
