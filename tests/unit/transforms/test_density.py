"""The recursion against its invariants, and against the same model written plainly."""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from bench.dense import dense_density
from bench.kernel import simulated_bars
from transforms import density, grid
from transforms.accounting import opens_and_closes
from transforms.density.recursion import REFRESH_BARS, advance_rows
from transforms.density.tier_rows import node_prices
from transforms.engine import density_parameters, run
from transforms.estimators import ESTIMATORS
from transforms.ladders import default_brackets
from transforms.margin import Brackets
from transforms.series import Bars
from transforms.state import State

FLAT = Brackets.from_ratios([0.0], [0.005], [125.0])
TURNOVER = ESTIMATORS["turnover"]
RECURSIONS = [name for name, each in ESTIMATORS.items() if each.model == "density"]
ONLY_25X = dataclasses.replace(
    ESTIMATORS["open_interest"],
    provider="only_25x",
    leverages=(25.0,),
    weights=(1.0,),
    half_lives_days=(5.0,),
    unlevered_share=0.0,
)


def bars_of(prices, open_interest, volume=None, **columns):
    """Return bars that stand still at each price; columns given by name replace theirs."""
    prices = np.asarray(prices, dtype=np.float64)
    missing = np.full(len(prices), np.nan)
    values = {
        "open": prices,
        "high": prices,
        "low": prices,
        "close": prices,
        "mark_high": missing,
        "mark_low": missing,
        "volume": np.full(len(prices), 20.0) if volume is None else np.asarray(volume, np.float64),
        "taker_buy": missing,
        "open_interest": np.asarray(open_interest, dtype=np.float64),
        "is_imputed": np.zeros(len(prices), dtype=np.bool_),
        "has_gap_before": np.zeros(len(prices), dtype=np.bool_),
    }
    return Bars(**{**values, **columns}, bar_seconds=300)


@st.composite
def market_bars(draw, max_bars=60):
    """Draw bars of a market that may jump, stand still, empty out and misreport."""
    n_bars = draw(st.integers(1, max_bars))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    step = draw(st.sampled_from([0.0, 2e-4, 3e-3, 0.08]))
    start = draw(st.sampled_from([3e-6, 0.7, 1.0, 60_000.0]))
    close = start * np.exp(np.cumsum(step * generator.standard_normal(n_bars)))
    open_ = np.concatenate(([start], close[:-1]))
    wick = 1.0 + 0.5 * step * np.abs(generator.standard_normal((2, n_bars)))
    high, low = np.maximum(open_, close) * wick[0], np.minimum(open_, close) / wick[1]
    volume = 100.0 * generator.exponential(size=n_bars)
    volume[generator.random(n_bars) < draw(st.sampled_from([0.0, 0.3]))] = 0.0
    change = draw(st.sampled_from([0.3, 1.0, 20.0])) * generator.uniform(-1, 1, n_bars) * 100.0
    open_interest = np.maximum(1000.0 + np.cumsum(change), 0.0)
    open_interest[generator.random(n_bars) < draw(st.sampled_from([0.0, 0.1]))] = 0.0
    mark_high = np.maximum(high * (1.0 + 0.3 * step * generator.standard_normal(n_bars)), low)
    mark_low = np.minimum(low * (1.0 + 0.3 * step * generator.standard_normal(n_bars)), mark_high)
    no_mark = generator.random(n_bars) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    taker_buy = np.where(
        generator.random(n_bars) < draw(st.sampled_from([0.0, 0.5])),
        np.nan,
        volume * generator.random(n_bars),
    )
    return Bars(
        open=open_,
        high=high,
        low=low,
        close=close,
        mark_high=np.where(no_mark, np.nan, mark_high),
        mark_low=np.where(no_mark, np.nan, mark_low),
        volume=volume,
        taker_buy=taker_buy,
        open_interest=open_interest,
        is_imputed=generator.random(n_bars) < 0.2,
        has_gap_before=generator.random(n_bars) < 0.2,
        bar_seconds=300,
    )


def dense_of(parameters, bars, emits, brackets, kind="linear"):
    assumed = density_parameters(parameters, brackets, kind)
    return dense_density(bars, emits, assumed, parameters.turnover_ratio)


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
    bins = grid.bin_of_node(dense.first_node + np.arange(len(prices)))
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
        # An instant right at a cut may be asked for on either side of it.
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


