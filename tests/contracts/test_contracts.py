"""What is promised to readers is what there is: schema, comments, the page of tables, settings.

Two files beside this one are golden. After a deliberate change to what is public:

    liqheat tables --markdown > docs/tables.md
    grep '^## ' docs/tables.md | cut -c4- > tests/contracts/public_relations.txt

After a new migration, and never after an edit of a released one:

    (cd sql/migrations && sha256sum *.sql) > tests/contracts/migrations.sha256
"""

import hashlib
import re
from dataclasses import fields
from pathlib import Path

import duckdb
import pytest

from jobs.read.query import published_file
from jobs.settings import Settings
from sources.records import SCHEMAS
from warehouse.archive_ledger import ArchiveEntry
from warehouse.as_published import as_published_relations, kept_relations, replaced_table
from warehouse.connect import open_warehouse
from warehouse.contracts import (
    public_relations,
    raw_relation,
    record_kinds,
    relations,
)
from warehouse.feed_ledger import AnsweredRequest
from warehouse.load import LandedFile
from warehouse.migrate import migration_files
from warehouse.tables_page import tables_page

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def columns_of(connection, name):
    """Return (name, type, whether NULL may stand in it) of a relation's columns in order."""
    return connection.execute(
        "select column_name, data_type, is_nullable from duckdb_columns() "
        "where not internal and schema_name || '.' || table_name = ? order by column_index",
        [name],
    ).fetchall()


def names_in(connection, catalog):
    """Return the schema-qualified names in duckdb_tables or duckdb_views."""
    column = catalog.removeprefix("duckdb_").removesuffix("s") + "_name"
    rows = connection.execute(
        f"select schema_name || '.' || {column} from {catalog}() where not internal"
    ).fetchall()
    return {name for (name,) in rows}


def assert_commented(connection, commented=None):
    """Every public relation and column says what its contract says."""
    comments = dict(
        connection.execute(
            "select schema_name || '.' || table_name, comment from duckdb_tables() "
            "where not internal union all "
            "select schema_name || '.' || view_name, comment from duckdb_views() "
            "where not internal union all "
            "select schema_name || '.' || table_name || '.' || column_name, comment "
            "from duckdb_columns() where not internal"
        ).fetchall()
    )
    for relation in commented or public_relations():
        assert comments.get(relation.name) == relation.description, relation.name
        for column in relation.columns:
            where = f"{relation.name}.{column.name}"
            assert column.description, f"{where} has no sentence; write one in its contract"
            assert comments.get(where) == column.comment, where


@pytest.mark.parametrize("name", sorted(relations()))
def test_live_columns_are_those_of_the_contract(empty_warehouse, name):
    relation = relations()[name]
    columns = columns_of(empty_warehouse, name)
    if relation.schema == "marts":
        # A view cannot say NOT NULL.
        columns = [column[:2] for column in columns]
        declared = [(column.name, column.type) for column in relation.columns]
    else:
        declared = [(column.name, column.type, column.is_nullable) for column in relation.columns]
    assert columns == declared, f"the database and sql/{name.replace('.', '/')}.yaml differ"


def test_every_stored_table_and_mart_has_a_contract(empty_warehouse):
    marts = {
        name for name in names_in(empty_warehouse, "duckdb_views") if name.startswith("marts.")
    }
    assert names_in(empty_warehouse, "duckdb_tables") | marts == set(relations())


def test_records_land_with_the_columns_of_raw():
    """Sources read the contracts of raw themselves, since a spoke imports no other."""
    assert {kind: raw_relation(kind).arrow_schema for kind in record_kinds()} == SCHEMAS


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (ArchiveEntry, "meta.archive_file"),
        (LandedFile, "meta.landing_file"),
        (AnsweredRequest, "meta.gap_answer"),
    ],
)
def test_rows_of_ledgers_have_the_columns_of_their_tables(row, name):
    assert tuple(field.name for field in fields(row)) == relations()[name].column_names


def test_public_columns_are_commented_for_the_writer(tmp_path):
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        assert_commented(connection)


def test_public_columns_are_commented_for_readers(small_home):
    path = published_file(Settings(home=small_home))
    with duckdb.connect(str(path), read_only=True) as connection:
        assert_commented(connection)


@pytest.mark.parametrize("relation", public_relations(), ids=lambda relation: relation.name)
def test_published_columns_are_those_of_the_contract(small_home, relation):
    path = published_file(Settings(home=small_home))
    with duckdb.connect(str(path), read_only=True) as connection:
        columns = [column[:2] for column in columns_of(connection, relation.name)]
    assert columns == [(column.name, column.published_type) for column in relation.columns]


