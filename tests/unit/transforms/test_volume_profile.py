import dataclasses
import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from bench.kernel import simulated_bars
from transforms import grid
from transforms.engine import density_parameters, run
from transforms.estimators import ESTIMATORS
from transforms.ladders import default_brackets
from transforms.margin import Brackets
from transforms.state import State

PROFILE = ESTIMATORS["volume_profile"]
BRACKETS = default_brackets("BTC")
BARS = simulated_bars(900, seed=6)


def plain_map(bars, last, parameters, brackets):
    """Return nodes and what stands there, (2, n_tiers, n_nodes), written plainly."""
    assumed = density_parameters(parameters, brackets, "linear")
    offsets, weights = assumed.log_offsets, assumed.weights
    part = bars.part(0, last + 1)
    age_days = (last - np.arange(last + 1)) * bars.bar_seconds / 86_400.0
    volume = part.volume * 0.5 ** (age_days / parameters.volume_half_life_days)
    nodes = np.arange(9_000, 12_500)
    standing = np.zeros((2, offsets.shape[1], len(nodes)))
    profile = np.zeros(len(nodes))

    def add(target, position, amount):
        left = np.floor(position).astype(np.int64)
        np.add.at(target, left - nodes[0], amount * (1 - (position - left)))
        np.add.at(target, left - nodes[0] + 1, amount * (position - left))

    for name, share in zip(("open", "high", "low", "close"), parameters.entry_weights, strict=True):
        add(profile, np.log(getattr(part, name)) / grid.LOG_STEP, volume * share)
    filled = np.flatnonzero(profile)
    close = np.log(bars.close[last]) / grid.LOG_STEP
    for side in range(2):
        for tier in range(offsets.shape[1]):
            position = nodes[filled] + offsets[side, tier] / grid.LOG_STEP
            add(standing[side, tier], position, weights[0, tier] * profile[filled])
        standing[side][..., nodes >= close if side == 0 else nodes <= close] = 0.0
        levered = bars.open_interest[last] * (1.0 - weights[0, -1])
        standing[side] *= levered / standing[side].sum()
    return nodes, standing


def test_the_map_is_open_interest_spread_over_the_trailing_profile():
    last = len(BARS) - 1
    _, outputs = run(PROFILE, BARS, [500, last], brackets=BRACKETS)
    nodes, standing = plain_map(BARS, last, PROFILE, BRACKETS)
    assert_allclose(
        outputs.in_range_base[1] + outputs.beyond_base[1], standing.sum(axis=2), rtol=1e-9
    )
    expected = np.zeros((2, grid.N_PUBLISHED_BINS))
    index = nodes // grid.NODES_PER_BIN - outputs.first_bin[1]
    is_in = (index >= 0) & (index < outputs.n_bins[1])
    usd = (standing.sum(axis=1) * grid.node_price(nodes))[:, is_in]
    for side in range(2):
        np.add.at(expected[side], index[is_in], usd[side])
    assert_allclose(outputs.liquidation_usd[1], expected, rtol=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 300), max_size=5))
def test_any_split_into_calls_gives_the_same_bytes_and_maps(cuts):
    bars, emits = BARS.part(0, 300), np.arange(11, 300, 12)
    whole, outputs = run(PROFILE, bars, emits, brackets=BRACKETS)
    state, maps, counts = None, [], []
    edges = [0, *sorted(cuts), 300]
    for start, stop in itertools.pairwise(edges):
        inside = emits[(emits >= start) & (emits < stop)] - start
        state, part = run(PROFILE, bars.part(start, stop), inside, brackets=BRACKETS, state=state)
        state = State.from_bytes(state.to_bytes())
        maps.append(part.liquidation_usd)
        counts.append(part.bar_count)
    assert state.to_bytes() == whole.to_bytes()
    assert_array_equal(np.concatenate(maps), outputs.liquidation_usd)
    assert_array_equal(np.concatenate(counts), outputs.bar_count)


