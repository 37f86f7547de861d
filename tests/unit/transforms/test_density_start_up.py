"""Start-up mass: positions placed without having seen them open."""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from workbench.density_bars import (
    FLAT,
    ONLY_25X,
    RECURSIONS,
    TURNOVER,
    bars_of,
    dense_of,
    market_bars,
)

from bench.kernel import simulated_bars
from transforms import grid
from transforms.engine import run
from transforms.estimators import ESTIMATORS
from transforms.ladders import default_brackets


@settings(deadline=None, max_examples=60)
@given(market_bars(), st.sampled_from(RECURSIONS), st.sampled_from(["linear", "inverse"]))
def test_start_up_mass_is_what_the_plain_dense_version_follows(bars, name, kind):
    emits = np.arange(len(bars))
    brackets = default_brackets("BTC")
    _, outputs = run(ESTIMATORS[name], bars, emits, brackets=brackets, contract_kind=kind)
    dense = dense_of(ESTIMATORS[name], bars, emits, brackets, kind)
    held = dense.start_up.sum(axis=(2, 3)) + dense.start_up_unlevered
    whole = np.where(bars.open_interest > 0.0, bars.open_interest, 1.0)[:, None]
    assert_allclose(outputs.start_up_ratio, held / whole, rtol=1e-9, atol=1e-12)
    prices = grid.node_price(dense.first_node + np.arange(dense.start_up.shape[-1]))
    bins = (dense.first_node + np.arange(len(prices))) // grid.NODES_PER_BIN
    usd = dense.start_up if kind == "inverse" else dense.start_up * prices
    for emit in emits:
        expected = np.zeros((2, grid.N_PUBLISHED_BINS))
        index = bins - outputs.first_bin[emit]
        is_in = (index >= 0) & (index < outputs.n_bins[emit])
        for side in range(2):
            np.add.at(expected[side], index[is_in], usd[emit, side].sum(axis=0)[is_in])
        shown = outputs.liquidation_usd[emit].sum(axis=1, dtype=np.float64)
        share = np.divide(expected.sum(axis=1), shown, out=np.zeros(2), where=shown > 0.0)
        for side in range(2):
            if share[side] < 0.999e-6:
                assert_array_equal(outputs.start_up_usd[emit, side], 0.0)
            if share[side] > 1.001e-6:
                smallest = 1e-12 * max(usd.max(), 1e-300)
                assert_allclose(
                    outputs.start_up_usd[emit, side], expected[side], rtol=1e-6, atol=smallest
                )
        assert_allclose(outputs.start_up_in_range_ratio[emit], share, rtol=1e-5, atol=1e-9)
    assert np.all(outputs.start_up_usd <= outputs.liquidation_usd * np.float32(1 + 1e-6))


def test_a_side_with_less_than_a_millionth_of_start_up_mass_has_no_map_of_it():
    bars = simulated_bars(12_000, seed=4)
    quick = dataclasses.replace(TURNOVER, provider="quick", turnover_ratio=0.5)
    _, outputs = run(quick, bars, np.arange(11, len(bars), 12), brackets=FLAT)
    has_map = outputs.start_up_usd.any(axis=2)
    assert_array_equal(has_map, outputs.start_up_in_range_ratio > 1e-6)
    assert np.any(outputs.start_up_in_range_ratio[~has_map] > 0.0)
    assert has_map.any()


def test_all_is_start_up_mass_at_the_first_bar_and_little_after_a_week():
    bars = simulated_bars(2_000, seed=4)
    _, outputs = run(TURNOVER, bars, np.arange(len(bars)), brackets=FLAT)
    assert_array_equal(outputs.start_up_usd[0], outputs.liquidation_usd[0])
    assert_allclose(outputs.start_up_ratio[0], 1.0, rtol=1e-12)
    assert np.all(outputs.start_up_ratio[1:] < 1.0)
    assert 0.0 < outputs.start_up_ratio[-1].max() < 0.02


def test_start_up_mass_below_a_trillionth_is_followed_no_longer():
    bars = simulated_bars(30_000, seed=4)
    quick = dataclasses.replace(TURNOVER, provider="quick", turnover_ratio=1.0)
    state, outputs = run(quick, bars, np.array([len(bars) - 1]), brackets=FLAT)
    assert_array_equal(state.start_up_unlevered, 0.0)
    assert_array_equal(state.start_up_low_node, 1)
    assert_array_equal(state.start_up_high_node, 0)
    assert_array_equal(outputs.start_up_usd, 0.0)
    assert_array_equal(outputs.start_up_ratio, 0.0)


def test_a_side_that_vanished_and_is_placed_afresh_is_start_up_mass():
    # The fall empties all longs while none can have closed: who holds them was not seen.
    turning = dataclasses.replace(ONLY_25X, provider="turning", turnover_ratio=0.25)
    bars = bars_of([100.0, 100.0, 90.0], [10.0] * 3, volume=[0.0, 20.0, 0.0])
    _, outputs = run(turning, bars, [1, 2], brackets=FLAT)
    assert_allclose(outputs.start_up_ratio, [[0.75, 0.75], [1.0, 0.75]])
