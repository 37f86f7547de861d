"""Lives, weights and moves of a simulated population are recovered inside their intervals."""

from dataclasses import replace

import numpy as np
import pytest
from workbench.position_log import Population, simulate

from transforms.positions.account_draws import AccountDraws
from transforms.positions.changes import HOUR, follow
from transforms.positions.half_lives import fresh_shares, leaving_rates
from transforms.positions.leverage import shares_of, standing_at
from transforms.positions.outcomes import GONE, MOVED, follow_maps, timed_outcomes
from transforms.positions.survival import HORIZONS, shares_within

POPULATION = Population(accounts=900)
END = int((POPULATION.days - 1.0) * 24) * HOUR
"""A day before the last sweep, so that changes before it have been found."""


@pytest.fixture(scope="module")
def known():
    """Return log, true lives, tier of each row and draws of accounts."""
    log, lives = simulate(POPULATION, seed=5)
    tier = np.searchsorted(POPULATION.leverages, log.leverage)
    return log, lives, tier, AccountDraws.of(log.n_accounts, np.random.default_rng(0))


def rates_of(known, **how):
    log, _, tier, draws = known
    return leaving_rates(log, follow(log, (0, END), **how), tier, 4, draws)


def holds(found, truth):
    return [each.low <= value <= each.high for each, value in zip(found, truth, strict=True)]


@pytest.mark.parametrize("is_counting", [True, False])
def test_half_lives_and_fresh_weights_are_recovered(known, is_counting):
    log, _, tier, draws = known
    rates = rates_of(known, is_counting=is_counting)
    assert all(holds(rates.half_life_days, POPULATION.half_lives_days))
    shares = fresh_shares(log, tier, rates, draws, is_counting=is_counting)
    assert all(holds(shares, POPULATION.weights))
    # Intervals are of use: within a tenth of counts, a fifth of sizes.
    widths = [(each.high - each.low) / each.value for each in (*shares, *rates.half_life_days)]
    assert max(widths) < (0.2 if is_counting else 0.4)


def test_lives_in_place_end_by_moves_as_well(known):
    rates = rates_of(known, is_counting=True, is_leaving_place=True)
    hazard = np.log(2.0) / np.array(POPULATION.half_lives_days) + POPULATION.moves_a_day
    found = [each.value for each in rates.half_life_days]
    # Two moves between two states are seen as one.
    np.testing.assert_allclose(found, np.log(2.0) / hazard, rtol=0.04)


def test_positions_found_in_mid_life_taken_as_fresh_give_wrong_weights(known):
    log, _, tier, draws = known
    wrong = replace(log, is_opening=log.is_opening | log.is_start)
    rates = rates_of(known, is_counting=True)
    shares = fresh_shares(wrong, tier, rates, draws, is_counting=True)
    # The slowest tier is overstated: it is most of what is open when collecting begins.
    assert shares[0].low > POPULATION.weights[0]
    assert not all(holds(shares, POPULATION.weights))


def test_lives_too_short_to_be_seen_are_made_up_for(known):
    log, _, tier, draws = known
    rates = rates_of(known, is_counting=True)
    none = replace(rates, log_hazard=np.full(4, np.nan))
    shares = fresh_shares(log, tier, none, draws, is_counting=True)
    assert shares[3].high < POPULATION.weights[3]


def test_lives_that_ended_are_shorter_than_lives(known):
    log, _, _, _ = known
    stood = follow(log, (0, END), is_counting=True)
    of_slow = log.leverage[stood.row] == POPULATION.leverages[0]
    has_left = np.isfinite(stood.width) & of_slow
    ended = np.average((stood.exposure + 0.5 * stood.width)[has_left])
    found = rates_of(known, is_counting=True).half_life_days[0]
    assert ended / 24.0 * np.log(2.0) < 0.8 * found.low


def test_what_stands_is_of_tiers_that_last(known):
    log, _, tier, draws = known
    at = END // 2
    rows = standing_at(log, at)
    standing = shares_of(log.account[rows], tier[rows], np.ones(rows.sum()), 4, draws)
    mass = np.array(POPULATION.weights) * np.array(POPULATION.half_lives_days)
    # As last seen: a little more of short lives, gone but not found yet, never opened unseen.
    assert standing[0].value == pytest.approx(mass[0] / mass.sum(), abs=0.03)
    assert standing[0].value > 2.0 * POPULATION.weights[0]


@pytest.mark.parametrize("horizon", [4.0, 24.0, 96.0])
def test_shares_gone_are_those_of_the_true_lives(known, horizon):
    log, lives, tier, draws = known
    maps = np.arange(25, int(POPULATION.days * 24) - 120, 25) * HOUR
    found = follow_maps(log, maps)
    for number in range(4):
        timed, item = timed_outcomes(log, found, GONE, (END - maps) / HOUR, is_counting=True)
        own = tier[found.row[item]] == number
        share = shares_within(timed.part(own), draws)[HORIZONS.index(horizon)]
        items = item[own]
        ended = lives.ended[log.asset[found.row[items]]]
        true = np.mean(ended <= maps[found.map_index[items]] / HOUR + horizon)
        assert share.value == pytest.approx(true, abs=0.03)
        assert share.low < share.value < share.high


def test_moves_of_two_percent_are_counted_once_and_before_the_end(known):
    log, _, tier, draws = known
    maps = np.arange(25, int(POPULATION.days * 24) - 120, 25) * HOUR
    found = follow_maps(log, maps)
    timed, item = timed_outcomes(log, found, MOVED, (END - maps) / HOUR, is_counting=True)
    share = shares_within(timed.part(tier[found.row[item]] == 0), draws)[HORIZONS.index(96.0)]
    hazard = np.log(2.0) / POPULATION.half_lives_days[0], POPULATION.moves_a_day
    # The map shows states of eight hours before on average, moves since then included.
    days = 4.0 + 8.0 / 24.0
    expected = hazard[1] / sum(hazard) * (1.0 - np.exp(-sum(hazard) * days))
    assert share.value == pytest.approx(expected, abs=0.02)
