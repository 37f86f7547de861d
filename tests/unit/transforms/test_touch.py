"""Volatility and odds of touch."""

import math
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

from transforms.errors import InvalidParameters
from transforms.touch import (
    LEAST_ODDS,
    blend_volatility,
    reach_probability,
    trailing_volatility,
    weekend_change,
)

DAY = 86_400.0


@pytest.mark.parametrize(("below", "odds"), [(0.01, 0.638), (0.02, 0.371), (0.05, 0.076)])
def test_odds_at_two_and_a_half_percent_a_day(below, odds):
    found = reach_probability(math.log(1.0 - below), 0.025, DAY)
    np.testing.assert_allclose(found, odds, atol=5e-4)


@given(st.floats(-1.0, 1.0), st.floats(1e-4, 0.5), st.floats(60.0, 30 * DAY))
def test_odds_are_both_student_tails_of_unit_variance(log_distance, sigma, horizon):
    away = 0.75 * abs(log_distance) / (sigma * math.sqrt(horizon / DAY))
    tails = 2.0 * stats.t.sf(away, 3, scale=math.sqrt(1.0 / 3.0))
    expected = max(tails, LEAST_ODDS)
    np.testing.assert_allclose(
        reach_probability(log_distance, sigma, horizon), expected, rtol=1e-9, atol=1e-12
    )


def test_odds_are_never_below_one_in_a_thousand():
    assert reach_probability([0.2, 5.0], 1e-3, DAY).tolist() == [0.001, 0.001]


@given(st.floats(1e-4, 0.5), st.floats(1e-4, 0.5))
def test_blend_lies_between_the_volatilities_nearer_to_the_day(day, month):
    blended = float(blend_volatility(day, month))
    assert min(day, month) * (1 - 1e-12) <= blended <= max(day, month) * (1 + 1e-12)
    np.testing.assert_allclose(blended, math.exp(0.6 * math.log(day) + 0.4 * math.log(month)))


def test_a_weekend_ahead_is_calmer_and_one_behind_is_followed_by_more():
    assert float(blend_volatility(0.02, 0.02, 1.0)) == pytest.approx(0.02 * 0.65)
    assert float(blend_volatility(0.02, 0.02, -0.5)) == pytest.approx(0.02 / 0.65**0.5)


@pytest.mark.parametrize(
    ("instant", "ahead", "behind"),
    [
        ("2026-03-04T13", 0.0, 0.0),  # a Wednesday
        ("2026-03-06T00", 0.0, 0.0),
        ("2026-03-06T18", 0.75, 0.0),
        ("2026-03-07T00", 1.0, 0.0),
        ("2026-03-07T06", 1.0, 0.25),
        ("2026-03-08T00", 1.0, 1.0),
        ("2026-03-08T12", 0.5, 1.0),
        ("2026-03-09T00", 0.0, 1.0),
        ("2026-03-10T00", 0.0, 0.0),
        ("1970-01-04T00", 1.0, 1.0),  # a Sunday
    ],
)
def test_weekend_change_is_the_share_ahead_less_those_behind(instant, ahead, behind):
    at = np.datetime64(instant, "us").astype(np.int64)
    expected = ahead - 0.6 * behind - 0.4 * 2 / 7
    assert float(weekend_change(at)) == pytest.approx(expected, abs=1e-12)


def test_weekend_change_is_nothing_on_average():
    hours = np.arange(7 * 24) * 3_600_000_000
    assert weekend_change(hours).sum() == pytest.approx(0.0, abs=1e-12)


def test_blend_of_what_is_not_known_is_not_known():
    assert np.isnan(blend_volatility([math.nan, 0.02], [0.02, math.nan])).all()


