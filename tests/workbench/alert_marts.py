"""The marts that alerts read, as tables in memory to fill row by row.

Belongs here: making and filling them. Does not belong here: what rules find in them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from warehouse.contracts import relations

MARTS = (
    "marts.asset_quality_hourly",
    "marts.asset_disagreement_hourly",
    "marts.data_feeds",
    "marts.estimator_skill_daily",
    "marts.liquidation_bands_hourly",
    "marts.liquidation_outlook_daily",
    "marts.market_context_hourly",
    "marts.venue_open_interest_hourly",
    "quality.check_results",
)


def create_marts(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the marts by their contracts, empty; any column may be NULL."""
    connection.execute("set timezone = 'UTC'")
    connection.execute("create schema marts; create schema quality")
    for name in MARTS:
        columns = ", ".join(
            f'"{column.name}" {column.type}' for column in relations()[name].columns
        )
        connection.execute(f"create table {name} ({columns})")


@contextmanager
def alert_marts() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection with the marts in memory."""
    with duckdb.connect() as connection:
        create_marts(connection)
        yield connection


def add_row(connection: duckdb.DuckDBPyConnection, name: str, row: Mapping[str, Any]) -> None:
    """Add one row to a mart; columns that are left out are NULL."""
    named = ", ".join(f'"{column}"' for column in row)
    marks = ", ".join("?" for _ in row)
    connection.execute(f"insert into {name} ({named}) values ({marks})", list(row.values()))


def add_columns(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, Any] | pa.Table
) -> None:
    """Add many rows to a mart, a list or array a column; columns that are left out are NULL."""
    rows = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    named = ", ".join(f'"{column}"' for column in rows.column_names)
    connection.register("added", rows)
    connection.execute(f"insert into {name} ({named}) select * from added")
    connection.unregister("added")
