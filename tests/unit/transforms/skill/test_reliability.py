"""Whether odds of touch are held to what came, and bands to levels that are equally likely."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.workbench.panels import HOUR
from transforms.errors import InvalidInput
from transforms.skill.reliability import (
    Touches,
    even_edges,
    log_loss,
    loss_gain,
    reliability,
    touch_excess,
)

DAY = 24 * HOUR


def levels(seed, n_levels, excess=0.0):
    """Return levels over 200 days that are touched as often as their odds say, and so much more."""
    generator = np.random.default_rng(seed)
    odds = generator.uniform(0.02, 0.8, n_levels)
    is_touched = generator.uniform(size=n_levels) < odds + excess
    return Touches(odds, is_touched, generator.integers(0, 200, n_levels) * DAY)


def test_log_loss_is_that_of_what_came_and_never_infinite():
    odds, is_touched = np.array([0.25, 0.25, 0.0, np.nan]), np.array([True, False, True, True])
    expected = [np.log(4.0), np.log(4.0 / 3.0), np.log(1000.0), np.nan]
    assert_allclose(log_loss(odds, is_touched), expected)


def test_odds_that_are_right_are_within_a_point_or_two_in_every_tenth():
    known = levels(1, 100_000)
    table = reliability(known.odds, known.is_touched)
    is_there = table.count > 0
    assert is_there.tolist() == [True] * 8 + [False] * 2
    off = table.said - table.came
    assert np.abs(off[is_there]).max() < 0.02
    assert np.isnan(off[~is_there]).all()


def test_odds_that_are_too_low_are_off_by_as_much():
    known = levels(2, 100_000, excess=0.05)
    table = reliability(known.odds, known.is_touched, even_edges(known.odds))
    assert_allclose(table.said - table.came, -0.05, atol=0.015)
    assert table.count.min() == table.count.max() == 10_000


def test_a_group_takes_its_lower_edge_and_the_last_one_both():
    odds, touched = np.array([0.0, 0.5, 1.0]), np.array([False, True, True])
    assert reliability(odds, touched, (0.0, 0.5, 1.0)).count.tolist() == [1, 2]


def test_equal_odds_share_a_group():
    assert even_edges(np.full(50, 0.001)) == (0.0, 1.0)
    assert even_edges(np.full(3, np.nan)) == (0.0, 1.0)


def test_bands_that_are_touched_more_often_than_their_odds_are_seen_to():
    excess = touch_excess(levels(3, 4_000, 0.05), levels(4, 40_000), np.random.default_rng(1))
    assert excess.value == pytest.approx(5.0, abs=1.5)
    assert 0.0 < excess.low < 5.0 < excess.high


def test_bands_that_are_not_are_not_whatever_the_odds_of_all_of_them_are_off_by():
    """The odds are 5 points too low for bands and levels alike: no excess of bands."""
    excess = touch_excess(levels(5, 4_000, 0.05), levels(6, 40_000, 0.05), np.random.default_rng(1))
    assert excess.low < 0.0 < excess.high
    assert excess.high - excess.low < 5.0


def test_bands_nearer_than_all_levels_do_not_count():
    odds = np.array([0.9] * 100 + [0.5] * 100)
    at = np.tile(np.arange(100), 2) * 2 * DAY
    is_touched = np.array([True] * 100 + [False] * 100)
    half = Touches(odds[100:], is_touched[100:], at[100:])
    excess = touch_excess(Touches(odds, is_touched, at), half, np.random.default_rng(1))
    assert (excess.value, excess.low, excess.high) == (0.0, 0.0, 0.0)


def test_no_bands_no_figure():
    none = Touches(np.zeros(0), np.zeros(0, dtype=bool), np.zeros(0, dtype=np.int64))
    excess = touch_excess(none, levels(7, 100), np.random.default_rng(1))
    assert np.isnan([excess.value, excess.low, excess.high]).all()
    assert excess.count == 0


def test_better_odds_gain_and_the_same_gain_nothing():
    known = levels(8, 20_000)
    worse = np.clip(known.odds + 0.2, 0.0, 1.0)
    gain = loss_gain(known, worse, np.random.default_rng(1))
    assert gain.low > 0.05
    assert gain.value == pytest.approx(
        np.mean(log_loss(worse, known.is_touched) - log_loss(known.odds, known.is_touched))
    )
    same = loss_gain(known, known.odds, np.random.default_rng(1))
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_odds_that_are_no_probabilities_are_refused():
    with pytest.raises(InvalidInput, match="probabilities"):
        Touches(np.array([30.0]), np.array([True]), np.array([0]))
