"""Truths of the simulated market that fits and scores must find, and those they must not claim."""

from dataclasses import replace

import numpy as np
import pytest

from bench.recovery import (
    TILTS,
    fit_series,
    place_of_open_interest,
    recover_ledger,
    recover_tiers,
    tilted_prior,
)
from bench.recovery_market import (
    ASSET,
    KNOWN,
    bursty_market,
    consumed,
    market,
    simulate_series,
    with_positions_of,
)
from transforms.calibration.fit_status import FitStatus
from transforms.calibration.poisson import BlockDraws, fit_poisson, time_blocks
from transforms.skill.panel import ScoreStatus

FIT_DAYS, TEST_DAYS = 35, 35
SEEDS = (2, 3)


@pytest.fixture(scope="module")
def bursty_series():
    return [simulate_series(bursty_market(seed, FIT_DAYS + TEST_DAYS)) for seed in SEEDS]


@pytest.fixture(scope="module")
def plain_series():
    return [simulate_series(market(seed, 85.0)) for seed in range(3)]


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
    assert score.gain_low < 0.0


def test_a_price_that_does_not_move_identifies_nothing():
    still = replace(ASSET, daily_volatility_ratio=1e-9, price_noise_bps=1e-6)
    series = simulate_series(replace(market(1, 30.0), assets=(still,)))
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
    weights = fit_series(series, np.array(KNOWN.weights))
    assert weights.status in (FitStatus.NOTHING_REALISED, FitStatus.NOTHING_PREDICTED)
    assert not weights.is_identified.any()
    assert not weights.is_kappa_identified


def test_known_weights_of_leverage_are_recovered_from_any_prior(plain_series):
    found = {name: [] for name in TILTS}
    for series in plain_series:
        for name, factors in TILTS.items():
            rows = recover_tiers(fit_series(series, tilted_prior(factors)))
            found[name].extend(rows)
    for rows in found.values():
        known = [row for row in rows if row.is_identified]
        assert len(known) >= 5
        assert np.mean([row.is_inside for row in known]) >= 0.85
        # What flows cannot tell is never claimed, however many there are.
        assert {row.parameter for row in known} <= {"10x", "20x-25x", "50x-100x"}


def test_wrong_weights_are_left_behind(plain_series):
    # A fit that returned its prior would hold the truth in wide enough intervals too.
    truth = np.array(KNOWN.weights)
    for factors in list(TILTS.values())[1:]:
        prior = tilted_prior(factors)
        fitted = fit_series(plain_series[0], prior).weights
        above = slice(3, None)
        before, after = (np.abs(np.log(each / truth))[above].mean() for each in (prior, fitted))
        assert after < 0.5 * before


def test_a_ledger_that_made_the_liquidations_is_recovered_near_price(plain_series):
    rows = [
        row for seed, series in enumerate(plain_series[:2]) for row in recover_ledger(series, seed)
    ]
    near = [row for row in rows if row.parameter == "map within 2%"]
    assert all(row.is_identified for row in near)
    assert all(row.is_inside for row in near)
    assert all(0.7 < row.value / row.truth < 1.4 for row in near)