def mirrored(bars):
    """Return the bars of the reciprocal price."""
    return dataclasses.replace(
        bars,
        open=1.0 / bars.open,
        high=1.0 / bars.low,
        low=1.0 / bars.high,
        close=1.0 / bars.close,
        mark_high=1.0 / bars.mark_low,
        mark_low=1.0 / bars.mark_high,
        taker_buy=bars.volume - bars.taker_buy,
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
    bins = grid.bin_of_node(dense.first_node + np.arange(len(prices)))
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


def test_what_opens_on_the_wrong_side_of_the_close_is_swept_by_side_tier_and_entry():
    # 100x longs entered at the open, 100, are liquidated at 99.497: above the close, 99. Those
    # entered at the close and at the low stand below it. Of shorts none is on the wrong side.
    bars = bars_of(
        [100.0, 100.0],
        [100.0, 140.0],
        volume=[0.0, 40.0],
        close=np.array([100.0, 99.0]),
        low=np.array([100.0, 98.9]),
        mark_high=np.array([100.0, 100.0]),
        mark_low=np.array([100.0, 99.9]),
    )
    two = dataclasses.replace(
        ONLY_25X,
        provider="two",
        leverages=(25.0, 100.0),
        weights=(0.75, 0.25),
        half_lives_days=(5.0, 1.0),
    )
    _, outputs = run(two, bars, [1], brackets=FLAT)
    swept = 40.0 * 0.25 * (0.25 + 0.20)
    assert_allclose(outputs.swept_quantity, [[[0.0, swept], [0.0, 0.0]]])
    assert_allclose(outputs.swept_usd, [[[0.0, swept * 99.0 / 0.995], [0.0, 0.0]]])
    assert_array_equal(outputs.consumed_quantity, 0.0)
    # No close is known of, so what was swept exceeds all that can have closed.
    assert_allclose(outputs.excess_quantity, [[swept, 0.0]])
    assert outputs.books_error.max() < 1e-15


def test_what_is_swept_counts_as_a_close():
    bars = bars_of(
        [100.0, 100.0],
        [100.0, 100.0],
        volume=[0.0, 80.0],
        close=np.array([100.0, 99.0]),
        low=np.array([100.0, 99.0]),
        mark_high=np.array([100.0, 100.0]),
        mark_low=np.array([100.0, 99.9]),
    )
    only_100x = dataclasses.replace(ONLY_25X, provider="only_100x", leverages=(100.0,))
    turning = dataclasses.replace(only_100x, provider="turning", turnover_ratio=1.0)
    _, outputs = run(turning, bars, [1], brackets=FLAT)
    # Opened and closed 40 a side; 45 % of the longs opened are liquidated within the bar, so 22
    # close of their own will and the books agree without scaling.
    assert_allclose(outputs.swept_quantity[0], [[18.0], [0.0]])
    assert_array_equal(outputs.excess_quantity, 0.0)
    assert_allclose([outputs.balance_min[0], outputs.balance_max[0]], 1.0)
    assert_allclose(outputs.start_up_ratio[0], [0.78, 0.6])


def test_no_mass_stands_on_the_wrong_side_of_the_close_on_hourly_bars():
    fine = simulated_bars(12 * 600, seed=8)
    by_hour = {
        name: getattr(fine, name).reshape(-1, 12)
        for name in ("open", "high", "low", "close", "volume", "open_interest")
    }
    bars = bars_of(
        by_hour["close"][:, -1],
        by_hour["open_interest"][:, -1],
        volume=by_hour["volume"].sum(axis=1),
        open=by_hour["open"][:, 0],
        high=by_hour["high"].max(axis=1),
        low=by_hour["low"].min(axis=1),
    )
    emits = np.arange(1, len(bars))
    for name in ("open_interest", "turnover", "taker_tilt", "public_convention", "volume_profile"):
        _, outputs = run(ESTIMATORS[name], bars, emits, brackets=FLAT)
        edges = grid.bin_edges(outputs.first_bin[:, None] + np.arange(grid.N_PUBLISHED_BINS))
        # An amount is shared by the two nodes around it, so one node may lie beyond the close.
        node = np.exp(grid.LOG_STEP)
        close = outputs.close[:, None]
        assert not outputs.liquidation_usd[:, 0][edges[0] > close * node].any(), name
        assert not outputs.liquidation_usd[:, 1][edges[1] < close / node].any(), name
        if name != "volume_profile":
            assert outputs.swept_usd.sum() > 0.0


def test_the_order_of_bars_matters():
    rise_then_fall = bars_of([100.0, 110.0, 100.0], [10.0, 20.0, 30.0])
    fall_then_rise = bars_of([100.0, 90.0, 100.0], [10.0, 20.0, 30.0])
    maps = [
        run(TURNOVER, bars, [2], brackets=FLAT)[1].liquidation_usd
        for bars in (rise_then_fall, fall_then_rise)
    ]
    assert not np.allclose(*maps)


def test_longs_at_25x_opened_between_58000_and_59000_stand_between_55959_and_56925():
    entries = np.geomspace(58_000.0, 59_000.0, 400)
    bars = bars_of(entries, np.arange(1.0, 401.0))
    _, outputs = run(ONLY_25X, bars, [399], brackets=FLAT)
    longs = outputs.liquidation_usd[0, 0]
    filled = outputs.first_bin[0] + np.flatnonzero(longs)
    low, high = grid.bin_edges(filled)
    # An amount is shared between the two nodes around it, so the band may reach one bin further.
    assert_allclose([low[0], high[-1]], [55_959, 56_925], rtol=1.5 * grid.BIN_LOG_WIDTH)
    assert_array_equal(np.diff(filled), 1)
    centre = np.average(grid.bin_center(filled), weights=longs[np.flatnonzero(longs)])
    assert_allclose(centre, 56_440, atol=10)


def test_a_smooth_distribution_of_entries_gives_a_map_without_stripes():
    entries = np.geomspace(50_000.0, 60_000.0, 20_001)
    bars = bars_of(entries, np.arange(1.0, 20_002.0))
    far = dataclasses.replace(ONLY_25X, provider="only_2x", leverages=(2.0,))
    _, outputs = run(far, bars, [20_000], brackets=FLAT)
    state, _ = run(far, bars, [20_000], brackets=FLAT)
    first = state.low_node[0] - state.first_node
    inside = state.standing()[0][first : state.high_node[0] - state.first_node + 1][5:-5]
    assert_allclose(inside, inside.mean(), rtol=0.02)
    shorts = outputs.liquidation_usd[0, 1]
    filled = shorts[np.flatnonzero(shorts)][3:-3]
    # USD per bin grows with the bin's price alone.
    slope = np.diff(np.log(filled.astype(np.float64)))
    assert_allclose(slope, grid.BIN_LOG_WIDTH, atol=0.02)


def test_price_falling_through_a_band_liquidates_it_and_no_short():
    bars = bars_of([100.0, 100.0, 95.5], [10.0, 10.0, 10.0], volume=[0.0, 20.0, 20.0])
    _, outputs = run(ONLY_25X, bars, [1, 2], brackets=FLAT)
    assert_array_equal(outputs.consumed_quantity[0], 0.0)
    assert_allclose(outputs.consumed_quantity[1], [[10.0], [0.0]])
    stood_at = 100.0 * (1 - 0.04) / (1 - 0.005)
    assert_allclose(outputs.consumed_usd[1, 0, 0], 10.0 * stood_at, rtol=1e-6)
    # Open interest did not change, so none of it can have been closed: all is excess, and as
    # contracts are still open they must have been opened at the prices of this bar.
    assert_allclose(outputs.excess_quantity[1], [10.0, 0.0])
    assert_allclose(outputs.in_range_base[1], [[10.0], [10.0]])
    state, _ = run(ONLY_25X, bars, [], brackets=FLAT)
    long_node = np.flatnonzero(state.standing()[0])[0] + state.first_node
    assert_allclose(grid.node_price(long_node), 95.5 * 0.96 / 0.995, rtol=1e-3)


def test_closes_take_high_leverage_first():
    bars = bars_of([100.0] * 3, [100.0, 100.0, 50.0], volume=[0.0, 0.0, 50.0])
    _, outputs = run(ESTIMATORS["open_interest"], bars, [1, 2], brackets=FLAT)
    left = outputs.in_range_base[1] + outputs.beyond_base[1]
    share = left[0] / (outputs.in_range_base[0] + outputs.beyond_base[0])[0]
    assert np.all(np.diff(share)[1:] < 0.0)
    assert_allclose(share[0], share[1])
    assert outputs.violation_count[1] == 0


def test_everything_closes_and_opens_again():
    bars = bars_of([100.0, 100.0, 101.0, 102.0], [10.0, 0.0, 0.0, 6.0])
    state, outputs = run(TURNOVER, bars, np.arange(4), brackets=FLAT)
    booked = (outputs.in_range_base + outputs.beyond_base).sum(axis=2) + outputs.unlevered_base
    assert_allclose(booked, np.array([[10.0] * 2, [0.0] * 2, [0.0] * 2, [6.0] * 2]))
    assert_array_equal(outputs.liquidation_usd[1:3], 0.0)
    assert_array_equal(outputs.books_error < 1e-12, True)
    assert np.isnan(outputs.balance_min[1])
    # Only positions opened at 102 stand.
    assert state.low_node[0] == state.high_node[0] - 1


def test_a_series_may_begin_without_open_interest():
    bars = bars_of([100.0, 100.0], [0.0, 5.0])
    _, outputs = run(TURNOVER, bars, [0, 1], brackets=FLAT)
    assert_array_equal(outputs.open_interest, [0.0, 5.0])
    assert outputs.books_error.max() < 1e-12


def test_takers_buying_shift_longs_to_high_leverage_and_open_as_many_shorts():
    n_bars = 20
    rising = np.linspace(100.0, 200.0, n_bars)
    tilt = ESTIMATORS["taker_tilt"]

    def by_tier(buy_ratio):
        volume = np.full(n_bars, 30.0)
        bars = bars_of(np.full(n_bars, 100.0), rising, volume=volume, taker_buy=buy_ratio * volume)
        _, outputs = run(tilt, bars, [n_bars - 1], brackets=FLAT)
        return outputs.in_range_base[0] + outputs.beyond_base[0], outputs.unlevered_base[0]

    bought, bought_unlevered = by_tier(0.8)
    half, half_unlevered = by_tier(0.5)
    unknown, _ = by_tier(np.nan)
    assert bought[0, -1] > half[0, -1] > bought[1, -1]
    assert_allclose(half, unknown)
    assert_allclose(bought.sum(axis=1) + bought_unlevered, 200.0)
    assert_allclose(half[0], half[1])
    assert_allclose(half_unlevered[0], half_unlevered[1])


def test_bars_without_mark_liquidate_on_the_last_price_and_are_counted():
    bars = bars_of([100.0, 100.0], [10.0, 10.0], low=np.array([100.0, 90.0]))
    marked = dataclasses.replace(
        bars, mark_high=np.array([np.nan, 100.0]), mark_low=np.array([np.nan, 99.9])
    )
    _, on_last = run(ONLY_25X, bars, [1], brackets=FLAT)
    _, on_mark = run(ONLY_25X, marked, [1], brackets=FLAT)
    _, by_choice = run(
        dataclasses.replace(ONLY_25X, clearing_price="last"), marked, [1], brackets=FLAT
    )
    assert_array_equal(on_last.last_price_count, [2])
    assert_array_equal(on_mark.last_price_count, [1])
    assert on_last.consumed_quantity[0, 0, 0] == 10.0
    assert on_mark.consumed_quantity[0, 0, 0] == 0.0
    assert by_choice.consumed_quantity[0, 0, 0] == 10.0


def test_violations_and_imputed_bars_are_counted_since_the_last_instant():
    bars = bars_of(
        [100.0] * 5,
        [10.0, 20.0, 30.0, 40.0, 41.0],
        volume=[0.0, 5.0, 5.0, 20.0, 20.0],
        has_gap_before=np.array([False, False, True, False, False]),
        is_imputed=np.array([False, True, True, False, False]),
    )
    _, outputs = run(TURNOVER, bars, [2, 2, 4], brackets=FLAT)
    assert_array_equal(outputs.bar_count, [3, 0, 2])
    assert_array_equal(outputs.violation_count, [1, 0, 0])
    assert_array_equal(outputs.imputed_count, [2, 0, 0])
    assert_array_equal(np.isnan(outputs.balance_min), [False, True, False])


def test_an_hour_without_bars_shows_the_map_as_it_was():
    bars = simulated_bars(50, seed=1)
    state, first = run(TURNOVER, bars, [49], brackets=FLAT)
    after, again = run(TURNOVER, bars.part(0, 0), [-1, -1], brackets=FLAT, state=state)
    assert_array_equal(again.liquidation_usd[1], first.liquidation_usd[0])
    assert_array_equal(again.first_bin, first.first_bin[[0, 0]])
    assert_array_equal(again.bar_count, [0, 0])
    assert after.to_bytes() == state.to_bytes()


def test_changed_brackets_move_later_positions_only():
    bars = bars_of([100.0, 100.0], [10.0, 20.0])
    strict = Brackets.from_ratios([0.0], [0.02], [25.0])
    state, _ = run(ONLY_25X, bars.part(0, 1), [], brackets=FLAT)
    state, _ = run(ONLY_25X, bars.part(1, 2), [], brackets=strict, state=state)
    held = state.standing()[0]
    for ratio in (0.005, 0.02):
        node = np.log(100.0 * 0.96 / (1 - ratio)) / grid.LOG_STEP
        index = int(np.floor(node)) - state.first_node
        assert_allclose(held[index : index + 2].sum(), 10.0)


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
    columns = {name: getattr(bars, name).copy() for name in Bars.__slots__ if name != "bar_seconds"}
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
