import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.checks import Rejects
from sources.venues.checks import (
    AuditLog,
    Observation,
    audit_units,
    drop_repeated,
    flag_ahead,
    flag_jumps,
)
from sources.venues.declarations import VENUES
from sources.venues.instruments import Instrument

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def contract(size=0.01, multiplier=1.0, kind="linear"):
    product = VENUES["okx"].products[0]
    return Instrument(
        "v", "X", "X", "USDT", kind, size, multiplier, None, True, product, "X", "X", {}
    )


def judged(quantities, instrument, price=np.nan, before=None):
    """Return which of a row of quantities are refused, with the reasons."""
    rejects = Rejects(len(quantities))
    flag_jumps(
        np.asarray(quantities, dtype=float),
        np.arange(len(quantities)),
        [instrument] * len(quantities),
        np.full(len(quantities), price),
        {} if before is None else {"X": Observation(AT, before)},
        rejects,
    )
    return rejects.reasons


@pytest.mark.parametrize(
    ("factor", "instrument", "price", "named"),
    [
        (100.0, contract(0.01), np.nan, "size of a contract"),
        (0.01, contract(0.01), np.nan, "size of a contract"),
        (10_000.0, contract(1e-4), np.nan, "size of a contract"),
        (1000.0, contract(1000.0, 1000.0), np.nan, "multiplier"),
        (70_000.0, contract(1.0), 70_000.0, "price"),
        (1 / 70_000.0, contract(1.0), 70_000.0, "price"),
        (1000.0, contract(1.0), np.nan, "power of ten"),
        (2.0, contract(1.0), np.nan, "both sides"),
        (0.5, contract(1.0), np.nan, "both sides"),
    ],
)
def test_a_change_of_unit_is_refused_and_named(factor, instrument, price, named):
    reasons = judged([500.0 * factor], instrument, price, before=500.0)
    assert named in reasons[0][1]
    # Trading between the two observations does not hide a large factor.
    if not 0.4 < factor < 2.5:
        assert judged([500.0 * factor * 1.05], instrument, price, before=500.0)


@given(ratio=st.floats(0.56, 1.79))
def test_ordinary_moves_are_never_taken_for_units(ratio):
    assert judged([500.0 * ratio], contract(0.01), 70_000.0, before=500.0) == {}


@pytest.mark.parametrize("ratio", [0.3, 1.9, 2.01, 3.0, 5.0])
def test_large_moves_that_are_no_unit_pass(ratio):
    assert judged([500.0 * ratio], contract(1e-4), 70_000.0, before=500.0) == {}


def test_rows_are_held_against_the_last_good_one_until_the_unit_is_back():
    reasons = judged([100.0, 102.0, 10_200.0, 10_100.0, 101.0, 99.0], contract(0.01))
    assert sorted(reasons) == [2, 3]


def test_first_sight_of_an_instrument_is_taken():
    assert judged([1e12], contract(0.01)) == {}


def test_instruments_of_one_answer_are_judged_apart():
    one, other = contract(0.01), contract(1.0)
    rejects = Rejects(4)
    object.__setattr__(other, "instrument", "Y")
    flag_jumps(
        np.array([100.0, 10_000.0, 101.0, 10_100.0]),
        np.arange(4),
        [one, other, one, other],
        np.full(4, np.nan),
        {},
        rejects,
    )
    assert rejects.reasons == {}


def test_audit_refuses_what_cannot_be_both_and_remembers_the_rest():
    rejects = Rejects(4)
    ratios = audit_units(
        np.array([100.0, 100.0, np.nan, 1.0]), np.array([101.0, 1.0, 5.0, np.nan]), rejects
    )
    assert list(rejects.reasons) == [1]
    assert "another unit" in rejects.reasons[1][1]
    log = AuditLog()
    log.add(ratios[[0, 2, 3]])
    summary = log.summary()
    assert summary.rows == 1
    assert summary.median_ratio == pytest.approx(100 / 101)
    assert np.isnan(AuditLog().summary().median_ratio)


def test_audit_log_does_not_grow_for_ever():
    log = AuditLog(most=10)
    for _ in range(100):
        log.add(np.array([1.0, 2.0]))
    assert len(log.ratios) <= 10


def test_repetitions_are_dropped_and_contradictions_told():
    keys = [1, 1, 2, 2, 3]
    values = [np.array([5.0, 5.0, 6.0, 7.0, np.nan])]
    kept, contradicting = drop_repeated(keys, values, np.array([True, True, True, True, True]))
    assert kept.tolist() == [True, False, True, False, True]
    assert contradicting.tolist() == [False, False, False, True, False]


def test_a_faulty_row_does_not_hide_a_good_one_of_the_same_label():
    kept, contradicting = drop_repeated([1, 1], [np.array([np.nan, 5.0])], np.array([False, True]))
    assert kept.tolist() == [False, True]
    assert not contradicting.any()


def test_clocks_may_differ_a_little_only():
    rejects = Rejects(3)
    flag_ahead(np.array([1000, 1000 + 119_000, 1000 + 121_000]), 1000, rejects)
    assert list(rejects.reasons) == [2]
