"""Paths of a day and what a map expects on them: odds of touch, mirror images, each level once."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from transforms.calibration.outlook import (
    LogPaths,
    StandingMap,
    outlook,
    simulate_paths,
)
from transforms.errors import InvalidInput, InvalidParameters
from transforms.grid import bin_of_price
from transforms.touch import reach_probability

PRICE = 100.0
FIRST = int(bin_of_price(80.0))
N_BINS = int(bin_of_price(125.0)) - FIRST + 1
OWN = int(bin_of_price(PRICE)) - FIRST


def standing(move_weight=0.0, constant=0.0):
    """Return a map with longs below price and shorts above it."""
    amounts = np.random.default_rng(5).gamma(0.5, 100.0, (2, N_BINS))
    amounts[0, OWN:] = 0.0
    amounts[1, : OWN + 1] = 0.0
    return StandingMap(PRICE, FIRST, amounts, move_weight, constant)


def paths_of(volatility, n_paths=4000, seed=2):
    return simulate_paths(volatility, np.random.default_rng(seed), n_paths)


@pytest.mark.parametrize("distance", [-0.05, -0.02, -0.01, 0.01, 0.03])
def test_a_level_is_reached_by_as_many_paths_as_its_odds_of_touch_say(distance):
    paths = paths_of(0.025, 20_000)
    level = np.log1p(distance)
    is_reached = (
        paths.low.min(axis=1) <= level if distance < 0.0 else paths.high.max(axis=1) >= level
    )
    odds = float(reach_probability(level, 0.025, 86_400.0))
    assert_allclose(is_reached.mean(), odds, atol=0.012)


def test_prices_of_an_hour_lie_within_its_extremes_and_hours_follow_one_another():
    paths = paths_of(0.03)
    assert (paths.high >= np.maximum(paths.open, paths.close)).all()
    assert (paths.low <= np.minimum(paths.open, paths.close)).all()
    assert_allclose(paths.open[:, 1:], paths.close[:, :-1], atol=1e-15)
    assert (paths.open[:, 0] == 0.0).all()


def test_without_volatility_the_constant_alone_is_expected():
    found = outlook(standing(move_weight=1e9, constant=3.0), paths_of(0.0))
    assert_allclose(found.usd, 72.0)
    assert_allclose(found.quantiles_usd, 72.0)


def test_a_mirrored_map_has_the_sides_swapped():
    # Price in the middle of its bin (in log price): a mirrored map lies on the same grid.
    middle = float(np.exp(0.002 * 2302 + 0.0005))
    amounts = np.random.default_rng(7).gamma(0.5, 100.0, (2, 401))
    own = StandingMap(middle, 2302 - 200, amounts, 5e4, 2.0)
    mirrored = StandingMap(middle, 2302 - 200, amounts[::-1, ::-1], 5e4, 2.0)
    one, other = (outlook(each, paths_of(0.03)) for each in (own, mirrored))
    assert_allclose(one.map_usd, other.map_usd[::-1], rtol=1e-9)
    assert_allclose(one.usd, other.usd[::-1], rtol=0.01)


def test_more_volatility_reaches_more():
    found = [outlook(standing(1e4, 1.0), paths_of(one)) for one in (0.01, 0.02, 0.04, 0.08)]
    for parts in ("usd", "map_usd", "move_usd"):
        amounts = np.array([getattr(one, parts) for one in found])
        assert (np.diff(amounts, axis=0) > 0.0).all()
    assert (np.diff([one.quantiles_usd for one in found], axis=0) > 0.0).all()


def test_a_level_counts_once_however_often_a_path_passes_it():
    there_and_back = np.tile([0.0, -0.05, 0.0, -0.05], (2, 1))
    low, zero = np.full_like(there_and_back, -0.05), np.zeros_like(there_and_back)
    amounts = np.zeros((2, N_BINS))
    amounts[0, int(bin_of_price(98.0)) - FIRST] = 9.0
    found = outlook(
        StandingMap(PRICE, FIRST, amounts, 0.0, 0.0), LogPaths(zero, zero, low, there_and_back)
    )
    assert_allclose(found.map_usd, [9.0, 0.0])
    assert_allclose(found.quantiles_usd[0], 9.0)


def test_a_path_beyond_the_map_reaches_all_of_it_and_no_more():
    own = standing()
    crash = np.full((2, 1), -3.0)
    found = outlook(own, LogPaths(0.0 * crash, 0.0 * crash, crash, crash))
    assert_allclose(found.map_usd, [own.usd[0].sum(), 0.0])


def test_the_squared_moves_of_a_day_are_those_of_its_volatility():
    # The move against a side is at least the fall from one close to the next.
    found = outlook(standing(move_weight=1.0), paths_of(0.02, 40_000))
    assert (found.move_usd > 0.02**2 / 2.0).all()
    assert (found.move_usd < 4.0 * 0.02**2).all()


def test_parts_add_up_and_quantiles_are_in_order():
    found = outlook(standing(1e4, 1.0), paths_of(0.03))
    assert_allclose(found.map_usd + found.move_usd + found.constant_usd, found.usd)
    assert (np.diff(found.quantiles_usd, axis=1) > 0.0).all()


def test_one_seed_gives_one_outlook():
    one, other = (outlook(standing(1e4, 1.0), paths_of(0.03, seed=9)) for _ in range(2))
    assert (one.quantiles_usd == other.quantiles_usd).all()


@pytest.mark.parametrize("volatility", [np.nan, -0.1, np.inf])
def test_a_volatility_that_is_not_known_is_refused(volatility):
    with pytest.raises(InvalidParameters, match="volatility"):
        paths_of(volatility)


def test_an_odd_number_of_paths_is_refused():
    with pytest.raises(InvalidParameters, match="even"):
        paths_of(0.02, 7)


@pytest.mark.parametrize(("price", "amount"), [(0.0, 1.0), (1.0, -1.0), (1.0, np.nan)])
def test_a_map_of_impossible_figures_is_refused(price, amount):
    with pytest.raises(InvalidInput):
        StandingMap(price, 0, np.full((2, 3), amount), 0.0, 0.0)
