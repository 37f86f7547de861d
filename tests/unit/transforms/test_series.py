import dataclasses
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from workbench.state_bytes import assert_survives_bytes

from bench.kernel import simulated_bars
from transforms.engine import run
from transforms.errors import InvalidInput, UnreadableState
from transforms.estimators import ESTIMATORS
from transforms.ladders import default_brackets
from transforms.series import Bars
from transforms.state import State

BARS = simulated_bars(60, seed=2)
STATE, _ = run(ESTIMATORS["turnover"], BARS, [20], brackets=default_brackets("BTC"))
PAYLOAD = STATE.to_bytes()


def with_value(name, bar, value):
    column = getattr(BARS, name).copy()
    column[bar] = value
    return dataclasses.replace(BARS, **{name: column})


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume", "open_interest"])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_value_that_cannot_be_is_refused_by_column_and_bar(name, value):
    with pytest.raises(InvalidInput, match=rf"bars\.{name}\[17\] is .*1 of 60 bars"):
        with_value(name, 17, value)


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "mark_high", "mark_low"])
def test_a_price_of_zero_is_refused(name):
    with pytest.raises(InvalidInput, match=rf"bars\.{name}\[0\] is 0.0"):
        with_value(name, 0, 0.0)


@pytest.mark.parametrize("name", ["mark_high", "mark_low", "taker_buy"])
def test_missing_marks_and_taker_volume_are_allowed_and_infinite_ones_refused(name):
    assert np.isnan(getattr(with_value(name, 5, np.nan), name)[5])
    with pytest.raises(InvalidInput, match=rf"bars\.{name}\[5\] is inf"):
        with_value(name, 5, np.inf)


@pytest.mark.parametrize("name", ["volume", "open_interest", "taker_buy"])
def test_amounts_of_zero_are_allowed(name):
    assert getattr(with_value(name, 5, 0.0), name)[5] == 0.0


@pytest.mark.parametrize("name", ["high", "mark_high"])
def test_a_high_below_the_low_is_refused(name):
    with pytest.raises(InvalidInput, match=rf"bars\.{name}\[3\] is 1.0, expected at least the"):
        with_value(name, 3, 1.0)


def test_columns_of_another_length_and_bars_without_length_are_refused():
    with pytest.raises(InvalidInput, match=r"bars\.close has shape \(59,\), expected \(60,\)"):
        dataclasses.replace(BARS, close=BARS.close[1:])
    with pytest.raises(InvalidInput, match="bar_seconds is 0"):
        dataclasses.replace(BARS, bar_seconds=0)


def test_a_part_holds_the_bars_from_start_up_to_stop():
    bars = dataclasses.replace(BARS, bar_end=BARS.bar_seconds * 10**6 * np.arange(len(BARS)))
    part = bars.part(3, 10)
    assert len(part) == 7
    for field in dataclasses.fields(Bars):
        if field.name != "bar_seconds":
            assert_array_equal(getattr(part, field.name), getattr(bars, field.name)[3:10])
    assert BARS.part(3, 10).bar_end is None


def test_bars_that_overlap_or_have_ends_of_another_length_are_refused():
    ends = BARS.bar_seconds * 10**6 * np.arange(len(BARS))
    with pytest.raises(InvalidInput, match=r"bar_end has shape \(59,\), expected \(60,\)"):
        dataclasses.replace(BARS, bar_end=ends[1:])
    ends[7] -= 1
    with pytest.raises(InvalidInput, match=r"bar_end\[7\] is 299999999 microseconds after"):
        dataclasses.replace(BARS, bar_end=ends)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_a_state_survives_bytes_bit_for_bit(name):
    state, _ = run(ESTIMATORS[name], BARS, [20], brackets=default_brackets("BTC"))
    assert_survives_bytes(state)


def test_an_empty_state_survives_bytes():
    again = State.from_bytes(State.empty(18, "abc").to_bytes())
    assert again.params_hash == "abc"
    assert np.isnan(again.close)
    assert again.nodes.shape == (18, 0)


@given(st.integers(0, len(PAYLOAD) - 1))
def test_bytes_cut_short_are_refused(length):
    with pytest.raises(UnreadableState, match="replay from an older checkpoint"):
        State.from_bytes(PAYLOAD[:length])


@given(st.integers(0, len(PAYLOAD) - 1), st.integers(1, 255))
def test_changed_bytes_are_refused(position, mask):
    changed = bytearray(PAYLOAD)
    changed[position] ^= mask
    with pytest.raises(UnreadableState):
        State.from_bytes(bytes(changed))


def test_bytes_of_another_version_are_refused():
    other = bytearray(PAYLOAD)
    other[7] = 99
    other[-4:] = struct.pack("<I", zlib.crc32(bytes(other[:-4])))
    with pytest.raises(UnreadableState, match="this version reads"):
        State.from_bytes(bytes(other))


def test_a_hash_that_does_not_fit_is_refused():
    with pytest.raises(InvalidInput, match="65 characters"):
        State.empty(2, "x" * 65).to_bytes()


def test_bytes_hold_the_spanned_nodes_only():
    n_spanned = int(np.sum(STATE.high_node - STATE.low_node + 1))
    n_spanned += int(np.sum(STATE.start_up_high_node - STATE.start_up_low_node + 1))
    assert len(PAYLOAD) < 8 * n_spanned + 8 * 10 * len(STATE.total) + 300
    assert n_spanned < STATE.nodes.size / 10
