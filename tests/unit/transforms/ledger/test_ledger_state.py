"""States of a ledger as bytes, and what a ledger refuses."""

import dataclasses

import numpy as np
import pytest
from workbench.ledger_bars import HOUR, PATH, START, VOLUME, hourly_bars
from workbench.state_bytes import assert_survives_bytes

from bench.kernel import simulated_bars
from transforms.errors import InvalidInput, InvalidParameters, UnreadableState
from transforms.ledger import LedgerState, advance
from transforms.state import State

BARS = simulated_bars(100, seed=2)
STATE, _ = advance(VOLUME, BARS, np.arange(11, 90, 12))


@pytest.mark.parametrize("state", [STATE, LedgerState.empty(PATH)], ids=["held", "empty"])
def test_a_state_survives_bytes_bit_for_bit(state):
    assert_survives_bytes(state)


def test_bytes_hold_what_is_on_nodes_and_no_empty_ones():
    n_filled = np.count_nonzero(STATE.nodes) + np.count_nonzero(STATE.amount_hours)
    assert len(STATE.to_bytes()) < 8 * n_filled + 10_000
    assert len(STATE.to_bytes()) < STATE.nodes.nbytes / 2


def test_bytes_of_another_kind_or_layout_or_torn_ones_are_refused():
    payload = STATE.to_bytes()
    with pytest.raises(UnreadableState, match="no state of a ledger"):
        LedgerState.from_bytes(State.empty(18).to_bytes())
    with pytest.raises(UnreadableState, match="no state of a ledger"):
        LedgerState.from_bytes(payload[:20])
    older = payload[:7] + b"\x00" + payload[8:]
    with pytest.raises(UnreadableState, match="has layout 0, this version reads 1; drop it"):
        LedgerState.from_bytes(older)
    with pytest.raises(UnreadableState, match="torn or changed"):
        LedgerState.from_bytes(payload[:-9])
    with pytest.raises(UnreadableState, match="torn or changed"):
        LedgerState.from_bytes(payload[:500] + bytes([payload[500] ^ 1]) + payload[501:])


def test_a_state_is_left_as_it_was():
    before = STATE.to_bytes()
    advance(VOLUME, BARS, np.arange(100), state=STATE, weights=np.ones(64))
    assert STATE.to_bytes() == before


def test_a_state_of_another_ledger_is_refused():
    with pytest.raises(InvalidInput, match="replay the series from its first bar"):
        advance(PATH, BARS, [], state=STATE)
    other = dataclasses.replace(VOLUME, range_floor=2e-4)
    assert other.structure_hash != VOLUME.structure_hash
    assert dataclasses.replace(VOLUME, provider="mine").structure_hash == VOLUME.structure_hash


@pytest.mark.parametrize(
    ("span_after", "message"),
    [
        ([3, 2], "never decrease"),
        ([100], r"from -1 to 99"),
        ([-2], r"from -1 to 99"),
        ([-1], "before the first bar of the series"),
        ([0.5], "bar indices"),
    ],
)
def test_spans_that_do_not_fit_the_bars_are_refused(span_after, message):
    with pytest.raises(InvalidInput, match=message):
        advance(PATH, BARS, span_after)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(63), r"shape \(63,\), path_ledger has 64 rows"),
        (np.ones((3, 64)), r"expected \(64,\) or \(2, 64\)"),
        (np.full(64, np.nan), "not finite"),
        (np.full(64, -1.0), "at least 0"),
    ],
)
def test_weights_that_do_not_fit_the_rows_are_refused(weights, message):
    with pytest.raises(InvalidInput, match=message):
        advance(PATH, BARS, [0, 1], weights=weights)


def test_missing_bars_need_the_ends_of_bars():
    has_gap = np.array([True, False, True])
    bars = hourly_bars([1.0, 1.0, 1.0], has_gap_before=has_gap, bar_end=None)
    with pytest.raises(InvalidInput, match=r"missing before bar 2 and bars\.bar_end is not"):
        advance(PATH, bars, [0])


def test_bars_that_the_state_has_seen_are_refused():
    bars = hourly_bars([1.0, 2.0])
    state, _ = advance(PATH, bars, [0])
    with pytest.raises(InvalidInput, match="hand in only bars that follow"):
        advance(PATH, bars, [], state=state)
    # Without ends, bars follow what the state has seen.
    follows = dataclasses.replace(bars, bar_end=None)
    assert advance(PATH, follows, [], state=state)[0].last_end == START + 3 * HOUR


def test_an_unknown_kind_of_contract_is_refused():
    with pytest.raises(InvalidInput, match="contract_kind is 'quanto'"):
        advance(VOLUME, BARS, [0], contract_kind="quanto")


@pytest.mark.parametrize(
    "changes",
    [
        {"deposit": "open_interest"},
        {"distances": ()},
        {"distances": (0.1, 0.05)},
        {"distances": (0.0, 0.05)},
        {"half_lives_days": (1.0, 4.0, 15.0)},
        {"half_lives_days": (1.0, 4.0, 15.0, np.inf)},
        {"entry_weights": (0.5, 0.5, 0.5, -0.5)},
        {"entry_weights": (0.25, 0.25, 0.25, 0.2)},
        {"range_floor": 0.0},
        {"range_floor": np.nan},
    ],
)
def test_values_that_describe_no_ledger_are_refused(changes):
    with pytest.raises(InvalidParameters, match=next(iter(changes))):
        dataclasses.replace(PATH, **changes)
