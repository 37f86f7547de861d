"""The density recursion on a few bars whose outcome is worked out by hand."""

import dataclasses

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from workbench.density_bars import FLAT, ONLY_25X, TURNOVER, bars_of

from bench.kernel import simulated_bars
from transforms import grid
from transforms.engine import run
from transforms.estimators import ESTIMATORS
from transforms.margin import Brackets


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
    assert np.all(np.diff(share) < 0.0)
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