@settings(deadline=None)
@given(st.floats(0.0, 1.0), st.floats(1e-4, 0.5), st.floats(60.0, 30 * DAY))
def test_odds_fall_with_distance_and_rise_with_time_and_volatility(distance, sigma, horizon):
    odds = reach_probability(distance, sigma, horizon)
    assert 0.0 <= odds <= 1.0
    assert reach_probability(distance * 1.5, sigma, horizon) <= odds
    assert reach_probability(distance, sigma * 1.5, horizon) >= odds
    assert reach_probability(distance, sigma, horizon * 1.5) >= odds
    assert reach_probability(-distance, sigma, horizon) == odds


def test_limits_of_the_odds():
    nothing = math.nan
    for distance, sigma, seconds, expected in (
        (0.0, 0.02, DAY, 1.0),
        (0.0, 0.0, DAY, 1.0),
        (0.01, 0.0, DAY, LEAST_ODDS),
        (0.01, 0.02, 0.0, LEAST_ODDS),
        (nothing, 0.02, DAY, nothing),
        (0.01, nothing, DAY, nothing),
        (0.01, 0.02, nothing, nothing),
        (0.01, -0.02, DAY, nothing),
        (0.01, 0.02, -1.0, nothing),
    ):
        np.testing.assert_array_equal(reach_probability(distance, sigma, seconds), expected)


def test_odds_broadcast_levels_over_horizons():
    odds = reach_probability(np.zeros((3, 1)) + 0.01, 0.02, np.array([DAY, 2 * DAY]))
    assert odds.shape == (3, 2)


def volatility_by_definition(close, bar_seconds, half_life):
    """Return the weighted variance per day, bar by bar, summing over the whole past each time."""
    result = []
    for t in range(len(close)):
        seen = [i for i in range(t + 1) if np.isfinite(close[i]) and close[i] > 0.0]
        squares, days = 0.0, 0.0
        for earlier, later in pairwise(seen):
            weight = 0.5 ** ((seen[-1] - later) * bar_seconds / half_life)
            squares += weight * math.log(close[later] / close[earlier]) ** 2
            days += weight * (later - earlier) * bar_seconds / DAY
        result.append(math.sqrt(squares / days) if days else math.nan)
    return result


def test_trailing_volatility_is_the_weighted_one_where_it_forgets_little():
    steps = np.random.default_rng(5).normal(0.0, 0.004, size=600)
    close = np.exp(np.cumsum(steps))
    squares = np.append(np.nan, np.diff(np.log(close)) ** 2)[None]
    trailing = trailing_volatility(squares, 3600.0, 240)[0]
    defined = volatility_by_definition(close, 3600.0, DAY)
    np.testing.assert_allclose(trailing[1:], defined[240:], rtol=2e-3)


def test_without_a_half_life_the_mean_is_plain():
    squares = np.random.default_rng(3).random((2, 50))
    found = trailing_volatility(squares, 3600.0, 20, math.inf)
    np.testing.assert_allclose(found[:, -1], np.sqrt(24 * squares[:, -20:].mean(axis=1)))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 30))
def test_trailing_volatility_is_the_same_wherever_the_array_begins(seed, n_trailing, n_before):
    generator = np.random.default_rng(seed)
    squares = generator.random((2, 80)) ** 2
    squares[generator.random((2, 80)) < 0.2] = np.nan
    whole = trailing_volatility(squares, 3600.0, n_trailing)
    part = trailing_volatility(squares[:, n_before:], 3600.0, n_trailing)
    np.testing.assert_array_equal(part, whole[:, n_before:])


def test_hours_not_observed_are_neither_movement_nor_time():
    squares = np.array([[4e-4, np.nan, np.nan, 4e-4], [np.nan] * 4])
    found = trailing_volatility(squares, 3600.0, 4)
    np.testing.assert_allclose(found[0], [math.sqrt(4e-4 * 24)])
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize("n_trailing", [0, 5])
def test_more_bars_than_there_are_cannot_count(n_trailing):
    with pytest.raises(InvalidParameters, match=f"n_trailing is {n_trailing} of 4 bars"):
        trailing_volatility(np.ones((1, 4)), 3600.0, n_trailing)
