"""Every SQL model against its cases: ``sql/<layer>/<model>/<case>.yaml`` beside this file.

A case has the rows of the tables a model reads, the window, and the rows the model must give.
``given`` names relations: tables, or views of the models below, which are replaced by a table of
the rows given. Columns that a row does not name hold a neutral value of their type, or NULL where
that is allowed. ``expect`` lists rows in order of the grain, with the columns that matter.
"""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

from warehouse.contracts import relations
from warehouse.models import models, set_window

CASES = Path(__file__).parent
MODELS = {model.name: model for model in models()}
NEUTRAL = {
    "VARCHAR": "x",
    "DOUBLE": 0.0,
    "FLOAT": 0.0,
    "INTEGER": 0,
    "BIGINT": 0,
    "BOOLEAN": False,
    "BLOB": b"",
    "DATE": date(2026, 1, 1),
    "TIMESTAMP WITH TIME ZONE": datetime(2026, 1, 1, tzinfo=UTC),
}


def case_files():
    return sorted(CASES.glob("*/*/*.yaml"))


def model_of(path):
    return f"{path.parent.parent.name}.{path.parent.name}"


def insert(connection, name, rows):
    columns = connection.execute(
        "select column_name, data_type, is_nullable from duckdb_columns() "
        "where schema_name || '.' || table_name = ? order by column_index",
        [name],
    ).fetchall()
    known = {column for column, _, _ in columns}
    for row in rows:
        assert not set(row) - known, f"{name} has no column {sorted(set(row) - known)}"
        values = [
            row.get(column, None if nullable else NEUTRAL.get(kind, []))
            for column, kind, nullable in columns
        ]
        connection.execute(f"insert into {name} values ({', '.join('?' * len(columns))})", values)


def stand_in_for_view(connection, name):
    """Turn a view into an empty table of its columns, all of which may be NULL."""
    connection.execute(f"create temp table shape as select * from {name} limit 0")
    connection.execute(f"drop view {name}")
    connection.execute(f"create table {name} as select * from shape")
    connection.execute("drop table shape")


@pytest.fixture
def connection(empty_warehouse):
    """Return a warehouse without rows; what a test does to it is undone."""
    empty_warehouse.execute("begin transaction")
    yield empty_warehouse
    empty_warehouse.execute("rollback")


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_has_a_case(model):
    layer, name = model.split(".")
    assert list((CASES / layer / name).glob("*.yaml")), (
        f"{model} has no case; write tests/sql/{layer}/{name}/<what it shows>.yaml"
    )


@pytest.mark.parametrize("path", case_files(), ids=lambda path: "/".join(path.parts[-3:]))
def test_model_gives_the_rows_of_its_case(path, connection):
    model = MODELS[model_of(path)]
    case = yaml.safe_load(path.read_text())
    stored = {name for name in relations() if not name.startswith("marts.")}
    for name, given in case["given"].items():
        defaults = given.get("every", {}) if isinstance(given, dict) else {}
        rows = given["rows"] if isinstance(given, dict) else given
        if name not in stored:
            stand_in_for_view(connection, name)
        insert(connection, name, [{**defaults, **row} for row in rows])
    params = case.get("params", {})
    set_window(
        connection, params.get("assets"), params.get("window_start"), params.get("window_end")
    )
    answer = connection.execute(f"select * from ({model.select}\n) order by {order(model)}")
    columns = [column[0] for column in answer.description]
    rows = [dict(zip(columns, row, strict=True)) for row in answer.fetchall()]
    expected = case["expect"]
    assert len(rows) == len(expected), rows
    for row, wanted in zip(rows, expected, strict=True):
        assert_alike(row, wanted)
    keys = [tuple(str(row[name]) for name in model.grain) for row in rows]
    assert len(set(keys)) == len(keys), f"rows of one {model.grain}"


def order(model):
    return ", ".join(f'"{name}"' for name in model.grain)


def is_number(value):
    return isinstance(value, float | int) and not isinstance(value, bool)


def assert_alike(row, wanted):
    """Compare the columns named; numbers to nine digits, everything else exactly."""
    for name, value in wanted.items():
        is_close = is_number(value) or (isinstance(value, list) and all(map(is_number, value)))
        wanted = pytest.approx(value, rel=1e-9) if is_close else value
        assert row[name] == wanted, name
