import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.checks import Rejects
from sources.venues.declared import VENUES
from sources.venues.instruments import Instrument
from sources.venues.plausibility import (
    AuditLog,
    Observation,
    OpenInterestRows,
    audit_units,
    drop_repeated,
    flag_ahead,
    flag_jumps,
)

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def contract(size=0.01, multiplier=1.0, kind="linear"):
    product = VENUES["okx"].products[0]
    return Instrument(
        "v", "X", "X", "USDT", kind, size, multiplier, None, True, product, "X", "X", {}
    )


def judged(quantities, instrument, price=np.nan, before=None, audited=np.nan, minutes=5):
    """Return which of a row of quantities are refused, with the reasons.

    `before` is the last accepted quantity, or the whole observation.
    """
    known = {}
    if before is not None:
        known["X"] = before if isinstance(before, Observation) else Observation(AT, before)
    rejects = Rejects(len(quantities))
    rows = OpenInterestRows(
        np.asarray(quantities, dtype=float),
        [instrument] * len(quantities),
        [AT + dt.timedelta(minutes=minutes * (1 + n)) for n in range(len(quantities))],
        np.full(len(quantities), price),
        np.full(len(quantities), audited),
    )
    flag_jumps(rows, np.arange(len(quantities)), known, rejects)
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
    reasons = judged([5.0 * factor], instrument, price, before=5.0)
    assert named in reasons[0][1]
    # Trading between the two observations does not hide a large factor.
    if not 0.4 < factor < 2.5:
        assert judged([5.0 * factor * 1.05], instrument, price, before=5.0)


@given(ratio=st.floats(0.56, 1.79))
def test_ordinary_moves_are_never_taken_for_units(ratio):
    assert judged([500.0 * ratio], contract(0.01), 70_000.0, before=500.0) == {}


@pytest.mark.parametrize("ratio", [0.3, 1.9, 2.01, 3.0, 5.0])
def test_large_moves_that_are_no_unit_pass(ratio):
    assert judged([500.0 * ratio], contract(1e-4), 70_000.0, before=500.0) == {}


def test_rows_are_held_against_the_last_good_one_until_the_unit_is_back():
    reasons = judged([100.0, 102.0, 10_200.0, 10_100.0, 101.0, 99.0], contract(0.01))
    assert sorted(reasons) == [2, 3]


def test_first_sight_of_an_instrument_is_taken_unless_no_contract_holds_so_much():
    assert judged([1e12], contract(0.01)) == {}
    assert judged([1e6], contract(0.01), 84_250.0) == {}
    (reason,) = judged([23.6e6], contract(0.01), 84_250.0).values()
    assert reason[1].startswith("worth 1.99e+12 USD, more than any contract has held")


HELD_A_DAY = {"held_count": 12, "held_for": dt.timedelta(days=1)}


def test_a_figure_in_usd_read_as_contracts_is_off_by_the_price_of_a_contract():
    # KuCoin's contract of .001 BTC at 30,000 USD: a figure 30 times too large.
    kucoin = contract(0.001)
    (reason,) = judged([7_000.0 * 30], kucoin, 30_000.0, before=7_000.0).values()
    assert reason[1] == (
        "set aside until confirmed: 210000 is 30 times the observation before: the price of a "
        "contract, so another unit"
    )
    # It drifts, and is still the same jump; back in the old unit it is taken.
    reasons = judged([210e3, 240e3, 280e3, 7_100.0], kucoin, 30_000.0, before=7_000.0)
    assert sorted(reasons) == [0, 1, 2]
    # Days of it confirm nothing: such a figure comes for as long as the unit is wrong.
    held = Observation(AT, 7_000.0, 210e3, 500, dt.timedelta(days=9), is_held_price=True)
    assert judged([210e3], kucoin, 30_000.0, before=held, minutes=9 * 24 * 60)


def test_a_change_that_lasts_for_a_day_is_confirmed_and_taken():
    held = Observation(AT, 500.0, 50_000.0, **HELD_A_DAY)
    assert judged([51_000.0, 52_000.0], contract(0.01), before=held, minutes=24 * 60) == {}
    # Not yet, or not this.
    early = Observation(AT, 500.0, 50_000.0, 11, dt.timedelta(days=1))
    short = Observation(AT, 500.0, 50_000.0, 100, dt.timedelta(hours=23))
    other = Observation(AT, 500.0, 5_000.0, **HELD_A_DAY)
    for before in (early, short, other):
        assert judged([50_000.0], contract(0.01), before=before), before


@pytest.mark.parametrize("factor", [250.0, 1 / 250.0])
def test_beyond_a_hundred_times_is_set_aside_whatever_the_unit(factor):
    (reason,) = judged([500.0 * factor], contract(1.0), before=500.0).values()
    assert reason[1].endswith("beyond 100 times")
    held = Observation(AT, 500.0, 500.0 * factor, **HELD_A_DAY)
    assert judged([500.0 * factor], contract(1.0), before=held) == {}


def test_no_time_confirms_what_is_no_open_interest():
    absurd = Observation(AT, 500.0, 9.87e30, 10_000, dt.timedelta(days=30))
    (reason,) = judged([9.87e30], contract(0.01), before=absurd).values()
    assert reason[1].endswith("no open interest")


def test_a_jump_by_the_price_is_confirmed_where_the_value_beside_it_agrees():
    held = Observation(AT, 500.0, 50_000.0, **HELD_A_DAY, is_held_price=True)
    assert judged([50_000.0], contract(1.0), 100.0, before=held)
    assert judged([50_000.0], contract(1.0), 100.0, before=held, audited=1.01) == {}
    # Not at once: amount and value can be off together.
    assert judged([50_000.0], contract(1.0), 100.0, before=500.0, audited=1.01)


def test_history_from_long_before_is_not_held_against_what_stands_today():
    today = Observation(AT + dt.timedelta(days=20), 50_000.0)
    assert judged([500.0, 510.0], contract(0.01), before=today) == {}
    # Within a day it is: one endpoint may be in another unit than the one that tells today's.
    assert judged([50_000.0 * 842.5], contract(0.01), 84_250.0, before=50_000.0)


def test_instruments_of_one_answer_are_judged_apart():
    one, other = contract(0.01), contract(1.0)
    rejects = Rejects(4)
    object.__setattr__(other, "instrument", "Y")
    rows = OpenInterestRows(
        np.array([100.0, 10_000.0, 101.0, 10_100.0]),
        [one, other, one, other],
        [AT] * 4,
        np.full(4, np.nan),
        np.full(4, np.nan),
    )
    flag_jumps(rows, np.arange(4), {}, rejects)
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


def test_repetitions_are_dropped_and_contradictions_reported():
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
