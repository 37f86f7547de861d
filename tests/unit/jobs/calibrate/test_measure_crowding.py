"""Crowding from bands and prices in the warehouse."""

from datetime import UTC, datetime

import pytest
from workbench import END, prepare_home

from jobs.calibrate.measure_crowding import POOLED, measure_crowding
from transforms.bands import ZONES
from warehouse.connect import open_warehouse


@pytest.fixture
def copied_home(small_home, tmp_path):
    """Return the path of a copy of the small market's warehouse."""
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes((small_home / "warehouse.duckdb").read_bytes())
    return path


def test_each_midnight_has_every_zone_and_class_of_each_asset(copied_home):
    with open_warehouse(copied_home) as connection:
        count = measure_crowding(connection, END, "one")
        assets = connection.execute("select count(distinct asset) from derived.band").fetchone()[0]
        assert count == (assets + 1) * (len(ZONES) + 1) * 4
        before = connection.execute("select * exclude (run_id) from derived.crowding").fetchall()
        assert measure_crowding(connection, END, "two") == count
        again = connection.execute("select * exclude (run_id) from derived.crowding").fetchall()
        assert again == before


def test_levels_are_those_of_bands_whose_day_is_over(copied_home):
    with open_warehouse(copied_home) as connection:
        measure_crowding(connection, END, "one")
        midnight = END.replace(hour=0)
        (counted,) = connection.execute(
            "select sum(level_count) from derived.crowding where asset = ? and zone = ? "
            "and agreement <> 'most_less_lone'",
            [POOLED, POOLED],
        ).fetchone()
        (known,) = connection.execute(
            "select count(*) from derived.band where venue = 'all' and provider <> 'consensus' "
            "and provider <> 'simulated_truth' and touch_probability_24h_ratio is not null "
            "and as_of <= ?::timestamptz - interval 24 hour",
            [midnight],
        ).fetchone()
        assert 0 < counted <= known
        reasons = connection.execute("select distinct reason from derived.crowding").fetchall()
        assert any("two-week blocks" in (reason or "") for (reason,) in reasons)


def test_without_bands_there_are_no_rows(tmp_path):
    prepare_home(tmp_path)
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        assert measure_crowding(connection, datetime(2026, 1, 2, tzinfo=UTC), "one") == 0
