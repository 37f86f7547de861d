"""Deleting rows of raw that nothing reads: replaced by a newer row of their key, or old changes.

Belongs here: freeing room. Does not belong here: which row counts. That is the rule of
``sql/staging``: the newest ingested, then the first source, then the larger values.
"""

from datetime import datetime

import duckdb

from warehouse.connect import scalar, transaction
from warehouse.contracts import raw_relation
from warehouse.lookups import FEED_KINDS


def delete_superseded(
    connection: duckdb.DuckDBPyConnection, start: datetime, end: datetime
) -> dict[str, int]:
    """Delete the rows of raw that staging passes over; return rows by table.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    start, end : datetime
        Only rows of instants within [start, end): those of the last hours still show how often
        venues correct themselves.
    """
    deleted: dict[str, int] = {}
    for relation in map(raw_relation, FEED_KINDS):
        key = ", ".join(column for column in relation.grain if column != "ingested_at")
        # As in sql/staging, or another row would stay than the one that counts.
        values = ", ".join(
            f"{column} desc"
            for column in relation.column_names
            if column not in {*relation.grain, "source"}
        )
        with transaction(connection):
            deleted[relation.name] = scalar(
                connection,
                f"delete from {relation.name} where rowid in ("
                f"select rowid from {relation.name} "
                f"where {relation.instant} >= ? and {relation.instant} < ? "
                f"qualify row_number() over (partition by {key} "
                f"order by ingested_at desc, source, {values}) > 1)",
                [start, end],
            )
    return deleted


def delete_old_changes(connection: duckdb.DuckDBPyConnection, before: datetime) -> dict[str, int]:
    """Delete changes of positions observed before an instant; return rows by table.

    Raw history keeps them. No other log grows as fast.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    before : datetime
        Changes observed before are deleted.
    """
    name = raw_relation("account_position").name
    return {name: scalar(connection, f"delete from {name} where observed_at < ?", [before])}
