"""Each gate is declared once, and levels that make no sense are refused by name."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from bench.quality_evidence import gate_table
from quality.errors import ThresholdsRejected
from quality.gates import declared_gates, override_levels, venue_gates

GATES = declared_gates()
ROOT = Path(__file__).resolve().parents[3]
SQL = ROOT / "sql"


@pytest.mark.parametrize("name", GATES)
def test_every_gate_says_its_unit_and_reason_and_has_a_level(name):
    gate = GATES[name]
    assert gate.unit
    assert gate.reason
    assert (gate.soft, gate.hard) != (None, None)
    if gate.soft is not None and gate.hard is not None:
        assert gate.hard <= gate.soft if gate.direction == "at_least" else gate.hard >= gate.soft


def test_the_reasons_that_readers_rely_on_are_there():
    assert set(venue_gates(GATES)) >= {
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


def test_gates_are_frozen():
    with pytest.raises(FrozenInstanceError):
        GATES["price_gap"].soft = 1.0


def test_a_gate_of_a_venue_measures_a_column_that_is_stored():
    contract = (SQL / "intermediate" / "int_quality_measures.yaml").read_text()
    overlap = {"provider_overlap_ratio"}
    for gate in venue_gates(GATES).values():
        assert gate.measure in contract or gate.measure in overlap, gate


def test_levels_change_with_the_page_that_gives_the_evidence_for_them():
    page = (ROOT / "docs" / "quality_thresholds.md").read_text().splitlines()
    assert set(gate_table()) <= set(page)


def overridden(levels):
    return override_levels(GATES, levels, where="here.yaml")


def test_levels_that_are_named_are_replaced_and_no_others():
    changed = overridden(
        {"price_gap": {"soft": 0.01, "hard": 0.5}, "whale_concentration": {"soft": None}}
    )
    assert (changed["price_gap"].soft, changed["price_gap"].hard) == (0.01, 0.5)
    assert changed["whale_concentration"].soft is None
    assert changed["bar_coverage"] == GATES["bar_coverage"]
    assert changed["price_gap"].reason == GATES["price_gap"].reason
    assert list(changed) == list(GATES)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"prize_gap": {"soft": 1}}, "did you mean price_gap"),
        ({"zzz": {"soft": 1}}, "known are no_data"),
        ({"bar_coverage": {"hard": 0.999}}, "hard at 0.999 before it is soft at 0.99"),
        ({"stale": {"soft": 30000}}, "hard at 21600 before it is soft at 30000"),
        ({"set_apart": {"hard": 3.0}}, "int_set_apart.sql leaves venues out of sums at 1.5"),
        ({"set_apart": {"hard": None}}, "levels of set_apart cannot be changed"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(levels, message):
    with pytest.raises(ThresholdsRejected, match=message) as caught:
        overridden(levels)
    assert "here.yaml" in str(caught.value)


def test_a_fixed_level_may_be_repeated():
    assert overridden({"set_apart": {"hard": 1.5}}) == GATES


def test_gates_are_read_without_great_expectations():
    heavy = "import sys, quality.gates, quality.suites; print('great_expectations' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", heavy], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"
