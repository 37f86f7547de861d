"""The density recursion against its invariants, and against the same model written plainly."""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from workbench.density_bars import (
    FLAT,
    RECURSIONS,
    TURNOVER,
    bars_of,
    dense_of,
    market_bars,
    mirrored,
)

from bench.kernel import simulated_bars
from transforms import density, grid
from transforms.accounting import opens_and_closes
from transforms.density.recursion import REFRESH_BARS, advance_rows
from transforms.density.tier_rows import node_prices
from transforms.engine import run
from transforms.estimators import ESTIMATORS
from transforms.ladders import default_brackets
from transforms.series import Bars
from transforms.state import State


def extreme(function, balance):
    is_known = ~np.isnan(balance).all(axis=1)
    result = np.full(len(balance), np.nan)
    result[is_known] = function(balance[is_known], axis=1)
    return result


def assert_outputs_equal(first, second):
    for field in dataclasses.fields(first):
        assert_array_equal(
            getattr(first, field.name), getattr(second, field.name), err_msg=field.name
        )


def joined(parts):
    return type(parts[0])(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in dataclasses.fields(parts[0])
        }
    )


@settings(deadline=None, max_examples=150)
@given(
    market_bars(),
    st.sampled_from(RECURSIONS),
    st.sampled_from([0.0, 0.25, 1.0]),
    st.sampled_from(["linear", "inverse"]),
)
def test_the_kernel_agrees_with_the_plain_dense_version(bars, name, turnover_ratio, kind):
    parameters = dataclasses.replace(ESTIMATORS[name], turnover_ratio=turnover_ratio)
    emits = np.arange(len(bars))
    brackets = default_brackets("BTC")
    state, outputs = run(parameters, bars, emits, brackets=brackets, contract_kind=kind)
    dense = dense_of(parameters, bars, emits, brackets, kind)
    scale = bars.open_interest.max()
    near = {"rtol": 1e-9, "atol": 1e-12 * scale}

    assert_allclose(outputs.consumed_quantity.sum(axis=2), dense.consumed, **near)
    assert_allclose(outputs.swept_quantity.sum(axis=2), dense.swept, **near)
    assert_allclose(outputs.excess_quantity, dense.excess, **near)
    assert_allclose(outputs.balance_min, extreme(np.nanmin, dense.balance), rtol=1e-9)
    assert_allclose(outputs.balance_max, extreme(np.nanmax, dense.balance), rtol=1e-9)
    is_usd = kind == "inverse"
    unlevered = outputs.unlevered_usd if is_usd else outputs.unlevered_base
    assert_allclose(unlevered, dense.unlevered, **near)

    prices = grid.node_price(dense.first_node + np.arange(dense.standing.shape[-1]))
    base = dense.standing / bars.close[:, None, None, None] if is_usd else dense.standing
    usd = dense.standing if is_usd else dense.standing * prices
    assert_allclose(
        outputs.in_range_base + outputs.beyond_base,
        base.sum(axis=-1),
        rtol=1e-9,
        atol=1e-12 * base.max(),
    )
    assert_allclose(
        outputs.in_range_usd + outputs.beyond_usd,
        usd.sum(axis=-1),
        rtol=1e-9,
        atol=1e-12 * usd.max(),
    )
    bins = (dense.first_node + np.arange(len(prices))) // grid.NODES_PER_BIN
    distance = np.abs(np.log(prices / bars.close[:, None]))
    for emit in emits:
        first, count = grid.published_bins(bars.close[emit])
        assert (outputs.first_bin[emit], outputs.n_bins[emit]) == (first, count)
        expected = np.zeros((2, grid.N_PUBLISHED_BINS))
        is_in = (bins >= first) & (bins < first + count)
        for side in range(2):
            np.add.at(expected[side], bins[is_in] - first, usd[emit, side].sum(axis=0)[is_in])
        assert_allclose(outputs.liquidation_usd[emit], expected, rtol=1e-6, atol=1e-12 * usd.max())
        is_clear = np.abs(distance[emit] - grid.NEAR_RANGE) > 1e-9
        if is_clear.all():
            is_near = distance[emit] <= grid.NEAR_RANGE
            assert_allclose(
                outputs.near_usd[emit],
                usd[emit][..., is_near].sum(axis=-1),
                rtol=1e-9,
                atol=1e-12 * usd.max(),
            )
    held = state.standing().reshape((*dense.standing.shape[1:3], -1))
    start = state.first_node - dense.first_node
    inside = dense.standing[-1][..., start : start + held.shape[-1]]
    assert_allclose(held, inside, rtol=1e-9, atol=1e-12 * scale)
    assert_allclose(inside.sum(), dense.standing[-1].sum())


