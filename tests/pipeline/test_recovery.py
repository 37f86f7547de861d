"""Truths of the simulated market that fits and scores must find, and those they must not claim."""

import numpy as np
import pytest

from bench.recovery import place_of_open_interest
from bench.recovery_market import (
    KNOWN,
    bursty_market,
    consumed,
    simulate_series,
    still_market,
    with_positions_of,
)
from transforms.calibration.fit_status import FitStatus
from transforms.calibration.poisson import BlockDraws, fit_poisson, time_blocks
from transforms.skill.panel import ScoreStatus

FIT_DAYS, TEST_DAYS = 40, 40
SEEDS = (2, 3)


@pytest.fixture(scope="module")
def bursty_series():
    return [simulate_series(bursty_market(seed, FIT_DAYS + TEST_DAYS)) for seed in SEEDS]


@pytest.mark.parametrize("own", [0, 1])
def test_open_interest_that_places_liquidations_is_seen_to(bursty_series, own):
    score = place_of_open_interest(bursty_series[own], FIT_DAYS)
    assert score.status is ScoreStatus.SCORED
    assert score.d2_low > 0.05
    assert score.gain_low > 0.0


@pytest.mark.parametrize("own", [0, 1])
def test_open_interest_of_another_market_places_nothing(bursty_series, own):
    wrong = with_positions_of(bursty_series[own], bursty_series[1 - own])
    score = place_of_open_interest(wrong, FIT_DAYS)
    assert score.status is ScoreStatus.SCORED
    assert score.d2_low < 0.0
    assert score.d2 < 0.0


def test_a_price_that_does_not_move_identifies_nothing():
    series = simulate_series(still_market(1))
    assert series.realised_usd.sum() == 0.0
    columns = consumed(KNOWN, series.bars)
    fit = fit_poisson(
        columns, series.realised_usd, np.zeros_like(series.realised_usd),
        block_draws=BlockDraws(time_blocks(series.hour_ends), np.random.default_rng(1)),
    )  # fmt: skip
    assert fit.status in (FitStatus.NOTHING_REALISED, FitStatus.NOTHING_PREDICTED)
    assert not fit.is_identified.any()
    assert np.isnan(fit.weights).all()
    score = place_of_open_interest(series, 15)
    assert score.status is not ScoreStatus.SCORED
    assert np.isnan(score.d2)
