"""The ledger against the same model written plainly, and against its invariants."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from workbench.dense_ledger import dense_ledger
from workbench.ledger_bars import advance_in_parts, ends_of_spans, gappy_bars

from bench.kernel import simulated_bars
from transforms.grid import NODES_PER_BIN
from transforms.ledger import LEDGERS, LedgerState, advance

PATH, VOLUME = LEDGERS["path_ledger"], LEDGERS["volume_ledger"]
EITHER = st.sampled_from([PATH, VOLUME])
WEIGHTS = np.random.default_rng(7).exponential(size=64)


def by_distance(array):
    """Return rows as two axes, distance and half-life."""
    return array.reshape(*array.shape[:-1], 16, 4)


@settings(deadline=None, max_examples=60)
@given(st.data(), gappy_bars(), EITHER, st.sampled_from(["linear", "inverse"]))
def test_the_kernel_agrees_with_the_plain_dense_version(data, bars, parameters, kind):
    ends = data.draw(ends_of_spans(bars))
    _, outputs = advance(
        parameters, bars, ends, weights=WEIGHTS, wants_standing=True, contract_kind=kind
    )
    dense = dense_ledger(parameters, bars, ends, kind)
    near = {"rtol": 1e-9, "atol": 1e-12 * max(dense.standing.max(initial=0.0), 1e-9)}
    assert_allclose(by_distance(outputs.exposure), dense.exposure, **near)
    assert_allclose(outputs.move, dense.move, rtol=1e-9, atol=1e-12)
    assert_allclose(outputs.log_age, dense.log_age, rtol=1e-9, atol=1e-9)
    for span in range(len(ends)):
        held = dense.standing[span].reshape(2, 64, -1)
        node = dense.first_node + np.arange(held.shape[-1])
        index = node // NODES_PER_BIN - outputs.first_bin[span]
        is_published = (index >= 0) & (index < outputs.n_bins[span])
        by_bin = np.zeros((2, 501, 64))
        np.add.at(
            by_bin, (slice(None), index[is_published]), held[..., is_published].swapaxes(1, 2)
        )
        close = {"rtol": 1e-6, "atol": 1e-6 * near["atol"]}
        assert_allclose(outputs.standing[span], by_bin, **close)
        assert_allclose(outputs.map[span], by_bin @ WEIGHTS, **close)
        beyond = WEIGHTS @ held[..., ~is_published].sum(axis=-1).T
        assert_allclose(outputs.beyond[span], beyond, **close)


@settings(deadline=None, max_examples=60)
@given(st.data(), gappy_bars(), EITHER)
def test_results_do_not_depend_on_how_bars_are_split_into_calls(data, bars, parameters):
    ends = data.draw(ends_of_spans(bars))
    cuts = data.draw(st.lists(st.integers(0, len(bars)), max_size=4))
    options = {"weights": WEIGHTS, "wants_standing": True}
    whole_state, whole = advance(parameters, bars, ends, **options)
    state, parts = advance_in_parts(parameters, bars, ends, cuts, **options)
    assert state.to_bytes() == whole_state.to_bytes()
    for field in dataclasses.fields(whole):
        joined = np.concatenate([getattr(part, field.name) for part in parts])
        assert_array_equal(joined, getattr(whole, field.name), err_msg=field.name)


def test_a_state_survives_bytes_bit_for_bit():
    state, _ = advance(VOLUME, simulated_bars(100, seed=2), np.arange(11, 90, 12))
    again = LedgerState.from_bytes(state.to_bytes())
    for field in dataclasses.fields(LedgerState):
        own, other = getattr(state, field.name), getattr(again, field.name)
        assert_array_equal(own, other, err_msg=field.name, strict=True)


@pytest.mark.parametrize("parameters", LEDGERS.values(), ids=str)
def test_a_ledger_has_64_rows(parameters):
    assert parameters.n_rows == 64