@settings(deadline=None, max_examples=100)
@given(market_bars(), st.sampled_from(list(ESTIMATORS)), st.sampled_from(["linear", "inverse"]))
def test_in_range_and_beyond_and_unlevered_make_open_interest(bars, name, kind):
    emits = np.arange(len(bars))
    _, outputs = run(ESTIMATORS[name], bars, emits, brackets=FLAT, contract_kind=kind)
    booked = outputs.unlevered_base + (outputs.in_range_base + outputs.beyond_base).sum(axis=2)
    expected = bars.open_interest / bars.close if kind == "inverse" else bars.open_interest
    assert_allclose(booked, np.stack([expected] * 2, axis=1), rtol=1e-11)
    assert outputs.books_error.max() < 1e-11
    assert_allclose(
        outputs.liquidation_usd.sum(axis=2), outputs.in_range_usd.sum(axis=2), rtol=1e-5
    )
    assert np.all(outputs.liquidation_usd >= 0.0)
    assert np.all(outputs.near_usd <= outputs.in_range_usd)


@settings(deadline=None, max_examples=100)
@given(st.data(), market_bars(), st.sampled_from(list(ESTIMATORS)))
def test_any_split_into_calls_gives_the_same_bytes_and_outputs(data, bars, name):
    n_bars = len(bars)
    emits = np.sort(data.draw(st.lists(st.integers(0, n_bars - 1), max_size=12)))
    emits = emits.astype(np.int64)
    cuts = sorted(data.draw(st.lists(st.integers(0, n_bars), max_size=6)))
    whole, outputs = run(ESTIMATORS[name], bars, emits, brackets=FLAT)
    state, parts, done = None, [], 0
    for start, stop in zip([0, *cuts], [*cuts, n_bars], strict=True):
        # An instant right at a cut may be requested on either side of it.
        goes_over = data.draw(st.booleans()) and stop < n_bars
        last = stop - 1 if goes_over else stop
        until = np.searchsorted(emits, last, side="left")
        state, part = run(
            ESTIMATORS[name],
            bars.part(start, stop),
            emits[done : max(until, done)] - start,
            brackets=FLAT,
            state=state,
        )
        state = State.from_bytes(state.to_bytes())
        parts.append(part)
        done = max(until, done)
    assert done == len(emits)
    assert state.to_bytes() == whole.to_bytes()
    assert_outputs_equal(joined(parts), outputs)


def test_a_year_long_run_agrees_with_itself_in_parts_and_keeps_its_books():
    bars = simulated_bars(10_000, seed=3)
    emits = np.arange(11, len(bars), 12)
    whole, outputs = run(TURNOVER, bars, emits, brackets=FLAT)
    state, parts = None, []
    for start in range(0, len(bars), 1200):
        stop = min(start + 1200, len(bars))
        inside = emits[(emits >= start) & (emits < stop)] - start
        state, part = run(TURNOVER, bars.part(start, stop), inside, brackets=FLAT, state=state)
        parts.append(part)
    assert state.to_bytes() == whole.to_bytes()
    assert_outputs_equal(joined(parts), outputs)
    assert outputs.books_error.max() < 1e-12


def test_totals_summed_anew_and_folded_multipliers_agree_with_the_dense_version():
    bars = simulated_bars(5 * REFRESH_BARS + 60, seed=5)
    fast = dataclasses.replace(
        TURNOVER,
        provider="fast",
        leverages=(20.0, 100.0),
        weights=(0.9, 0.1),
        half_lives_days=(40.0, 0.01),
        unlevered_share=0.0,
        turnover_ratio=1.0,
    )
    emits = np.array([200, 1000, len(bars) - 1])
    _, outputs = run(fast, bars, emits, brackets=FLAT)
    dense = dense_of(fast, bars, emits, FLAT)
    assert_allclose(
        outputs.in_range_base + outputs.beyond_base, dense.standing.sum(axis=-1), rtol=1e-9
    )


