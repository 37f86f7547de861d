"""Weights of leverage: found where realised hours show them, and reasons where they do not."""

import numpy as np
import pytest

from jobs.calibrate.calibration_rows import calibration_rows
from jobs.calibrate.fit_models import FitHours, fit_own
from jobs.calibrate.panels import AssetPanel
from jobs.calibrate.tier_shares import ReachedTiers, fit_shares
from jobs.instants import HOUR_MICROSECONDS

LEVERAGES = np.array([3.0, 5.0, 10.0, 20.0, 25.0, 100.0])
SHIPPED = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.1])
TRUTH = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.2])
N_HOURS = 2400
KAPPA = 0.5
OWN = AssetPanel(None, ("okx",), ("okx",), True, 0, np.ones(1), {})


def make_hours(seed=0, scale=1.0):
    """Return hours realised with `TRUTH`, and what the shipped weights hold where price went."""
    generator = np.random.default_rng(seed)
    is_met = generator.random((N_HOURS, 2, 6)) < [0.01, 0.01, 0.1, 0.2, 0.2, 0.5]
    path = is_met * generator.gamma(1.0, 1e8, is_met.shape)
    realised = scale * KAPPA * (path @ TRUTH) * generator.gamma(4.0, 0.25, (N_HOURS, 2))
    reached = path * SHIPPED
    ends = (1 + np.arange(N_HOURS)) * HOUR_MICROSECONDS
    total = reached.sum(axis=2, keepdims=True)
    return FitHours("A", total, realised, np.zeros((N_HOURS, 2)), ends, 1e8), reached


def rows_of(hours, shares):
    made = fit_own(hours, "turnover", "s", 1)
    rows = calibration_rows(made, OWN, 1, "r", shares).to_pylist()
    return {row["parameter"]: row for row in rows[4:]}


def test_rows_hold_the_truth_in_their_intervals_and_say_that_maps_keep_the_shipped_weights():
    hours, reached = make_hours()
    found = rows_of(hours, fit_shares(hours, ReachedTiers(LEVERAGES, SHIPPED, reached)))
    truth = {"share 10x": 0.1, "share 20x-25x": 0.2, "share 100x and above": 0.2}
    assert list(found) == ["share up to 5x", *truth, "kappa"]
    for name, value in truth.items():
        row = found[name]
        assert row["is_identified"]
        assert row["low"] < value < row["high"]
        assert row["log_sd"] < 0.5
        assert row["reason"].startswith("maps keep the shipped")
        assert "run with the shipped weights only" in row["reason"]
        assert (row["unit"], row["params_hash"], row["status"]) == ("ratio", None, "fitted")
    low, kappa = found["share up to 5x"], found["kappa"]
    assert low["value"] == pytest.approx(0.5)
    assert kappa["value"] == pytest.approx(KAPPA, rel=0.1)
    for row in (low, kappa):
        assert not row["is_identified"]
        assert row["low"] is row["high"] is row["log_sd"] is None
    assert [row["parameter_index"] for row in found.values()] == [4, 5, 6, 7, 8]


def test_one_weight_above_5x_is_the_shipped_weight():
    hours, reached = make_hours()
    kept = slice(0, 3)
    tiers = ReachedTiers(LEVERAGES[kept], SHIPPED[kept], reached[..., kept])
    found = rows_of(hours, fit_shares(hours, tiers))
    assert found["share 10x"]["value"] == pytest.approx(SHIPPED[2])
    assert not found["share 10x"]["is_identified"]
    assert "no other weight" in found["share 10x"]["reason"]


@pytest.mark.parametrize(
    ("n_tiers", "is_zero", "reason"),
    [(0, False, "not on record"), (6, False, "fewer than 168 hours"), (6, True, "reached nothing")],
)
def test_without_weights_a_row_says_why(n_tiers, is_zero, reason):
    hours, reached = make_hours()
    reached = reached * 0.0 if is_zero else np.full_like(reached, np.nan)
    tiers = ReachedTiers(LEVERAGES[:n_tiers], SHIPPED[:n_tiers], reached[..., :n_tiers])
    shares = fit_shares(hours, tiers)
    (row,) = rows_of(hours, shares).values()
    assert (row["parameter"], row["status"], row["value"]) == ("share", "no_fit", None)
    assert row["is_identified"] is None
    assert reason in row["reason"]