def test_the_file_has_no_schemas_but_those_of_public_relations(small_home):
    path = published_file(Settings(home=small_home))
    with duckdb.connect(str(path), read_only=True) as connection:
        relations_there = names_in(connection, "duckdb_tables") | names_in(
            connection, "duckdb_views"
        )
    assert relations_there == {
        *(relation.name for relation in (*public_relations(), *as_published_relations())),
        *map(replaced_table, kept_relations()),
    }


def test_relations_as_published_have_their_columns_and_comments(small_home):
    path = published_file(Settings(home=small_home))
    with duckdb.connect(str(path), read_only=True) as connection:
        for relation in as_published_relations():
            columns = [column[:2] for column in columns_of(connection, relation.name)]
            assert columns == [(each.name, each.published_type) for each in relation.columns]
        assert_commented(connection, as_published_relations())


def test_what_is_filled_in_later_is_marked():
    """A new column of amounts or verdicts that arrive after the hour belongs here."""
    later = {
        relation.name.split(".")[1]
        for relation in kept_relations()
        if any(column.is_filled_later for column in relation.columns)
    }
    assert later == {
        "market_context_hourly",
        "liquidation_forecast_hourly",
        "liquidation_outlook_daily",
        "measured_liquidations_hourly",
    }
    marked = {
        column.name
        for relation in kept_relations()
        for column in relation.columns
        if column.name.startswith("realised_") and not column.is_filled_later
    }
    # Of days that are scored when they are over.
    assert marked == {
        column.name
        for column in relations()["marts.estimator_skill_daily"].columns
        if column.name.startswith("realised_")
    }


JOINS = [
    (relation.name, column.name, to)
    for relation in public_relations()
    for column in relation.columns
    for to in re.findall(r"joins to (\w+\.\w+)", column.description)
]
KEYS = {"marts.estimator_parameters": "params_hash", "marts.pipeline_runs": "run_id"}


@pytest.fixture(scope="module")
def published_reader(small_home):
    path = published_file(Settings(home=small_home))
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


@pytest.mark.parametrize(("name", "column", "to"), JOINS)
def test_what_joins_to_a_table_finds_its_rows_there(published_reader, name, column, to):
    assert name != to
    lost = published_reader.execute(
        f"select {column}, count(*) from {name} as own "
        f"anti join {to} as other on own.{column} = other.{KEYS.get(to, column)} "
        f"where {column} is not null group by all limit 5"
    ).fetchall()
    assert not lost


def test_every_list_has_a_flat_companion():
    """Not examples of a failed check, nor the names beside reasons, which are in words."""
    exempt = {"quality.check_results.sample", "marts.asset_quality_hourly.reason_names",
              "marts.asset_quality_newest.reason_names"}  # fmt: skip
    nested = {
        f"{relation.name}.{column.name}"
        for relation in public_relations()
        for column in relation.columns
        if column.is_nested
        and relation.unfolded_by is None
        and f"{column.name}_text" not in relation.column_names
    }
    assert nested == exempt


def test_every_number_says_what_it_measures():
    silent = [
        f"{relation.name}.{column.name}"
        for relation in public_relations()
        for column in relation.columns
        if column.is_number and column.measure is None
    ]
    assert not silent, "write stock, flow, figure or label after the type in their contracts"


def test_public_relations_are_the_agreed_ones():
    agreed = (HERE / "public_relations.txt").read_text().splitlines()
    assert [relation.name for relation in public_relations()] == agreed, (
        "what readers rely on changed; if that is meant, write it in CHANGELOG.md and refresh "
        "tests/contracts/public_relations.txt as the head of this file says"
    )


def test_page_of_tables_is_up_to_date():
    assert (ROOT / "docs" / "tables.md").read_text() == tables_page(), (
        "docs/tables.md is out of date; run `liqheat tables --markdown > docs/tables.md`"
    )


def test_released_migrations_are_unchanged():
    lines = (HERE / "migrations.sha256").read_text().splitlines()
    released = {name: sha256 for sha256, name in (line.split() for line in lines)}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in migration_files()}
    assert found == released, (
        "a migration is never edited after release: restore it and add a new one; "
        "a new one is added to tests/contracts/migrations.sha256 as the head of this file says"
    )


def test_every_setting_is_in_the_example():
    lines = (ROOT / ".env.example").read_text().splitlines()
    names = {line.lstrip("# ").split("=")[0] for line in lines if "=" in line}
    for field in Settings.model_fields:
        name = f"LIQHEAT_{field.upper()}"
        assert any(each == name or each.startswith(f"{name}__") for each in names), (
            f".env.example does not list {name}"
        )
    unknown = {
        each
        for each in names
        if each.startswith("LIQHEAT_")
        and each.removeprefix("LIQHEAT_").split("__")[0].lower() not in Settings.model_fields
    }
    assert not unknown, f".env.example lists {sorted(unknown)}, which nothing reads"
