"""One model over tables in memory, for what has no warehouse.

Belongs here: running a SELECT of ``sql/`` over tables that are handed in. Does not belong here:
anything that is stored.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from warehouse.connect import open_scratch
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
    select = (SQL_FOLDER / schema / f"{relation}.sql").read_text()
    with open_scratch(tables) as connection:
        rows: list[dict[str, Any]] = connection.execute(select).to_arrow_table().to_pylist()
    return rows
