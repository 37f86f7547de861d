"""From hours with liquidations to fits and skill, and to reasons where there is no figure."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from workbench.realised_hours import CAPTURED, SHIPPED, add_asset

from jobs.calibrate.calibrate import calibrate
from jobs.calibrate.fits_in_force import fits_in_force
from jobs.instants import to_microseconds
from jobs.settings import Settings
from warehouse.connect import open_warehouse

START = datetime(2026, 1, 1, tzinfo=UTC)


def rows(connection, sql, *values):
    answer = connection.execute(sql, list(values))
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """Return a home with assets of many kinds, calibrated after 100 days, and its report."""
    settings = Settings(home=tmp_path_factory.mktemp("calibrated"), threads=1)
    as_of = START + timedelta(days=100)
    with open_warehouse(settings.warehouse) as connection:
        add_asset(connection, "LONG", 100)
        add_asset(connection, "SHORT", 100, 2, realise=lambda usd, hour: only(usd, hour >= 1440))
        add_asset(connection, "ALONE", 30, 3, volume_usd=1e6, is_complete=False)
        add_asset(connection, "ZERO", 100, 4, realise=lambda usd, hour: usd * 0.0)
        add_asset(connection, "NONE", 100, 5, realise=lambda usd, hour: usd * np.nan)
        add_asset(
            connection,
            "DOWN",
            100,
            6,
            realise=lambda usd, hour: np.where((hour // 240 == 2)[:, None], 0.0, usd),
        )
    return settings, calibrate(settings, as_of=as_of), as_of


def only(usd, is_kept):
    return np.where(is_kept[:, None], usd, np.nan)


@pytest.fixture
def connection(calibrated):
    with open_warehouse(calibrated[0].warehouse) as connection:
        yield connection


def fit_rows(connection, asset, provider="path_ledger"):
    return rows(
        connection,
        "select * from marts.calibration where asset = ? and provider = ? order by parameter_index",
        asset,
        provider,
    )


def test_a_long_history_is_fitted_to_itself(calibrated, connection):
    found = fit_rows(connection, "LONG")
    assert len(found) == 67
    assert found[0]["parameter"] == "weight_0.45pct_1d"
    assert found[0]["value"] == pytest.approx(CAPTURED, rel=0.1)
    assert found[0]["low"] < CAPTURED < found[0]["high"]
    assert found[0]["is_identified"]
    assert {row["fitted_on"] for row in found} == {"LONG"}
    assert not any(row["is_short_fit"] or row["is_pooled"] for row in found)
    assert found[0]["realised_venues"] == ["okx"]


def test_a_short_history_is_fitted_with_assets_of_its_size(connection):
    found = fit_rows(connection, "SHORT")
    assert {(row["fitted_on"], row["is_pooled"]) for row in found} == {("large", True)}
    assert found[0]["value"] == pytest.approx(CAPTURED, rel=0.2)
    assert "LONG" in found[0]["reason"]


def test_a_short_history_without_others_is_fitted_alone_and_says_so(connection):
    found = fit_rows(connection, "ALONE")
    assert {(row["fitted_on"], row["is_short_fit"]) for row in found} == {("ALONE", True)}
    assert "lower bound" in found[0]["reason"]


@pytest.mark.parametrize(("asset", "reason"), [("ZERO", "too few|fewer|zero"), ("NONE", "no feed")])
def test_without_figures_there_is_a_row_that_says_why(connection, asset, reason):
    found = fit_rows(connection, asset, "turnover")
    assert [(row["status"], row["value"]) for row in found] == [("no_fit", None)]
    assert any(word in found[0]["reason"] for word in reason.split("|"))
    skill = rows(connection, "select * from marts.estimator_skill_daily where asset = ?", asset)
    assert skill
    for row in skill:
        assert row["status"] != "scored"
        assert row["reason"]
        assert row["deviance_removed_ratio"] is None


def test_weights_of_leverage_are_fitted_beside_the_shipped_ones(connection):
    found = {row["parameter"]: row for row in fit_rows(connection, "LONG", "turnover")}
    names = ["share up to 5x", "share 10x", "share 25x", "share 50x and above"]
    assert list(found) == ["weight", "move", "constant", "floor", *names, "kappa"]
    low, *fitted = (found[name] for name in names)
    assert (low["value"], low["is_identified"], low["low"]) == (SHIPPED[5], False, None)
    assert "never fitted" in low["reason"]
    assert sum(row["value"] for row in fitted) == pytest.approx(1.0 - SHIPPED[5])
    for row in fitted:
        assert "maps keep the shipped" in row["reason"]
        assert (row["low"] is not None) == row["is_identified"]
        assert row["hour_count"] == 100 * 24
    assert found["kappa"]["value"] > 0.0
    assert not found["kappa"]["is_identified"]
    assert not any(
        name.startswith("share")
        for name in (row["parameter"] for row in fit_rows(connection, "LONG"))
    )


def test_days_of_zeros_are_left_out(connection):
    (long, down) = (fit_rows(connection, asset)[0] for asset in ("LONG", "DOWN"))
    assert long["hour_count"] - down["hour_count"] == 240
    assert down["value"] == pytest.approx(CAPTURED, rel=0.1)


def test_skill_says_what_follows_liquidations_and_what_does_not(connection):
    found = {
        (row["provider"], row["null_model"]): row
        for row in rows(
            connection,
            "select * from marts.estimator_skill_daily where asset = 'LONG' and window_days = 30",
        )
    }
    ledger = found["path_ledger", "training_mean"]
    assert ledger["status"] == "scored"
    assert ledger["deviance_removed_low_ratio"] > 0.5
    assert ledger["hour_count"] == 720
    assert 0.8 < ledger["predicted_ratio"] < 1.25
    assert ledger["fitted_hour_count"] == 70 * 24
    assert ledger["is_short_fit"]
    blind = found["turnover", "path_ledger"]
    assert blind["deviance_removed_high_ratio"] < 0.0
    assert ("liquidation_forecast", "extension_glm") in found
    assert ("path_only", "training_mean") not in found


def test_fits_hold_from_their_instant_on(calibrated, connection):
    _, _, as_of = calibrated
    found = fits_in_force(connection, ["LONG", "SHORT"], as_of, as_of + timedelta(hours=2))
    for asset in ("LONG", "SHORT"):
        own = found[asset, "path_ledger"]
        assert own.reason == ""
        fit = own.at(to_microseconds(as_of) + 1)
        assert not fit.is_shipped
        assert fit.draws.shape == (200, 66)
    stored = fit_rows(connection, "SHORT")
    np.testing.assert_array_equal(
        found["SHORT", "path_ledger"].fits[-1].weights, [row["value"] for row in stored[:64]]
    )


def test_a_second_run_adds_no_fit_until_one_is_due(calibrated):
    settings, report, as_of = calibrated
    assert report.fit_count > 0
    again = calibrate(settings, as_of=as_of + timedelta(days=1))
    assert again.fit_count == 0
    with open_warehouse(settings.warehouse) as connection:
        assert len({row["valid_from_at"] for row in fit_rows(connection, "LONG")}) == 1
