"""One model over tables in memory, for what has no warehouse.

Belongs here: running a SELECT of ``sql/`` over tables that are handed in. Does not belong here:
anything that is stored.
"""

from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa

from warehouse.contracts import SQL_FOLDER


def select_model(name: str, tables: Mapping[str, pa.Table]) -> list[dict[str, Any]]:
    """Return the rows of a model over given tables, over everything in them.

    Parameters
    ----------
    name : str
        Schema-qualified relation, as the file under ``sql/`` is named.
    tables : mapping of str to Table
        All relations the model reads, schema-qualified.
    """
    schema, _, relation = name.partition(".")
    with duckdb.connect() as connection:
        for given, table in tables.items():
            connection.execute(f"create schema if not exists {given.partition('.')[0]}")
            connection.register("given", table)
            connection.execute(f"create table {given} as from given")
            connection.unregister("given")
        select = (SQL_FOLDER / schema / f"{relation}.sql").read_text()
        rows: list[dict[str, Any]] = connection.execute(select).to_arrow_table().to_pylist()
        return rows
