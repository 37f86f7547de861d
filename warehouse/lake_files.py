"""The data files of a lake: how large they get, and bringing them there.

Belongs here: merging, writing again, deleting. Does not belong here: files that workers write
(``warehouse.shared_files``).
"""

from datetime import datetime

import duckdb

from warehouse.lake_access import lake_in_use
from warehouse.sql_text import quoted

TARGET_FILE_SIZE = "128MB"
"""Size that files are merged up to, as DuckLake takes it: few for a catalogue, small to replace."""

_MOST_REWRITTEN_BYTES = 256_000_000
"""Size of the files of a table that are written again as one: DuckLake makes one of all."""

_FEWEST_DELETED = 0.01
"""Share of deleted rows from which a file is written again. With any, it is not merged."""

# The share of deleted rows from which files of a table, those with the largest share first, are
# written again: as many as fit together, or one that is larger.
_THRESHOLDS = """
with files as (
    select
        t.table_id,
        s.schema_name,
        t.table_name,
        d.file_size_bytes,
        x.delete_count / d.record_count as share,
    from {metadata}.ducklake_data_file as d
    inner join {metadata}.ducklake_delete_file as x using (data_file_id)
    inner join {metadata}.ducklake_table as t on t.table_id = d.table_id
    inner join {metadata}.ducklake_schema as s on s.schema_id = t.schema_id
    where d.end_snapshot is null and x.end_snapshot is null and t.end_snapshot is null
),
summed as (
    select
        *,
        row_number() over by_share as place,
        sum(file_size_bytes) over by_share as sum_bytes,
    from files where share >= $fewest
    window by_share as (partition by table_id order by share desc, file_size_bytes)
)
select schema_name, table_name, min(share) as threshold
from summed where place = 1 or sum_bytes <= $most
group by all order by all
"""


def tidy_lake(connection: duckdb.DuckDBPyConnection, before: datetime) -> None:
    """Merge small files and delete what no version since an instant reads.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    before : datetime
        Versions of the lake from before expire [UTC].
    """
    name = lake_in_use(connection)
    catalog = quoted(name)
    for schema, table, threshold in _thresholds(connection, name):
        connection.execute(
            f"call ducklake_rewrite_data_files({catalog}, {quoted(table)}, "
            f"schema => {quoted(schema)}, delete_threshold => {threshold!r})"
        )
    at = f"older_than => timestamptz '{before.isoformat()}'"
    for statement in (
        f"call ducklake_merge_adjacent_files({catalog})",
        f"call ducklake_expire_snapshots({catalog}, {at})",
        f"call ducklake_cleanup_old_files({catalog}, {at})",
        # Of transactions that were killed.
        f"call ducklake_delete_orphaned_files({catalog}, {at})",
    ):
        connection.execute(statement)


def _thresholds(
    connection: duckdb.DuckDBPyConnection, catalog: str
) -> list[tuple[str, str, float]]:
    """Return schema and name of tables to write again in part, and from which share of deletions.

    Tables of which more is due come again with the next maintenance.
    """
    row = connection.execute(
        "select coalesce(options['metadata_schema'], 'main') from duckdb_databases() "
        "where database_name = current_database()"
    ).fetchone()
    metadata = f'"__ducklake_metadata_{catalog}"."{row[0] if row else ""}"'
    return connection.execute(
        _THRESHOLDS.format(metadata=metadata),
        {"fewest": _FEWEST_DELETED, "most": _MOST_REWRITTEN_BYTES},
    ).fetchall()
