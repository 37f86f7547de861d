"""Shipped leverage priors against measured positions and realised liquidations."""

from pathlib import Path

import numpy as np
import pytest

from bench.priors import (
    bars_of,
    mean_log_error,
    measured_shares,
    microseconds,
    read_binance,
    read_realised,
    score_flows,
    standing_shares,
)
from transforms.engine import run
from transforms.estimators import ESTIMATORS
from transforms.ladders import default_brackets

RECORDED = Path(__file__).parents[2] / ".." / "shared" / "data"
SNAPSHOT = microseconds("2026-04-05T14:00")


@pytest.fixture(scope="module")
def hours():
    if not RECORDED.is_dir():
        pytest.skip("recorded hours and positions are not at hand: ../shared/data")
    return read_binance(RECORDED, "BTC")


def test_measured_shares_are_those_of_all_accounts_with_a_liquidation_price(hours):
    assert measured_shares(RECORDED).round(3).tolist() == [
        [0.030, 0.094, 0.152, 0.278],
        [0.033, 0.162, 0.323, 0.539],
    ]


@pytest.mark.parametrize(
    ("name", "most"),
    [("turnover", 0.35), ("taker_tilt", 0.35), ("open_interest", 0.70), ("volume_profile", 0.55)],
)
def test_standing_shares_near_price_are_about_those_measured(hours, name, most):
    bars = bars_of(hours.part(hours.bar_end <= SNAPSHOT))
    brackets = default_brackets("BTC")
    _, outputs = run(ESTIMATORS[name], bars, [len(bars) - 1], brackets=brackets)
    measured = measured_shares(RECORDED)
    errors = [mean_log_error(shares, measured) for shares in standing_shares(outputs)]
    assert max(errors) <= most


def test_turnover_explains_realised_hours_and_predicts_what_can_close(hours):
    bars = bars_of(hours)
    ends, realised, _ = read_realised(RECORDED, "BTC", "1h")
    # The first week is warm-up.
    emits = np.arange(168, len(bars))
    at = np.searchsorted(ends, hours.bar_end[emits])
    assert np.array_equal(ends[at], hours.bar_end[emits])
    _, outputs = run(ESTIMATORS["turnover"], bars, emits, brackets=default_brackets("BTC"))
    _, explained, excess = score_flows(outputs, realised[at])
    assert explained > 0.70
    assert excess < 0.03
