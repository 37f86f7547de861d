"""SQL models: one SELECT a file under ``sql/staging``, ``sql/intermediate`` and ``sql/marts``.

The path of the file is the relation's name. The header has a summary, the grain of a view without
a contract beside it, and the materialization:

view
    A view in the warehouse; in the published file a view over copies of the tables it reads.
table
    A view in the warehouse; stored as a table in the published file.
summary
    A view in the warehouse; in the published file a table made of the file's other relations.
incremental
    A table in the warehouse; building replaces its rows of the hours built.

Expressions that several models share are macros, ``sql/macros.sql``, created before the views.

The variables ``window_start``, ``window_end`` and ``window_assets`` restrict models to some hours
and assets; where one is not set, models are over everything.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from warehouse.contracts import SQL_FOLDER, comment_statements, relations
from warehouse.errors import ContractViolation
from warehouse.storage import has_view_column_comments

_MACROS = SQL_FOLDER / "macros.sql"
_LAYERS = ("staging", "intermediate", "marts")
_HEADER = re.compile(
    r"\A(?:-- \S.*\n)+--\n(?:-- Grain: (?P<grain>.+)\n)?"
    r"-- Materialized: (?P<how>view|table|summary|incremental)\n"
)


@dataclass(frozen=True, slots=True)
class Model:
    """One SELECT and its header.

    Parameters
    ----------
    name : str
        Schema-qualified name of the relation.
    select : str
        The text, header included.
    grain : tuple of str
        Columns that identify a row.
    materialized : str
        ``view``, ``table``, ``summary`` or ``incremental``.
    reads : tuple of str
        Schema-qualified relations it selects from.
    """

    name: str
    select: str
    grain: tuple[str, ...]
    materialized: str
    reads: tuple[str, ...]


def _base_tables(node: Any) -> Iterator[str]:  # noqa: ANN401  (JSON of unknown depth)
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE" and node.get("schema_name"):
            yield f"{node['schema_name']}.{node['table_name']}"
        for value in node.values():
            yield from _base_tables(value)
    elif isinstance(node, list):
        for value in node:
            yield from _base_tables(value)


def read_model(path: Path) -> Model:
    """Return the model in a file.

    Raises
    ------
    ContractViolation
        The header is missing or wrong, or the text is not exactly one SELECT.
    """
    text = path.read_text()
    name = f"{path.parent.name}.{path.stem}"
    header = _HEADER.match(text)
    contract = relations().get(name)
    is_stored = header is not None and header["how"] != "view"
    if contract is None and (is_stored or path.parent.name == "marts"):
        raise ContractViolation(
            f"{path}: a mart and a stored table have a contract; write {path.stem}.yaml beside it"
        )
    if header is None or (header["grain"] is None) != (contract is not None):
        raise ContractViolation(
            f"{path}: a model opens with a sentence, an empty comment line and `-- Materialized: "
            "view|table|summary|incremental`; before that `-- Grain: column, column`, unless a "
            f"contract beside it ({path.stem}.yaml) has the grain"
        )
    row = duckdb.execute("select json_serialize_sql(?)", [text]).fetchone()
    parsed: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if parsed.get("error"):
        raise ContractViolation(f"{path}: not one SELECT: {parsed.get('error_message')}")
    if len(parsed["statements"]) != 1:
        raise ContractViolation(f"{path}: {len(parsed['statements'])} statements, expected one")
    return Model(
        name=name,
        select=text,
        grain=contract.grain if contract else tuple(re.split(r",\s*", header["grain"])),
        materialized=header["how"],
        reads=tuple(sorted(set(_base_tables(parsed["statements"])))),
    )


@cache
def models() -> tuple[Model, ...]:
    """Return every model, each after those it reads.

    Raises
    ------
    ContractViolation
        A model is malformed, or reads a relation that does not exist.
    """
    found = {
        model.name: model
        for layer in _LAYERS
        for path in sorted((SQL_FOLDER / layer).glob("*.sql"))
        for model in [read_model(path)]
    }
    stored = {name for name in relations() if not name.startswith("marts.")}
    for model in found.values():
        missing = [name for name in model.reads if name not in found and name not in stored]
        if missing:
            raise ContractViolation(f"{model.name} reads {missing[0]}, which nothing makes")
    graph = {name: [read for read in model.reads if read in found] for name, model in found.items()}
    return tuple(found[name] for name in TopologicalSorter(graph).static_order())


def tables_behind(model: Model) -> tuple[str, ...]:
    """Return the tables of the published file that a model reads, directly or through views."""
    by_name = {other.name: other for other in models()}
    behind: set[str] = set()
    for name in model.reads:
        reader = by_name.get(name)
        if reader is None or reader.materialized != "view":
            behind.add(name)
        else:
            behind.update(tables_behind(reader))
    return tuple(sorted(behind))


@cache
def macros() -> str:
    """Return the statements that create the macros models use, in the database in use."""
    return _MACROS.read_text()


@cache
def definitions_sha256() -> str:
    """Return the hash of all that a database is made of besides rows: models, macros, contracts."""
    parts = [duckdb.__version__, macros(), *(model.select for model in models())]
    for relation in relations().values():
        parts += [relation.name, *comment_statements(relation, "table")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def create_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Create or replace the macros and the views of all models, commented by their contracts."""
    connection.execute(macros())
    declared = relations()
    has_column_comments = has_view_column_comments(connection)
    for model in models():
        if model.materialized == "incremental":
            continue
        connection.execute(f"create or replace view {model.name} as {model.select}")
        if model.name in declared:
            on_view, *on_columns = comment_statements(declared[model.name], "view")
            connection.execute(";".join([on_view, *(on_columns if has_column_comments else ())]))


def run_incremental_models(
    connection: duckdb.DuckDBPyConnection, assets: list[str], start: datetime, end: datetime
) -> int:
    """Replace the rows of the incremental models for some assets and hours; return how many.

    Runs in the caller's transaction.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    assets : list of str
        Assets whose rows are replaced.
    start, end : datetime
        Rows with start < as_of <= end are replaced.
    """
    row_count = 0
    set_window(connection, assets, start, end)
    for model in models():
        if model.materialized == "incremental":
            row_count += _replace_rows(connection, model, [start, end, assets])
    set_window(connection, None, None, None)
    return row_count


def _replace_rows(connection: duckdb.DuckDBPyConnection, model: Model, window: list[Any]) -> int:
    """Replace the rows of a model in a window (start, end, assets); return how many are new."""
    connection.execute(
        f"delete from {model.name} where as_of > ? and as_of <= ? and list_contains(?, asset)",
        window,
    )
    inserted = connection.execute(
        f"insert into {model.name} by name select * from ({model.select}\n)"
    ).fetchone()
    return inserted[0] if inserted else 0


def set_window(
    connection: duckdb.DuckDBPyConnection,
    assets: list[str] | None,
    start: datetime | None,
    end: datetime | None,
) -> None:
    """Set, or with None clear, the hours and assets that models are restricted to."""
    values = {"window_start": start, "window_end": end, "window_assets": assets}
    for name, value in values.items():
        if value is None:
            connection.execute(f"reset variable {name}")
        else:
            connection.execute(f"set variable {name} = ?", [value])
