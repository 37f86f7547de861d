"""Odds of touch against recorded hours, where they are at hand."""

from pathlib import Path

import numpy as np
import pytest

from bench.touch import COINS, join, log_losses, odds, random_walk, read_levels
from transforms.touch import DAY_EXPONENT, TAIL_SCALE

RECORDED = Path(__file__).parents[2] / ".." / "shared" / "data" / "market_1h"


@pytest.fixture(scope="module")
def levels():
    if not RECORDED.is_dir():
        pytest.skip("recorded hours are not at hand: ../shared/data/market_1h")
    return join([read_levels(RECORDED / f"binance_{coin}_1h.parquet") for coin in COINS])


def test_odds_lose_less_than_a_random_walk(levels):
    walk, shipped = random_walk(levels), odds(levels, DAY_EXPONENT, TAIL_SCALE)
    assert log_losses(levels, shipped).mean() < log_losses(levels, walk).mean() - 0.005


@pytest.mark.parametrize(
    ("low", "high", "least"),
    # Small odds are too high by some; those of a random walk are too low there sevenfold.
    [(0.002, 0.02, 0.6), (0.02, 0.1, 0.8), (0.1, 0.3, 0.9), (0.3, 0.6, 0.95), (0.6, 0.9, 0.95)],
)
def test_levels_are_touched_about_as_often_as_the_odds_say(levels, low, high, least):
    said = odds(levels, DAY_EXPONENT, TAIL_SCALE)
    inside = (said >= low) & (said < high)
    assert np.count_nonzero(inside) > 10_000
    touched, expected = levels.is_touched[inside].mean(), said[inside].mean()
    assert least < touched / expected < 1.05
