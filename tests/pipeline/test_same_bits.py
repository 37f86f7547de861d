"""One warehouse reads the same to the last bit, whatever the threads and the order of its rows."""

from datetime import UTC, datetime

import pytest
from workbench import END, START

from warehouse.connect import open_warehouse, transaction
from warehouse.contracts import relations
from warehouse.models import models, run_incremental_models

INCREMENTAL = [model.name for model in models() if model.materialized == "incremental"]
# The map itself adds nothing up, and has a hundred times the rows of all others.
MARTS = [
    name
    for name in relations()
    if name.startswith("marts.") and name != "marts.liquidation_heatmap_hourly"
]


def read(path, threads):
    """Return the hash of every mart and of every model that is stored, made again."""
    with open_warehouse(path, threads=threads) as connection:
        with transaction(connection):
            run_incremental_models(connection, ["BTC", "THIN"], START, END)
        return {
            name: connection.execute(
                f"select count(*), sum(hash(row)::hugeint) from {name} as row"
            ).fetchone()
            for name in (*MARTS, *INCREMENTAL)
        }


def shuffle(path):
    """Store the rows of every table in another order."""
    with open_warehouse(path, threads=2) as connection:
        for name in relations():
            if name.startswith("marts."):
                continue
            with transaction(connection):
                connection.execute(
                    f"create temp table shuffled as select * from {name} order by random()"
                )
                connection.execute(f"delete from {name}")
                connection.execute(f"insert into {name} select * from shuffled")
                connection.execute("drop table shuffled")


def test_two_reads_give_the_same_bits(home):
    path = home / "warehouse.duckdb"
    first = read(path, 1)
    assert sum(count for count, _ in first.values()) > 10_000
    for threads in (2, 4):
        assert read(path, threads) == first
    shuffle(path)
    for threads in (1, 4):
        assert read(path, threads) == first


STAGED = sorted(
    model.name.removeprefix("staging.stg_")
    for model in models()
    if model.name.startswith("staging.")
)
AT = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = {
    "VARCHAR": ("a", "b"),
    "DOUBLE": (1.0, 2.0),
    "INTEGER": (1, 2),
    "BIGINT": (1, 2),
    "BOOLEAN": (False, True),
    "TIMESTAMP WITH TIME ZONE": (AT, AT.replace(year=2027)),
}


@pytest.mark.parametrize("kind", [kind for kind in STAGED if kind != "provider_map"])
def test_of_rows_that_differ_in_one_value_the_same_counts_in_either_order(empty_warehouse, kind):
    relation = relations()[f"raw.{kind}"]
    key = {*relation.grain, "ingested_at"}
    for column in relation.columns:
        if column.name in key:
            continue
        rows = [
            [VALUES[each.type][each.name == column.name and number] for each in relation.columns]
            for number in (0, 1)
        ]
        kept = []
        for order in (rows, rows[::-1]):
            empty_warehouse.execute(f"delete from {relation.name}")
            marks = ", ".join("?" * len(relation.columns))
            empty_warehouse.executemany(f"insert into {relation.name} values ({marks})", order)
            kept.append(empty_warehouse.execute(f"from staging.stg_{kind}").fetchall())
        assert len(kept[0]) == 1
        assert kept[0] == kept[1], column.name
    empty_warehouse.execute(f"delete from {relation.name}")
