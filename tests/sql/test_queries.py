"""Named queries under ``sql/queries``, and the constants that SQL shares with Python."""

import json
import re

import duckdb
import pytest

from jobs.build.limits import CONTRADICTORY
from jobs.compare.outside_maps import MEASURED_PROVIDERS
from quality.gates import declared_gates
from transforms.grid import LOG_STEP
from warehouse.contracts import SQL_FOLDER
from warehouse.models import macros
from warehouse.queries import named_query

ROOT = SQL_FOLDER.parent
NAMES = sorted(path.stem for path in (SQL_FOLDER / "queries").glob("*.sql"))
SOURCES = [
    path.read_text()
    for room in ("bench", "cli", "jobs", "plots", "warehouse", "web")
    for path in sorted((ROOT / room).rglob("*.py"))
]


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        connection.execute(macros())
        yield connection


@pytest.mark.parametrize("name", NAMES)
def test_a_query_is_one_select_with_a_header(name, connection):
    text = named_query(name)
    assert text.startswith("-- ")
    (parsed,) = connection.execute("select json_serialize_sql(?)", [text]).fetchone()
    assert len(json.loads(parsed)["statements"]) == 1, parsed


@pytest.mark.parametrize("name", NAMES)
def test_a_query_is_run_somewhere(name):
    assert any(f'"{name}"' in text or f"'{name}'" in text for text in SOURCES)


def test_a_query_that_is_not_there_is_an_error():
    with pytest.raises(FileNotFoundError, match="nothing"):
        named_query("nothing")


def test_the_price_grid_is_the_one_of_the_model(connection):
    assert connection.execute("select grid_step()::double").fetchone() == (LOG_STEP,)


def test_venues_are_set_apart_at_the_level_of_the_gate(connection):
    gate = declared_gates()["set_apart"]
    ratio = connection.execute("select contradicting_price_ratio()::double").fetchone()
    assert ratio == (gate.hard,) == (CONTRADICTORY,)
    select = (SQL_FOLDER.parent / gate.fixed_in).read_text()
    assert "contradicting_price_ratio()" in select
    assert re.findall(r"(?:<=|>) (\d[.\d]*)", select) == []


def test_measured_positions_are_those_of_the_comparison(connection):
    for provider in MEASURED_PROVIDERS:
        assert connection.execute("select is_measured(?)", [provider]).fetchone() == (True,)
    assert connection.execute("select is_measured('turnover')").fetchone() == (False,)


def test_a_window_that_is_not_set_does_not_restrict(connection):
    assert connection.execute("select in_window('1990-01-01'::timestamptz)").fetchone() == (True,)
    connection.execute("set variable window_start = '1990-01-01'::timestamptz")
    for sql, expected in (
        ("in_window('1990-01-01'::timestamptz)", False),
        ("in_window('1990-01-01'::timestamptz, interval 1 hour)", True),
        ("in_window('1990-01-02'::timestamptz)", True),
    ):
        assert connection.execute(f"select {sql}").fetchone() == (expected,), sql
    connection.execute("reset variable window_start")
