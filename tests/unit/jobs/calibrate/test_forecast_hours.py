"""Regressions of hours and the outlook of a day, from the rows of a warehouse."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose
from workbench.ledger_fits import round_fit
from workbench.realised_hours import add_asset

from jobs.calibrate.daily_outlook import outlook_rows, read_midnights, volatility_ahead
from jobs.calibrate.fits_in_force import FitsInForce
from jobs.calibrate.forecast_hours import CAUGHT_UP_DAYS, first_midnight, forecast_rows
from jobs.calibrate.panels import read_panel
from jobs.calibrate.row_store import replace_rows
from jobs.instants import HOUR, to_microseconds
from jobs.settings import Settings
from transforms.grid import bin_of_price
from warehouse.connect import insert_rows, open_warehouse
from warehouse.contracts import stored_rows

START = datetime(2026, 1, 1, tzinfo=UTC)
MIDNIGHT = START + timedelta(days=50)
AS_OF = MIDNIGHT + 5 * HOUR


def only_late(usd, hour):
    return np.where((hour >= 44 * 24)[:, None], usd, np.nan)


@pytest.fixture(scope="module")
def realised():
    """Filled with the realised USD of each asset, (n_hours, 2)."""
    return {}


@pytest.fixture(scope="module")
def connection(tmp_path_factory, realised):
    """Return a warehouse with an asset, one without a feed and one whose feed began late."""
    settings = Settings(home=tmp_path_factory.mktemp("hours"), threads=1)
    with open_warehouse(settings.warehouse) as connection:
        realised["BTC"] = add_asset(connection, "BTC", 52)
        add_asset(connection, "NONE", 52, 5, realise=lambda usd, hour: usd * np.nan)
        add_asset(connection, "NEW", 52, 2, realise=only_late)
        yield connection


def panel_of(connection, asset, as_of):
    return read_panel(connection, asset, as_of)


def rows(connection, table, asset, order):
    answer = connection.execute(
        f"select * exclude (run_id) from {table} where asset = ? order by {order}", [asset]
    )
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def predict(connection, asset, as_of):
    own, end = panel_of(connection, asset, as_of), to_microseconds(as_of)
    start = first_midnight(connection, asset, end)
    replace_rows(connection, forecast_rows(own, start, end, "r"))
    return rows(connection, "derived.forecast_prediction", asset, "provider, as_of, side")


def test_hours_are_predicted_by_a_fit_to_what_came_before_their_day(connection, realised):
    first = predict(connection, "BTC", AS_OF)
    start = MIDNIGHT - timedelta(days=CAUGHT_UP_DAYS)
    n_hours = CAUGHT_UP_DAYS * 24 + 5
    assert len(first) == 2 * 2 * n_hours
    for provider in ("liquidation_forecast", "lagged_forecast"):
        own = [row for row in first if row["provider"] == provider]
        for row in own:
            before = row["as_of"] - timedelta(microseconds=1)
            assert row["fitted_until_at"] == before.replace(
                hour=0, minute=0, second=0, microsecond=0
            )
        assert len({row["params_hash"] for row in own}) == CAUGHT_UP_DAYS + 1
        assert all(row["predicted_usd"] > 0.0 and row["reason"] is None for row in own)
    given_path = [row for row in first if row["provider"] == "liquidation_forecast"]
    begin = (start - START) // HOUR
    happened = realised["BTC"][begin : begin + n_hours]
    expected = np.array([row["predicted_usd"] for row in given_path]).reshape(-1, 2)
    assert np.corrcoef(np.log(expected).ravel(), np.log(happened).ravel())[0, 1] > 0.8

    assert predict(connection, "BTC", AS_OF) == first

    later = predict(connection, "BTC", AS_OF + timedelta(days=1))
    assert len(later) == len(first) + 2 * 2 * 24
    assert [row for row in later if row["as_of"] <= AS_OF] == first


@pytest.mark.parametrize(
    ("asset", "reason"),
    [("NONE", "no feed publishes its liquidations"), ("NEW", "fewer than 168 hours")],
)
def test_where_nothing_can_be_fitted_rows_say_why(connection, asset, reason):
    found = predict(connection, asset, AS_OF)
    assert len(found) == 2 * 2 * (CAUGHT_UP_DAYS * 24 + 5)
    for row in found:
        assert row["predicted_usd"] is None
        assert reason in row["reason"]
        assert row["fitted_until_at"] is None


def look_ahead(connection, asset):
    own = panel_of(connection, asset, AS_OF)
    midnights = read_midnights(connection, asset, to_microseconds(AS_OF))
    replace_rows(connection, outlook_rows(own, midnights, "r"))
    return rows(connection, "derived.liquidation_outlook", asset, "side")


def add_map(connection, asset, price, fit, at=MIDNIGHT):
    first_bin = int(bin_of_price(price)) - 250
    longs, shorts = np.zeros(501), np.zeros(501)
    longs[:250], shorts[251:] = 10.0, 20.0
    table = stored_rows(
        "derived.heatmap",
        {
            "asset": asset,
            "as_of": at,
            "provider": "path_ledger",
            "venue": "all",
            "side": ["long", "short"],
            "price": price,
            "first_bin_index": first_bin,
            "liquidation_usd": [longs, shorts],
            "unit": "usd",
            "semantics": "expected_realised",
            "params_hash": fit.params_hash,
            "run_id": "r",
            "start_up_usd": [None, None],
            **{f"liquidation_q{one}_usd": [None, None] for one in (10, 50, 90)},
        },
    )
    insert_rows(connection, "derived.heatmap", table)


def use(monkeypatch, *fits):
    monkeypatch.setattr(
        "jobs.calibrate.daily_outlook.fits_in_force",
        lambda connection, assets, start, end: {
            (assets[0], "path_ledger"): FitsInForce(assets[0], "path_ledger", fits)
        },
    )


def test_the_outlook_of_midnight_has_map_moves_and_constant(connection, monkeypatch):
    fit = round_fit("path_ledger")
    use(monkeypatch, fit)
    own = panel_of(connection, "BTC", AS_OF)
    price = float(own.panel.close[own.panel.span_end == to_microseconds(MIDNIGHT)][0])
    add_map(connection, "BTC", price, fit)
    longs, shorts = look_ahead(connection, "BTC")
    for row in (longs, shorts):
        assert row["as_of"] == MIDNIGHT
        assert row["reason"] is None
        assert row["capture_ratio"] is None
        assert row["expected_constant_usd"] == 24 * fit.constant
        parts = ("map", "move", "constant")
        total = sum(row[f"expected_{part}_usd"] for part in parts)
        assert_allclose(total, row["expected_usd"])
        assert row["expected_q10_usd"] < row["expected_q50_usd"] < row["expected_q90_usd"]
    assert_allclose(shorts["expected_map_usd"], 2.0 * longs["expected_map_usd"], rtol=0.1)
    assert look_ahead(connection, "BTC") == [longs, shorts]

    use(monkeypatch, round_fit("path_ledger", scale=2.0))
    for row in look_ahead(connection, "BTC"):
        assert row["expected_usd"] is None
        assert "fit behind the map" in row["reason"]


def test_midnights_that_have_a_map_are_caught_up_with_once(connection, monkeypatch):
    fit = round_fit("path_ledger")
    use(monkeypatch, fit)
    early = MIDNIGHT - timedelta(days=3)
    for at in (MIDNIGHT - timedelta(days=CAUGHT_UP_DAYS + 1), early):
        add_map(connection, "NONE", 2e4, fit, at)
    found = look_ahead(connection, "NONE")
    assert {row["as_of"] for row in found} == {early, MIDNIGHT}
    for row in found:
        assert (row["expected_usd"] is None) == (row["as_of"] == MIDNIGHT)
    add_map(connection, "NONE", 2e4, fit, MIDNIGHT - timedelta(days=2))
    assert look_ahead(connection, "NONE") == found


def test_without_a_map_the_row_says_so(connection):
    for row in look_ahead(connection, "NEW"):
        assert row["expected_usd"] is None
        assert row["reason"] == "no map of the ledger at midnight"
        assert row["volatility_ahead_ratio"] > 0.0


def test_volatility_of_a_midnight_reads_nothing_after_it_and_needs_a_day(connection):
    panel = panel_of(connection, "BTC", AS_OF).panel
    at = to_microseconds(MIDNIGHT)
    found = volatility_ahead(panel, at)
    assert found == volatility_ahead(panel.part(panel.span_end <= at), at)
    # Steps of half a per cent an hour; the midnight before a Friday.
    assert found == pytest.approx(0.005 * np.sqrt(24.0), rel=0.15)
    assert volatility_ahead(panel.part(slice(0, 20)), int(panel.span_end[19])) is None


def test_days_without_hours_have_no_rows(connection):
    early = START + 2 * HOUR
    found = predict(connection, "NONE", early)
    assert len([row for row in found if row["as_of"] <= early]) == 2 * 2 * 2