def test_a_map_far_from_where_was_traded_is_the_same_in_one_call_and_in_two():
    far = dataclasses.replace(
        BARS.part(0, 2),
        **{
            name: np.array([100.0, 30.0])
            for name in ("open", "high", "low", "close", "mark_high", "mark_low")
        },
    )
    _, whole = run(PROFILE, far, [0, 1, 1], brackets=BRACKETS)
    state, _ = run(PROFILE, far.part(0, 1), [0], brackets=BRACKETS)
    state, after = run(PROFILE, far.part(1, 2), [0], brackets=BRACKETS, state=state)
    _, later = run(PROFILE, far.part(0, 0), [-1], brackets=BRACKETS, state=state)
    assert_array_equal(after.liquidation_usd[0], whole.liquidation_usd[1])
    assert_array_equal(later.liquidation_usd[0], whole.liquidation_usd[1])
    assert_array_equal(later.beyond_base, after.beyond_base)


def test_what_the_close_has_passed_is_left_out_and_the_rest_makes_open_interest():
    emits = np.arange(len(BARS))
    _, outputs = run(PROFILE, BARS, emits, brackets=BRACKETS)
    price = grid.bin_center(outputs.first_bin[:, None] + np.arange(grid.N_PUBLISHED_BINS))
    half = np.exp(grid.LOG_STEP)
    assert not outputs.liquidation_usd[:, 0][price > outputs.close[:, None] * half].any()
    assert not outputs.liquidation_usd[:, 1][price < outputs.close[:, None] / half].any()
    assert outputs.books_error.max() < 1e-12
    assert_allclose(
        outputs.unlevered_base, 0.1 * np.stack([BARS.open_interest] * 2, axis=1), rtol=1e-12
    )


def test_where_everything_has_been_passed_all_is_unlevered():
    only = dataclasses.replace(
        PROFILE, provider="only_10x", leverages=(10.0,), weights=(0.9,), half_lives_days=(1.0,)
    )
    bars = dataclasses.replace(
        BARS.part(0, 2),
        **{
            name: np.array([100.0, 50.0])
            for name in ("open", "high", "low", "close", "mark_high", "mark_low")
        },
        volume=np.array([10.0, 0.0]),
    )
    _, outputs = run(only, bars, [1], brackets=Brackets.from_ratios([0.0], [0.005], [50.0]))
    assert_array_equal(outputs.unlevered_base[0, 0], bars.open_interest[1])
    assert_array_equal(outputs.liquidation_usd[0, 0], 0.0)
    assert outputs.beyond_base[0, 1, 0] > 0.0


def test_without_any_volume_all_is_unlevered():
    still = dataclasses.replace(BARS.part(0, 3), volume=np.zeros(3))
    _, outputs = run(PROFILE, still, [2], brackets=BRACKETS)
    assert_allclose(outputs.unlevered_base[0], still.open_interest[2])


def test_what_needs_positions_followed_in_time_is_not_stated():
    _, outputs = run(PROFILE, BARS.part(0, 24), [11, 23], brackets=BRACKETS)
    for name in (
        "consumed_quantity",
        "consumed_usd",
        "swept_quantity",
        "swept_usd",
        "excess_quantity",
        "balance_min",
        "start_up_ratio",
        "start_up_in_range_ratio",
    ):
        assert np.isnan(getattr(outputs, name)).all()
    assert_array_equal(outputs.start_up_usd, 0.0)
    assert_array_equal(outputs.bar_count, [12, 12])
    assert_array_equal(outputs.last_price_count, [0, 0])


def test_a_profile_survives_more_half_lives_than_a_float_holds():
    quick = dataclasses.replace(PROFILE, provider="quick", volume_half_life_days=1e-4)
    _, outputs = run(quick, BARS.part(0, 200), [199], brackets=BRACKETS)
    assert outputs.books_error.max() < 1e-12
    assert np.isfinite(outputs.liquidation_usd).all()
