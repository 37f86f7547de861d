"""Following price after a level was published, and comparing crowded levels with lone ones."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from transforms.errors import InvalidInput
from transforms.skill.crowding import (
    AFTER_HOURS,
    LEAST_FORTNIGHTS,
    TOUCH_HOURS,
    Outcomes,
    PublishedLevels,
    agreement_of,
    compare_agreements,
    follow_levels,
)

HOURS = 60


def levels_at(prices, hour=0, probability=0.5, agreeing=1.0, votes=4.0):
    n = len(prices)
    return PublishedLevels(
        np.full(n, hour, dtype=np.int64),
        np.log(prices),
        *(np.broadcast_to(value, n).astype(float) for value in (probability, agreeing, votes)),
    )


def flat(**changes):
    """Return high, low and close of hours at 100, with values set by name and hour."""
    prices = {name: np.full(HOURS, 100.0) for name in ("high", "low", "close")}
    for name, values in changes.items():
        for hour, value in values.items():
            prices[name][hour] = value
    return prices


@pytest.mark.parametrize(("hour", "is_touched"), [(0, False), (1, True), (24, True), (25, False)])
def test_a_level_is_touched_within_the_day_after_it_was_published(hour, is_touched):
    outcome = follow_levels(levels_at([99.0]), **flat(low={hour: 98.9}))
    assert outcome.is_touched.tolist() == [is_touched]
    assert outcome.is_known.all()


def test_sides_mirror_each_other():
    below = follow_levels(levels_at([99.0]), **flat(low={3: 98.0}, close={6: 98.5}))
    mirrored = {
        "high": flat(low={3: 98.0})["low"],
        "low": np.full(HOURS, 100.0),
        "close": flat(close={6: 98.5})["close"],
    }
    above = follow_levels(
        levels_at([100.0**2 / 99.0]), **{name: 1e4 / price for name, price in mirrored.items()}
    )
    assert_allclose(above.overshoot_bps, below.overshoot_bps, rtol=1e-9)
    assert_allclose(below.overshoot_bps, 1e4 * np.log(99.0 / 98.0))
    assert above.is_reversed.tolist() == below.is_reversed.tolist() == [0.0]


def test_price_is_followed_for_four_hours_from_the_touch_on():
    last, beyond = 2 + AFTER_HOURS - 1, 2 + AFTER_HOURS
    deep = follow_levels(levels_at([99.0]), **flat(low={2: 98.9, last: 97.0}))
    late = follow_levels(levels_at([99.0]), **flat(low={2: 98.9, beyond: 97.0}))
    assert_allclose(deep.overshoot_bps, 1e4 * np.log(99.0 / 97.0))
    assert_allclose(late.overshoot_bps, 1e4 * np.log(99.0 / 98.9))


def test_an_hour_without_a_price_leaves_the_outcome_unknown():
    gap = flat(low={5: np.nan, 30: 98.0})
    assert not follow_levels(levels_at([99.0]), **gap).is_known.any()
    # Not within the hours in question.
    assert follow_levels(levels_at([99.0], hour=30), **gap).is_known.all()
    assert not follow_levels(levels_at([99.0], hour=HOURS - TOUCH_HOURS), **flat()).is_known.any()


def test_what_follows_a_touch_has_to_be_known():
    end = HOURS - 1 - TOUCH_HOURS
    untouched = follow_levels(levels_at([99.0], hour=end), **flat())
    touched = follow_levels(levels_at([99.0], hour=end), **flat(low={HOURS - 1: 98.0}))
    assert untouched.is_known.all()
    assert not touched.is_known.any()


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(InvalidInput, match=r"levels\.votes has shape"):
        PublishedLevels(
            np.zeros(2, dtype=np.int64), np.zeros(2), np.zeros(2), np.zeros(2), np.zeros(3)
        )


def test_two_votes_of_two_are_most_and_one_of_one_is_lone():
    assert agreement_of(np.array([2.0, 1.0]), np.array([2.0, 1.0])).tolist() == [2, 0]


def drawn_levels(generator, n_blocks, touch_odds):
    """Return half lone, half crowded levels; the crowded are touched with odds of their own."""
    n = 400 * n_blocks
    agreeing = np.where(np.arange(n) % 2 == 0, 1.0, 4.0)
    levels = PublishedLevels(np.arange(n), np.zeros(n), np.full(n, 0.3), agreeing, np.full(n, 4.0))
    is_touched = generator.random(n) < np.where(agreeing > 1.0, touch_odds, 0.3)
    some = np.where(is_touched, generator.exponential(50.0, n), np.nan)
    outcomes = Outcomes(
        is_touched, np.ones(n, dtype=bool), some, np.where(is_touched, some > 30.0, np.nan)
    )
    return levels, outcomes, np.arange(n) * n_blocks // n


@pytest.mark.parametrize(("touch_odds", "is_seen"), [(0.5, True), (0.3, False)])
def test_an_attraction_of_crowded_levels_is_seen_where_there_is_one(touch_odds, is_seen):
    generator = np.random.default_rng(5)
    *_, difference = compare_agreements(*drawn_levels(generator, 20, touch_odds), generator)
    excess = difference.touch_excess
    assert (excess.low > 0.0) == is_seen
    assert excess.low <= excess.value <= excess.high
    assert difference.reversal_ratio.low < 0.0 < difference.reversal_ratio.high


def test_too_few_blocks_give_a_figure_without_an_interval():
    generator = np.random.default_rng(5)
    lone, *_ = compare_agreements(*drawn_levels(generator, LEAST_FORTNIGHTS - 1, 0.3), generator)
    assert np.isfinite(lone.touch_excess.value)
    assert np.isnan([lone.touch_excess.low, lone.touch_excess.high]).all()


def test_levels_without_odds_are_not_counted():
    generator = np.random.default_rng(5)
    levels, outcomes, block = drawn_levels(generator, 6, 0.3)
    levels.probability[:100] = np.nan
    lone, *_ = compare_agreements(levels, outcomes, block, generator)
    assert lone.level_count == 1200 - 50


def test_few_touches_give_no_figure_on_what_followed():
    generator = np.random.default_rng(5)
    levels, outcomes, block = drawn_levels(generator, 6, 0.3)
    outcomes.is_touched[:] = False
    outcomes.is_touched[:10] = True
    lone, *_ = compare_agreements(levels, outcomes, block, generator)
    assert lone.touched_count == 5
    assert np.isnan([lone.overshoot_bps.value, lone.reversal_ratio.value]).all()
    assert np.isfinite(lone.touch_excess.value)
