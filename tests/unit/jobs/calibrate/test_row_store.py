"""Rows of a calibration in place of those of an earlier one."""

from datetime import UTC, datetime

import duckdb
import pytest

from jobs.calibrate.row_store import Replacement, replace_rows
from jobs.instants import to_microseconds
from warehouse.connect import open_warehouse
from warehouse.contracts import stored_rows

AT = datetime(2026, 3, 2, tzinfo=UTC)


def rows(asset, usd, at=AT):
    return stored_rows(
        "derived.forecast_prediction",
        {
            "asset": asset,
            "as_of": [to_microseconds(at)],
            "provider": "lagged_forecast",
            "side": "long",
            "predicted_usd": usd,
            "reason": None,
            "fitted_from_at": None,
            "fitted_until_at": None,
            "params_hash": "p",
            "run_id": "r",
        },
    )


@pytest.fixture
def connection(tmp_path):
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        yield connection


def store(connection, table, where="asset = ?", values=("BTC",)):
    return replace_rows(
        connection, Replacement("derived.forecast_prediction", table, where, values)
    )


def stored(connection):
    return connection.execute(
        "select asset, predicted_usd from derived.forecast_prediction order by all"
    ).fetchall()


def test_rows_take_the_place_of_those_that_the_condition_selects(connection):
    store(connection, rows("ETH", 1.0), values=("ETH",))
    assert store(connection, rows("BTC", 2.0)) == 1
    assert store(connection, rows("BTC", 3.0)) == 1
    assert stored(connection) == [("BTC", 3.0), ("ETH", 1.0)]


def test_their_days_are_marked_to_be_published(connection):
    store(connection, rows("BTC", 2.0))
    marked = connection.execute("select published_day from meta.pending_publish").fetchall()
    assert marked == [(AT.date(),)]


def test_an_error_leaves_the_old_rows(connection):
    store(connection, rows("BTC", 2.0))
    broken = rows("BTC", 3.0).drop_columns(["params_hash"])
    with pytest.raises(duckdb.ConstraintException):
        store(connection, broken)
    assert stored(connection) == [("BTC", 2.0)]
