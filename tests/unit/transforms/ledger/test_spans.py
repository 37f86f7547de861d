"""The ledger against the same model written plainly, and against its invariants."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from workbench.dense_ledger import dense_ledger
from workbench.density_bars import mirrored
from workbench.ledger_bars import (
    EITHER,
    HOUR,
    PATH,
    START,
    VOLUME,
    advance_in_parts,
    ends_of_spans,
    gappy_bars,
    grid_of,
    hourly_bars,
)

from bench.kernel import simulated_bars
from transforms.calibration.features import adverse_move
from transforms.grid import LOG_STEP, NODES_PER_BIN, published_bins
from transforms.ledger import LEDGERS, LedgerState, advance
from transforms.ledger.kernel import advance_spans
from transforms.series import LONG, SHORT

WEIGHTS = np.random.default_rng(7).exponential(size=64)
HALF_LIVES = np.array(PATH.half_lives_days)
RECORDED = Path(__file__).parents[5] / "../shared/data/market_1h/binance_BTC_1h.parquet"


def by_distance(rows):
    """Return rows as two axes, distance and half-life."""
    return rows.reshape(*rows.shape[:-1], 16, 4)


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
    assert_array_equal(outputs.close, bars.close[ends])
    assert_array_equal([outputs.first_bin, outputs.n_bins], published_bins(outputs.close))
    assert_array_equal(outputs.bar_count, np.diff(ends, prepend=-1))
    for span in range(len(ends)):
        held = dense.standing[span].reshape(2, 64, -1)
        node = dense.first_node + np.arange(held.shape[-1])
        index = node // NODES_PER_BIN - outputs.first_bin[span]
        is_published = (index >= 0) & (index < outputs.n_bins[span])
        by_bin = np.zeros((2, 501, 64))
        np.add.at(
            by_bin, (slice(None), index[is_published]), held[..., is_published].swapaxes(1, 2)
        )
        # Maps are float32.
        near_map = {"rtol": 1e-6, "atol": near["atol"]}
        assert_allclose(outputs.standing[span], by_bin, **near_map)
        assert_allclose(outputs.map[span], by_bin @ WEIGHTS, **near_map)
        beyond = held[..., ~is_published].sum(axis=-1) @ WEIGHTS
        assert_allclose(outputs.beyond[span], beyond, **near)


@settings(deadline=None, max_examples=60)
@given(st.data(), gappy_bars(), EITHER)
def test_results_do_not_depend_on_how_bars_are_split_into_calls(data, bars, parameters):
    ends = data.draw(ends_of_spans(bars))
    cuts = data.draw(st.lists(st.integers(0, len(bars)), max_size=4))
    options = {"weights": WEIGHTS, "wants_standing": True}
    whole_state, whole = advance(parameters, bars, ends, **options)
    state, parts = advance_in_parts(parameters, bars, ends, cuts, **options)
    assert state.to_bytes() == whole_state.to_bytes()
    for name, amounts in whole._asdict().items():
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert_array_equal(joined, amounts, err_msg=name)


def test_a_long_series_gives_the_same_bits_bar_by_bar_and_at_once():
    # Three years, so that multipliers are folded on the way.
    generator = np.random.default_rng(5)
    bars = hourly_bars(100.0 * np.exp(np.cumsum(0.02 * generator.standard_normal(1100))))
    bars = dataclasses.replace(bars, bar_end=START + 24 * HOUR * np.arange(1100))
    whole_state, whole = advance(PATH, bars, np.arange(1100), weights=WEIGHTS)
    cuts = range(1, 1100, 7)
    state, parts = advance_in_parts(PATH, bars, np.arange(1100), cuts, weights=WEIGHTS)
    assert state.to_bytes() == whole_state.to_bytes()
    assert_array_equal(np.concatenate([part.map for part in parts]), whole.map)
    assert whole_state.multiplier.min() > 1e-101


@settings(deadline=None, max_examples=60)
@given(st.data(), gappy_bars(), EITHER)
def test_nothing_is_ever_negative_and_all_of_it_lies_on_its_side_of_price(data, bars, parameters):
    ends = data.draw(ends_of_spans(bars))
    # A mark that did not follow the last price would leave levels between the two.
    unknown = np.full(len(bars), np.nan)
    bars = dataclasses.replace(bars, mark_high=unknown, mark_low=unknown)
    state, outputs = advance(parameters, bars, ends, weights=WEIGHTS, wants_standing=True)
    for amounts in (outputs.exposure, outputs.map, outputs.standing, outputs.beyond, state.nodes):
        assert np.all(amounts >= 0.0)
    assert np.all(np.isfinite(state.nodes))
    for span, close in enumerate(outputs.close):
        bins = outputs.first_bin[span] + np.arange(501)
        # A level shares itself between two nodes, so it may reach one node beyond the close.
        is_above = NODES_PER_BIN * bins > np.ceil(np.log(close) / LOG_STEP) + 1e-6
        is_below = NODES_PER_BIN * bins + 1 < np.floor(np.log(close) / LOG_STEP) - 1e-6
        assert not outputs.map[span, LONG, is_above].any()
        assert not outputs.map[span, SHORT, is_below].any()


@settings(deadline=None, max_examples=60)
@given(st.data(), gappy_bars(), EITHER)
def test_longs_of_a_market_are_the_shorts_of_its_mirror_image(data, bars, parameters):
    ends = data.draw(ends_of_spans(bars))
    # Not 1 / price: a price on a node would mirror onto the wrong side of it by a rounding error.
    prices = {
        name: getattr(bars, name) * 1.000123456
        for name in ("open", "high", "low", "close", "mark_high", "mark_low")
    }
    bars = dataclasses.replace(bars, **prices)
    mirror = mirrored(bars)
    state, outputs = advance(parameters, bars, ends, contract_kind="inverse")
    other_state, other = advance(parameters, mirror, ends, contract_kind="inverse")
    scale = max(float(state.standing().max(initial=0.0)), 1e-9)
    near = {"rtol": 1e-7, "atol": 1e-9 * scale}
    assert_allclose(other.exposure, outputs.exposure[:, ::-1], **near)
    assert_allclose(other.move, outputs.move[:, ::-1], rtol=1e-9, atol=1e-12)
    assert_allclose(other.log_age, outputs.log_age[:, ::-1], rtol=1e-6, atol=1e-6)
    assert_allclose(other_state.standing().sum(axis=1), state.standing().sum(axis=1)[::-1], **near)


@settings(deadline=None, max_examples=30)
@given(st.data(), gappy_bars(), st.floats(1e-6, 1e6))
def test_volume_in_other_units_scales_what_is_held_and_consumed(data, bars, factor):
    ends = data.draw(ends_of_spans(bars))
    scaled = dataclasses.replace(bars, volume=factor * bars.volume)
    _, outputs = advance(VOLUME, bars, ends, weights=WEIGHTS)
    _, other = advance(VOLUME, scaled, ends, weights=WEIGHTS)
    near = {"rtol": 1e-9, "atol": 1e-12 * factor * outputs.exposure.max(initial=1e-6)}
    assert_allclose(other.exposure, factor * outputs.exposure, **near)
    assert_allclose(other.map, factor * outputs.map.astype(np.float64), rtol=1e-6)
    assert_allclose(other.log_age, outputs.log_age, rtol=1e-9, atol=1e-9)
    path, other_path = (advance(PATH, each, ends)[1].exposure for each in (bars, scaled))
    assert_array_equal(path, other_path)


def test_prices_in_other_units_shift_the_map_and_change_no_amount():
    bars = simulated_bars(400, seed=4)
    shift = 2_000
    columns = ("open", "high", "low", "close", "mark_high", "mark_low")
    moved = {name: getattr(bars, name) * np.exp(shift * LOG_STEP) for name in columns}
    _, outputs = advance(PATH, bars, np.arange(400), weights=WEIGHTS)
    _, other = advance(PATH, dataclasses.replace(bars, **moved), np.arange(400), weights=WEIGHTS)
    assert_allclose(other.exposure, outputs.exposure, rtol=1e-9, atol=1e-9)
    assert_array_equal(other.first_bin, outputs.first_bin + shift // NODES_PER_BIN)
    assert_allclose(other.map, outputs.map, rtol=1e-6, atol=1e-6)


def test_two_bars_by_hand():
    # The second bar falls 1 %: it takes the longs .45, .61 and .83 % below the first, of which
    # each half-life holds the whole deposit of 1.
    state, outputs = advance(PATH, hourly_bars([100.0, 100.0], low=np.array([100.0, 99.0])), [0, 1])
    taken = by_distance(outputs.exposure)[1]
    assert_allclose(taken[LONG, :3], np.ones((3, 4)), rtol=1e-12)
    assert not taken[LONG, 3:].any()
    assert not taken[SHORT].any()
    # It fell from the close before and within the bar, and rose back by as much.
    assert_allclose(outputs.move[1], np.log(100 / 99) * np.sqrt([2.0, 1.0]), rtol=1e-12)
    assert_allclose(outputs.log_age[1], [0.0, np.nan], atol=1e-12)
    # What is left decayed for the hour of the second bar, which deposited too: at 100, and a fifth
    # of it at its low of 99, from where the close has passed the three nearest shorts.
    per_row = grid_of(state)[0].sum(axis=-1)
    kept = 0.5 ** (1 / 24 / HALF_LIVES)
    assert_allclose(per_row[:, 3:], np.broadcast_to(kept + 1.0, (2, 13, 4)), rtol=1e-12)
    assert_allclose(per_row[LONG, :3], np.ones((3, 4)), rtol=1e-12)
    assert_allclose(per_row[SHORT, :3], np.broadcast_to(kept + 0.8, (3, 4)), rtol=1e-12)


def test_a_span_never_consumes_what_its_own_bars_deposit():
    falling = hourly_bars(100.0 * np.exp(-0.01 * np.arange(6)))
    _, hourly = advance(PATH, falling, np.arange(6))
    _, at_once = advance(PATH, falling, [5])
    assert hourly.exposure[:, LONG].sum() > 0.0
    assert not at_once.exposure.any()


def test_what_a_later_close_of_its_span_has_passed_is_not_deposited():
    # Down 2 % and back: of the first bar's longs those within 2 % are gone.
    there_and_back = hourly_bars(100.0 * np.exp([0.0, -0.02, 0.0]))
    state, _ = advance(PATH, there_and_back, [2])
    deposited = grid_of(state)[0].sum(axis=-1)[..., 3]
    kept = 0.5 ** (np.array([2, 1, 0]) / 24 / 60.0)
    is_near = np.array(PATH.distances) < 0.02
    assert_allclose(deposited[LONG, is_near], kept[1] + kept[2], rtol=1e-12)
    assert_allclose(deposited[LONG, ~is_near], kept.sum(), rtol=1e-12)
    # The second bar's shorts were below the last close.
    assert_allclose(deposited[SHORT, is_near], kept[0] + kept[2], rtol=1e-12)


def bars_around_a_gap(close, low, hours):
    """Return a bar at 100 and another one that ends so many hours later."""
    return hourly_bars(
        [100.0, close],
        low=np.array([100.0, low]),
        bar_end=START + HOUR * np.array([0, hours]),
        has_gap_before=np.array([False, True]),
    )


def test_what_is_held_decays_by_the_clock_also_where_bars_are_missing():
    bars = bars_around_a_gap(100.0, 97.0, 49)
    _, outputs = advance(PATH, bars, [0, 1])
    taken = by_distance(outputs.exposure)[1, LONG, 0]
    assert_allclose(taken, 0.5 ** (2.0 / HALF_LIVES), rtol=1e-12)
    assert_allclose(outputs.log_age[1, LONG], np.log(49.0), rtol=1e-9)


def test_what_price_passed_while_bars_were_missing_before_a_span_is_gone_and_not_counted():
    bars = bars_around_a_gap(97.0, 96.0, 5)
    state, outputs = advance(PATH, bars, [0, 1])
    # 97 to 96 is 3.05 to 4.08 % below 100, where the eighth distance lies; nearer ones are gone.
    taken = by_distance(outputs.exposure)[1, LONG, :, 3]
    assert_array_equal(np.flatnonzero(taken), [7])
    assert_allclose(outputs.move[1], np.log(97 / 96) * np.sqrt([2.0, 1.0]), rtol=1e-12)
    assert state.standing()[LONG, :, 3].sum() == pytest.approx(1.0)


def test_what_price_passed_while_bars_were_missing_within_a_span_counts():
    bars = hourly_bars(
        [100.0, 100.0, 97.0],
        bar_end=START + HOUR * np.array([0, 1, 5]),
        has_gap_before=np.array([False, False, True]),
    )
    _, outputs = advance(PATH, bars, [0, 2])
    taken = by_distance(outputs.exposure)[1, LONG, :, 3]
    assert_array_equal(np.flatnonzero(taken), np.arange(7))
    assert_allclose(outputs.move[1], [np.sqrt(2.0) * np.log(100 / 97), 0.0], rtol=1e-12)


def test_the_mark_price_consumes_where_it_is_known_and_the_last_price_elsewhere():
    low = np.array([100.0, 95.0])
    mark = {"mark_low": np.array([np.nan, 99.9]), "mark_high": np.array([np.nan, 100.0])}
    known = hourly_bars([100.0, 100.0], low=low, **mark)
    assert not advance(PATH, known, [0, 1])[1].exposure.any()
    unknown = dataclasses.replace(known, mark_high=np.full(2, np.nan))
    assert advance(PATH, unknown, [0, 1])[1].exposure[1, LONG].any()


def test_a_jump_takes_one_side_whole_and_leaves_the_other_out_of_sight():
    bars = hourly_bars([100.0, 100.0 * np.exp(3.0), 100.0 * np.exp(-3.0)])
    _, outputs = advance(PATH, bars, np.arange(3), weights=WEIGHTS)
    total = outputs.map.sum(axis=-1, dtype=np.float64) + outputs.beyond
    assert_allclose(outputs.exposure[1] @ WEIGHTS, [0.0, total[0, SHORT]], rtol=1e-6)
    assert_allclose(outputs.exposure[2, SHORT], 0.0, atol=0.0)
    kept = np.tile(0.5 ** (1 / 24 / HALF_LIVES), 16)
    assert_allclose(outputs.exposure[2, LONG], kept + 1.0, rtol=1e-12)
    assert outputs.beyond[1, LONG] > 0.4 * total[1, LONG]


def test_a_bar_that_opens_beyond_its_high_and_closes_below_its_low_is_taken_as_it_is():
    bars = hourly_bars(
        [100.0, 100.0, 100.0],
        open=np.array([100.0, 700.0, 100.0]),
        close=np.array([100.0, 20.0, 100.0]),
    )
    _, outputs = advance(PATH, bars, np.arange(3))
    dense = dense_ledger(PATH, bars, np.arange(3))
    assert_allclose(by_distance(outputs.exposure), dense.exposure, rtol=1e-9, atol=1e-12)


def test_moves_of_spans_of_one_bar_are_those_of_the_features():
    bars = simulated_bars(40, seed=8)
    _, outputs = advance(PATH, bars, np.arange(40))
    previous = np.append(np.nan, bars.close[:-1])
    expected = adverse_move(previous, bars.open, bars.high, bars.low, bars.close)
    assert_allclose(outputs.move[1:], expected[1:], rtol=1e-9, atol=1e-12)
    assert not outputs.move[0].any()


def test_a_span_without_bars_consumes_nothing_and_repeats_the_map():
    bars = simulated_bars(30, seed=6)
    state, outputs = advance(PATH, bars, [20, 20, 29], weights=WEIGHTS)
    assert_array_equal(outputs.bar_count, [21, 0, 9])
    assert not outputs.exposure[1].any()
    assert not outputs.move[1].any()
    assert np.isnan(outputs.log_age[1]).all()
    assert_array_equal(outputs.map[1], outputs.map[0])
    _, after = advance(PATH, bars.part(0, 0), [-1], state=state, weights=WEIGHTS)
    assert_array_equal(after.map[0], outputs.map[2])


def test_deposits_of_nothing_traded_are_nothing():
    state, outputs = advance(VOLUME, hourly_bars([100.0, 90.0], volume=np.zeros(2)), [0, 1])
    assert not state.nodes.any()
    assert not outputs.exposure.any()


def test_weights_may_differ_from_span_to_span():
    bars = simulated_bars(48, seed=8)
    ends, changing = np.array([23, 47]), np.stack([WEIGHTS, 3 * WEIGHTS])
    _, outputs = advance(PATH, bars, ends, weights=changing)
    _, plain = advance(PATH, bars, ends, weights=WEIGHTS)
    assert_allclose(outputs.map[0], plain.map[0], rtol=1e-6)
    assert_allclose(outputs.map[1], 3 * plain.map[1], rtol=1e-6)


def test_the_kernel_is_compiled_once_whatever_is_handed_in():
    bars = simulated_bars(30, seed=6)
    frozen = np.arange(30)
    frozen.flags.writeable = False
    state, _ = advance(PATH, bars, frozen, weights=WEIGHTS)
    advance(VOLUME, bars.part(0, 1), [0], weights=WEIGHTS[np.newaxis], wants_standing=True)
    advance(PATH, bars.part(0, 0), [], state=LedgerState.from_bytes(state.to_bytes()))
    assert len(advance_spans.signatures) == 1


@pytest.mark.parametrize("name", LEDGERS)
def test_recorded_hours_fill_both_sides_and_price_comes_back_for_them(name):
    if not RECORDED.exists():
        pytest.skip("recorded hours are not at hand: ../shared/data/market_1h")
    import pyarrow.parquet

    recorded = pyarrow.parquet.read_table(RECORDED)
    columns = {
        key: recorded[f"{key}_perp_binance"].to_numpy().astype(np.float64)
        for key in ("open", "high", "low", "close", "volume")
    }
    opened_at = recorded["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)
    n_hours = len(opened_at)
    bars = hourly_bars(columns["close"], bar_end=opened_at + HOUR, **columns)
    _, outputs = advance(LEDGERS[name], bars, np.arange(n_hours), weights=np.ones(64))
    settled = outputs.exposure[500:].sum(axis=-1)
    assert np.all((settled > 0.0).mean(axis=0) > 0.5)
    center = (NODES_PER_BIN * (outputs.first_bin[-1] + np.arange(501)) + 0.5) * LOG_STEP
    away = np.abs(center - np.log(outputs.close[-1]))
    total = outputs.map[-1].sum(axis=-1, dtype=np.float64)
    within = outputs.map[-1][:, away < 0.05].sum(axis=-1) / total
    # An even spread over what is published would have a tenth within 5 %.
    assert np.all((within > 0.01) & (within < 0.3))
