"""Intervals from blocks of time: coverage, what is drawn together, and when there is none."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from transforms.errors import InvalidParameters
from transforms.skill.bootstrap import draw_blocks, interval

HOUR = 3_600_000_000


def clustered(generator, n_markets, n_hours, persistence=0.9):
    """Return amounts whose hours depend on one another for about a day, mean 1."""
    noise = generator.normal(size=(n_hours, n_markets))
    state = np.zeros(n_markets)
    level = np.empty_like(noise)
    for hour, shock in enumerate(noise):
        state = persistence * state + np.sqrt(1.0 - persistence**2) * shock
        level[hour] = state
    return np.exp(0.8 * level - 0.32).T


def coverage(block_days):
    """Return how often the interval of a mean holds the truth, over 300 markets of 60 days."""
    generator = np.random.default_rng(11)
    values = clustered(generator, 300, 60 * 24)
    blocks = draw_blocks(np.arange(1, 60 * 24 + 1) * HOUR, generator, block_days, 500)
    draws = blocks.drawn(blocks.sums(values)) / blocks.drawn(blocks.sums(np.ones((1, 60 * 24))))
    low, high = interval(draws, blocks.n_blocks)
    return np.mean((low <= 1.0) & (high >= 1.0))


def test_intervals_of_three_day_blocks_hold_the_truth_about_as_often_as_they_say():
    """20 blocks of a skewed amount: a little below 95 %."""
    assert 0.88 <= coverage(3.0) <= 0.98


def test_hours_as_their_own_blocks_would_be_far_too_sure():
    assert coverage(1.0 / 24.0) < 0.6


def test_sums_and_draws_agree_with_a_loop():
    generator = np.random.default_rng(2)
    end = np.sort(generator.choice(np.arange(1, 2000), 500, replace=False)) * HOUR
    values = generator.normal(size=(2, 3, 500))
    blocks = draw_blocks(end, generator, 3.0, 4)
    sums = blocks.sums(values)
    for number in range(blocks.n_blocks):
        assert_allclose(sums[..., number], values[..., blocks.block == number].sum(axis=-1))
    expected = [sum(t * sums[..., b] for b, t in enumerate(times)) for times in blocks.times_drawn]
    assert_allclose(blocks.drawn(sums), np.stack(expected, axis=-1))


def test_assets_of_the_same_days_are_drawn_together():
    end = np.arange(1, 24 * 30 + 1) * HOUR
    blocks = draw_blocks(np.concatenate((end, end)), np.random.default_rng(1))
    assert blocks.block[: len(end)].tolist() == blocks.block[len(end) :].tolist()
    assert blocks.n_blocks == 10


def test_a_gap_makes_no_empty_block():
    end = np.array([1, 2, 2000, 2001]) * HOUR
    assert draw_blocks(end, np.random.default_rng(1)).block.tolist() == [0, 0, 1, 1]


def test_the_same_generator_gives_the_same_draws():
    end = np.arange(1, 500) * HOUR
    first, second = (draw_blocks(end, np.random.default_rng(3)).times_drawn for _ in range(2))
    assert np.array_equal(first, second)


def test_few_blocks_give_no_interval():
    low, high = interval(np.random.default_rng(1).normal(size=(2, 100)), 7)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_lengths_and_draws_are_held_above_zero():
    with pytest.raises(InvalidParameters, match="block_days"):
        draw_blocks(np.array([HOUR]), np.random.default_rng(1), 0.0)
