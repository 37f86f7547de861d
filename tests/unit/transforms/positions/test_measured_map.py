"""The map of measured positions: which states count, where they lie, what the map rests on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from transforms.errors import InvalidInput
from transforms.grid import PUBLISHED_RANGE, bin_edges, bin_of_price
from transforms.positions.measured_map import (
    MAX_STATE_AGE_SECONDS,
    MeasuredPositions,
    map_positions,
    seconds_of_silence,
)
from transforms.series import LONG, SHORT

MARK = np.array([100.0])


def positions(**columns):
    """Return longs of 1 with liquidation at 80, seen a minute ago, unless columns differ."""
    usual = {
        "asset": 0,
        "side": LONG,
        "quantity": 1.0,
        "liquidation_price": 80.0,
        "leverage": 10.0,
        "is_cross": False,
        "age_seconds": 60.0,
        "has_traded_since": False,
    }
    count = max((len(values) for values in columns.values()), default=1)
    filled = {name: np.full(count, value) for name, value in usual.items()}
    filled["account"] = np.arange(count)
    given_columns = {name: np.array(values) for name, values in columns.items()}
    return MeasuredPositions(**(filled | given_columns))


def only(array, side=LONG):
    """Return the figure of the one asset's side."""
    return array[0, side].item()


def test_a_position_lies_at_its_liquidation_price_and_counts_at_it():
    maps = map_positions(positions(quantity=[2.5]), MARK)
    assert maps.bin_index.tolist() == [bin_of_price(80.0)]
    low, high = bin_edges(maps.bin_index)
    assert low <= 80.0 < high
    assert maps.value_usd.tolist() == [200.0]


def test_positions_in_one_bin_are_summed_and_sides_stay_apart():
    maps = map_positions(
        positions(side=[LONG, LONG, SHORT], liquidation_price=[80.0, 80.01, 120.0]), MARK
    )
    assert maps.side.tolist() == [LONG, SHORT]
    assert_allclose(maps.value_usd, [160.01, 120.0])


def test_a_state_that_is_too_old_leaves_the_map_and_is_stale():
    age = [MAX_STATE_AGE_SECONDS, MAX_STATE_AGE_SECONDS + 1.0]
    maps = map_positions(positions(age_seconds=age, quantity=[1.0, 4.0]), MARK)
    assert maps.value_usd.tolist() == [80.0]
    assert only(maps.coverage.stale) == 4.0
    assert only(maps.coverage.observed) == 1.0
    assert only(maps.coverage.positions) == 1


def test_a_state_after_the_instant_of_the_map_does_not_count():
    maps = map_positions(positions(age_seconds=[-1.0]), MARK)
    assert len(maps.value_usd) == 0
    assert only(maps.coverage.observed) == only(maps.coverage.stale) == 0.0


def test_a_position_without_a_liquidation_price_is_observed_but_in_no_bin():
    maps = map_positions(
        positions(liquidation_price=[np.nan, 0.0, 80.0], quantity=[1.0, 2.0, 4.0]), MARK
    )
    assert maps.value_usd.tolist() == [320.0]
    assert only(maps.coverage.observed) == 7.0
    assert only(maps.coverage.without_price) == 3.0


@pytest.mark.parametrize(("side", "price"), [(LONG, 100.5), (SHORT, 99.5)])
def test_a_position_whose_liquidation_price_the_mark_has_passed_is_in_no_bin(side, price):
    maps = map_positions(positions(side=[side], liquidation_price=[price]), MARK)
    assert len(maps.value_usd) == 0
    assert only(maps.coverage.passed, side) == only(maps.coverage.observed, side) == 1.0


def test_a_position_beyond_the_published_prices_is_observed_but_in_no_bin():
    far = 100.0 * np.exp(-PUBLISHED_RANGE - 0.01)
    maps = map_positions(positions(liquidation_price=[far]), MARK)
    assert len(maps.value_usd) == 0
    assert only(maps.coverage.beyond_reach) == 1.0


def test_ages_are_weighted_by_quantity():
    maps = map_positions(
        positions(age_seconds=[10.0, 7200.0, 86400.0], quantity=[6.0, 3.5, 0.5]), MARK
    )
    found = maps.coverage
    ages = (only(found.age_p50_seconds), only(found.age_p90_seconds), only(found.age_max_seconds))
    assert ages == (10.0, 7200.0, 86400.0)
    assert_allclose(only(found.within_hour_ratio), 0.6)


def test_a_side_without_positions_has_no_age():
    found = map_positions(positions(), MARK).coverage
    assert np.isnan(only(found.age_max_seconds, SHORT))
    assert np.isnan(only(found.within_hour_ratio, SHORT))


def test_margin_leverage_and_later_trades_are_shares_of_what_is_observed():
    maps = map_positions(
        positions(
            leverage=[3.0, 3.1, 10.0, 20.0, 50.0, np.nan],
            is_cross=[True, False, True, False, False, False],
            has_traded_since=[False, True, False, False, False, False],
            account=[1, 2, 3, 4, 5, 5],
        ),
        MARK,
    )
    found = maps.coverage
    assert found.by_leverage[0, LONG].tolist() == [1.0, 1.0, 1.0, 1.0, 1.0]
    assert (only(found.cross), only(found.traded_since)) == (2.0, 1.0)
    assert (only(found.accounts), only(found.positions)) == (5, 6)


def test_silence_is_the_age_of_the_newest_state_known():
    assert seconds_of_silence(np.array([7200.0, 90.0, -5.0])) == 90.0
    assert seconds_of_silence(np.array([])) == np.inf


def test_positions_of_an_asset_without_a_mark_price_are_refused():
    with pytest.raises(InvalidInput, match="leave out positions without a mark price"):
        map_positions(positions(asset=[1]), MARK)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(InvalidInput, match="leverage has shape"):
        positions(quantity=[1.0, 2.0], leverage=[1.0])


@given(st.integers(0, 2**32 - 1), st.integers(0, 200))
def test_every_position_is_counted_once(seed, count):
    random = np.random.default_rng(seed)
    drawn = positions(
        asset=random.integers(0, 3, count),
        side=random.integers(0, 2, count),
        quantity=random.lognormal(size=count),
        liquidation_price=np.where(
            random.random(count) < 0.2, np.nan, 100.0 * np.exp(random.normal(0.0, 0.4, count))
        ),
        age_seconds=random.uniform(-100.0, 1.2 * MAX_STATE_AGE_SECONDS, count),
    )
    marks = np.array([90.0, 100.0, 110.0])
    found = map_positions(drawn, marks).coverage
    parts = found.mapped + found.without_price + found.beyond_reach + found.passed
    assert_allclose(parts, found.observed)
    assert_allclose(found.by_leverage.sum(axis=2), found.observed)
    is_known = drawn.age_seconds >= 0.0
    assert_allclose((found.observed + found.stale).sum(), drawn.quantity[is_known].sum())
    shuffled = map_positions(drawn.take(random.permutation(count)), marks)
    assert_allclose(shuffled.coverage.mapped, found.mapped)
    valued = np.zeros_like(found.mapped)
    np.add.at(valued, (shuffled.asset, shuffled.side), shuffled.value_usd)
    assert np.all(valued[found.mapped == 0.0] == 0.0)