@settings(deadline=None, max_examples=50)
@given(market_bars())
def test_shorts_of_a_price_are_longs_of_its_reciprocal(bars):
    weights = np.array([[0.5, 0.2, 0.3], [0.4, 0.4, 0.2], [0.6, 0.0, 0.4]])
    change = np.diff(bars.open_interest, prepend=0.0)
    opened, closed = opens_and_closes(bars.volume, change, 0.5)

    def standing(market):
        state, outputs = density.advance(
            State.empty(4),
            market,
            np.array([len(bars) - 1]),
            density.Flows(opened, closed, is_violation=np.zeros(len(bars), dtype=np.bool_)),
            density.DensityParameters(
                log_offsets=np.array([[-0.1, -0.02], [0.1, 0.02]]),
                weights=weights,
                hazards=np.array([0.1, 2.0, 0.05]),
                entry_weights=np.array([0.3, 0.1, 0.1, 0.5]),
                uses_mark=True,
                uses_taker=True,
            ),
        )
        return state, outputs

    state, outputs = standing(bars)
    mirror, mirror_outputs = standing(mirrored(bars))
    scale = bars.open_interest.max()
    assert_allclose(
        outputs.consumed_quantity[:, ::-1],
        mirror_outputs.consumed_quantity,
        rtol=1e-6,
        atol=1e-9 * scale,
    )
    own, other = np.zeros((2, 4, 200_001))
    for target, one in ((own, state), (other, mirror)):
        first = one.first_node + 100_000
        target[:, first : first + one.nodes.shape[1]] = one.standing()
    assert_allclose(own[[2, 3, 0, 1], ::-1], other, rtol=1e-6, atol=1e-9 * scale)


@settings(deadline=None, max_examples=30)
@given(market_bars(), st.sampled_from(RECURSIONS), st.sampled_from([2.0**-20, 2.0, 1024.0]))
def test_quantities_in_another_unit_give_the_same_map_in_that_unit(bars, name, unit):
    emits = np.arange(len(bars))
    scaled = dataclasses.replace(
        bars,
        volume=bars.volume * unit,
        taker_buy=bars.taker_buy * unit,
        open_interest=bars.open_interest * unit,
    )
    _, outputs = run(ESTIMATORS[name], bars, emits, brackets=FLAT)
    _, in_unit = run(ESTIMATORS[name], scaled, emits, brackets=FLAT)
    assert_allclose(
        in_unit.liquidation_usd, outputs.liquidation_usd * np.float32(unit), rtol=1e-6, atol=1e-30
    )
    assert_array_equal(outputs.consumed_quantity * unit, in_unit.consumed_quantity)
    assert_array_equal(outputs.balance_max, in_unit.balance_max)


def test_a_hundredfold_rise_and_fall_keeps_the_books():
    prices = np.concatenate([np.geomspace(1.0, 100.0, 300), np.geomspace(100.0, 0.5, 300)])
    bars = bars_of(prices, np.full(600, 50.0), volume=np.full(600, 40.0))
    state, outputs = run(TURNOVER, bars, np.arange(600), brackets=FLAT)
    assert outputs.books_error.max() < 1e-12
    assert state.nodes.shape[1] < (np.log(200.0) + 1.2) / grid.LOG_STEP


def test_compiled_code_has_the_grid_that_the_rest_has():
    nodes = np.arange(-3, 4)
    assert_allclose(node_prices(-3, 7), grid.node_price(nodes), rtol=1e-15)


def test_no_argument_is_changed():
    bars = simulated_bars(30, seed=1)
    before = {name: getattr(bars, name).copy() for name in ("open", "volume", "taker_buy")}
    state, _ = run(TURNOVER, bars, [29], brackets=FLAT)
    payload = state.to_bytes()
    run(TURNOVER, bars, [29], brackets=FLAT, state=state)
    assert state.to_bytes() == payload
    for name, column in before.items():
        assert_array_equal(getattr(bars, name), column)


def test_the_kernel_is_compiled_once_whatever_arrays_it_is_given():
    bars = simulated_bars(30, seed=1)
    not_columns = ("bar_seconds", "bar_end")
    columns = {
        name: getattr(bars, name).copy() for name in Bars.__slots__ if name not in not_columns
    }
    for column in columns.values():
        column.setflags(write=False)
    frozen = Bars(**columns, bar_seconds=300)
    strided = Bars(
        **{name: np.repeat(each, 2)[::2] for name, each in columns.items()}, bar_seconds=300
    )
    for one in (frozen, strided, bars.part(3, 9)):
        state, _ = run(TURNOVER, one, [1], brackets=FLAT)
        run(TURNOVER, one, np.array([1], dtype=np.int32), brackets=FLAT, state=state)
        run(ESTIMATORS["taker_tilt"], one, [], brackets=FLAT, contract_kind="inverse")
        run(ESTIMATORS["volume_profile"], one, [1], brackets=FLAT)
    assert len(advance_rows.signatures) == 1
