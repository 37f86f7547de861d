"""Levels can be told from a file, and what is not understood is refused by name."""

import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest

from quality.errors import ThresholdsRejected
from quality.thresholds import Thresholds, all_gates, override, venue_gates

GATES = all_gates(Thresholds())


@pytest.mark.parametrize("name", GATES)
def test_every_gate_says_its_unit_and_reason_and_has_a_level(name):
    gate = GATES[name]
    assert gate.unit
    assert gate.reason
    assert (gate.soft, gate.hard) != (None, None)
    if gate.soft is not None and gate.hard is not None:
        assert gate.hard <= gate.soft if gate.direction == "at_least" else gate.hard >= gate.soft


def test_the_reasons_that_readers_rely_on_are_there():
    assert set(venue_gates(Thresholds())) >= {
        "low_open_interest",
        "low_volume",
        "bar_coverage",
        "open_interest_coverage",
        "accounting_violations",
        "unit_audit",
        "frozen_open_interest",
        "whale_concentration",
        "single_bar_change",
        "price_deviation",
        "zero_volume",
        "stale",
        "warm_up",
        "single_venue",
    }


def test_thresholds_are_frozen():
    with pytest.raises(FrozenInstanceError):
        Thresholds().price_gap = GATES["price_gap"]


def overridden(told):
    return override(Thresholds(), told, where="here.yaml")


def test_levels_that_are_named_are_replaced_and_no_others():
    changed = overridden(
        {"price_gap": {"soft": 0.01, "hard": 0.5}, "whale_concentration": {"soft": None}}
    )
    assert (changed.price_gap.soft, changed.price_gap.hard) == (0.01, 0.5)
    assert changed.whale_concentration.soft is None
    assert changed.bar_coverage == Thresholds().bar_coverage
    assert changed.price_gap.reason == Thresholds().price_gap.reason


def test_an_empty_file_changes_nothing():
    assert overridden(None) == Thresholds()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"prize_gap": {"soft": 1}}, "did you mean price_gap"),
        ({"zzz": {"soft": 1}}, "known are no_data"),
        ({"price_gap": 1}, "give {soft: number"),
        ({"price_gap": {"sofd": 1}}, "give {soft: number"),
        ({"price_gap": {"soft": 0.1, "2026-13-45": 6}}, "give {soft: number"),
        ({"price_gap": {"soft": "high"}}, "price_gap.soft is 'high'"),
        ({"price_gap": {"soft": float("nan")}}, "finite number"),
        ({"price_gap": {"soft": 10**400}}, "finite number"),
        ({"price_gap": {"soft": True}}, "finite number"),
        ({"bar_coverage": {"hard": 0.999}}, "hard at 0.999 before it is soft at 0.99"),
        ({"stale": {"soft": 30000}}, "hard at 21600 before it is soft at 30000"),
        (["price_gap"], "expected gates by name"),
        ({7: {"soft": 1}}, "no gate is named 7"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(said, message):
    with pytest.raises(ThresholdsRejected, match=message) as caught:
        overridden(said)
    assert "here.yaml" in str(caught.value)


def test_gates_are_read_without_great_expectations():
    heavy = (
        "import sys, quality.thresholds, quality.suites; print('great_expectations' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", heavy], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"


def test_levels_may_be_whole_numbers():
    assert override(Thresholds(), {"stale": {"soft": 60}}, where="here").stale.soft == 60
