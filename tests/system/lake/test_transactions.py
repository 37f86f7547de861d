"""An hour is a few transactions and files of a lake, however many series and files it brings."""

from collections import Counter

import duckdb
import pytest
from workbench import FEW, HOUR, INSTANTS, START, instants, where
from workbench.file_lakes import data_files, lake_settings
from workbench.lakes import HOURS, land_hours

from jobs.check.run_suites import check
from jobs.collect.landing import land
from jobs.move_warehouse import move_to
from jobs.pipeline import build_maps, load
from jobs.publish.publish import publish
from sources.records import Batch

TRANSACTIONS = {"load": 1, "build": 2, "check": 1, "publish": 2}
"""One each, and one that follows: the record of a build, what a swap has published."""


@pytest.fixture
def settings(built, tmp_path):
    """Return the settings of a home whose warehouse is a lake in its folder."""
    laked = lake_settings(tmp_path / "home")
    move_to(built, laked.warehouse.get_secret_value(), data=laked.data)
    return laked


def run_hour(settings, as_of):
    """Run an hour; return the transactions of each step."""
    steps = {
        "load": lambda: load(settings),
        "build": lambda: build_maps(settings, as_of=as_of, estimators=FEW),
        "check": lambda: check(settings, as_of=as_of),
        "publish": lambda: publish(settings, as_of=as_of),
    }
    counts, before = {}, snapshot_count(settings)
    for name, step in steps.items():
        step()
        now = snapshot_count(settings)
        counts[name], before = now - before, now
    return counts


def snapshot_count(settings):
    path = settings.warehouse_address.catalogue
    with duckdb.connect(str(path), read_only=True) as catalogue:
        return catalogue.execute("select count(*) from ducklake_snapshot").fetchone()[0]


def land_in_parts(settings, records, last):
    """Land all records until an hour since START, two files of each venue and kind."""
    for kind, table in records.items():
        at = instants(table, kind) if kind in INSTANTS else None
        for venue in set(table["venue"].to_pylist() if "venue" in table.column_names else ()):
            of_venue = [name == venue for name in table["venue"].to_pylist()]
            rows = where(table, of_venue if at is None else (at < last) & of_venue)
            half = len(rows) // 2
            for number, part in enumerate((rows.slice(0, half), rows.slice(half))):
                if len(part):
                    land(Batch(kind, part), settings.landing, f"{venue}-{number}-{kind}")


def test_an_hour_is_a_few_transactions_whatever_it_brings(settings, market_records):
    land_hours(settings, market_records, HOURS[-1], HOURS[-1] + 1)
    assert run_hour(settings, START + (HOURS[-1] + 1) * HOUR) == TRANSACTIONS
    before = data_files(settings.home, "*.*")
    land_in_parts(settings, market_records, HOURS[-1] + 2)
    # Hours that were published have changed, which is recorded too.
    expected = {**TRANSACTIONS, "publish": 3}
    assert run_hour(settings, START + (HOURS[-1] + 2) * HOUR) == expected
    added = data_files(settings.home, "*.*") - before
    files = Counter(f"{path.parent.parent.name}.{path.parent.name}" for path in added)
    # One of rows and one of deletions; some tables are written twice, by a build and by a check.
    assert len(files) > 20
    assert max(files.values()) <= 8, files
