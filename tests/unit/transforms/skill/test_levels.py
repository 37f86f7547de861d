"""Levels that price went through: their cells, what lies in them, and how old they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from transforms.errors import InvalidInput
from transforms.grid import bin_center
from transforms.skill.levels import (
    HOUR,
    ReachedLevels,
    amounts_in_cells,
    farthest_first,
    halves_of,
    oldest_first,
)


def drawn(seed, n_spans=40):
    generator = np.random.default_rng(seed)
    price = generator.integers(100, 140, n_spans)
    return ReachedLevels(
        np.arange(n_spans) * HOUR,
        np.arange(1, n_spans + 1) * HOUR,
        price,
        price - generator.integers(0, 9, n_spans),
        price + generator.integers(0, 9, n_spans),
    )


def test_shapes_that_differ_are_refused():
    one = np.zeros(1, np.int64)
    with pytest.raises(InvalidInput, match="shapes"):
        ReachedLevels(one, one, one, one, np.zeros(2, np.int64))


def test_extremes_short_of_the_price_reach_the_cell_of_the_price_alone():
    price = np.array([100.0])
    levels = ReachedLevels.between(
        np.array([0]), np.array([HOUR]), price, price * 1.02, price * 1.1
    )
    assert levels.is_reached[0, 0].sum() == 1
    assert levels.is_reached[0, 1].sum() > 40


@given(st.integers(0, 50))
def test_every_amount_on_a_reached_level_is_in_one_cell(seed):
    levels = drawn(seed)
    generator = np.random.default_rng(seed)
    span = generator.integers(0, len(levels), 300)
    side = generator.integers(0, 2, 300)
    level = levels.price_bin[span] + generator.integers(-12, 13, 300)
    usd = generator.gamma(1.0, 1.0, 300)
    far = np.where(side == 0, levels.low_bin[span], levels.high_bin[span])
    begin = levels.price_bin[span]
    is_reached = np.where(
        side == 0, (level <= begin) & (level >= far), (level >= begin) & (level <= far)
    )
    found = amounts_in_cells(levels, span, side, level, usd)
    assert_allclose(found.sum(), usd[is_reached].sum())
    assert not found[~levels.is_reached].any()
    # A cell knows its bin.
    cells = np.abs(level - begin)[is_reached]
    assert_array_equal(levels.bins[span[is_reached], side[is_reached], cells], level[is_reached])


def test_an_unknown_amount_counts_as_none():
    levels = drawn(1, 1)
    one = np.zeros(1, np.int64)
    assert not amounts_in_cells(levels, one, one, levels.price_bin, np.array([np.nan])).any()


def test_longs_and_shorts_mirror_each_other():
    levels = drawn(2)
    mirrored = ReachedLevels(
        levels.start, levels.end, -levels.price_bin, -levels.high_bin, -levels.low_bin
    )
    assert_array_equal(levels.is_reached[:, ::-1], mirrored.is_reached)
    assert_array_equal(levels.bins[:, ::-1], -mirrored.bins)
    assert_array_equal(farthest_first(levels)[:, ::-1], farthest_first(mirrored))


def test_age_is_that_of_the_last_hour_that_traded_the_level_before_the_span():
    generator = np.random.default_rng(3)
    end = np.arange(1, 61) * HOUR
    low = generator.integers(90, 130, 60)
    high = low + generator.integers(0, 20, 60)
    levels = drawn(4, 20)
    levels = ReachedLevels(
        end[20:40], end[21:41], levels.price_bin, levels.low_bin, levels.high_bin
    )
    found = oldest_first(levels, end, bin_center(low), bin_center(high))
    for span, side, cell in np.argwhere(levels.is_reached)[::7]:
        level = levels.bins[span, side, cell]
        traded = [
            at for at, one, other in zip(end, low, high, strict=True)
            if at <= levels.start[span] and one <= level <= other
        ]  # fmt: skip
        hours = (levels.start[span] - (traded[-1] if traded else end[0] - HOUR)) / HOUR
        assert_allclose(found[span, side, cell], np.log1p(hours))


def test_prices_that_are_not_known_age_nothing():
    levels = ReachedLevels(*(np.array([one]) for one in (3 * HOUR, 4 * HOUR, 0, 0, 0)))
    low = np.array([1.0, np.nan])
    age = oldest_first(levels, np.array([1, 3]) * HOUR, low, low)
    assert_allclose(np.expm1(age), 2.0)


@given(st.integers(0, 50))
def test_halves_add_up_to_what_was_reached(seed):
    levels = drawn(seed)
    generator = np.random.default_rng(seed)
    held = generator.gamma(1.0, 1.0, levels.is_reached.shape)
    halves = halves_of(levels, held, generator.integers(1, 12, (len(levels), 2)))
    assert_allclose(halves.sum(axis=2), np.where(levels.is_reached, held, 0.0).sum(axis=2))
    assert (halves > -1e-9).all()


def test_a_span_without_a_map_has_no_halves():
    levels = drawn(5, 1)
    held = np.full(levels.is_reached.shape, np.nan)
    assert np.isnan(halves_of(levels, held, np.ones((1, 2), np.int64))).all()
