"""Fitted weights of leverage: found where flows show them, flagged where they do not."""

import numpy as np
import pytest

from transforms.calibration.fit_status import FitStatus, ParameterStatus
from transforms.calibration.poisson import BlockDraws
from transforms.calibration.tiers import TierObservations, fit_tiers, log_sd_between
from transforms.errors import InvalidInput, InvalidParameters

LEVERAGES = np.array([2.0, 3.0, 5.0, 10.0, 25.0, 50.0, 100.0])
PRIOR = np.array([0.2, 0.2, 0.3, 0.1, 0.05, 0.03, 0.02])
TRUTH = PRIOR * [0.8, 0.8, 0.8, 1.5, 2.0, 3.0, 1.5]
TRUTH *= PRIOR.sum() / TRUTH.sum()
N = 1200
KAPPA = 0.4


@pytest.fixture(scope="module")
def path():
    """Return what each tier is met with; far ones seldom, the nearest most often."""
    generator = np.random.default_rng(0)
    is_met = generator.random((N, 2, 7)) < np.linspace(0.02, 0.5, 7)
    return is_met * generator.gamma(1.0, 1e8, (N, 2, 7))


def estimator(path):
    """Return an estimator in which positions of one tier are gone where another was large."""

    def consume(weights):
        share = weights / weights.sum()
        return path * weights * (1.0 - 0.3 * share)

    return consume


def observe(path, seed):
    generator = np.random.default_rng(seed)
    move = np.abs(generator.standard_t(5, (N, 2))) * 0.004
    interest = np.full(N, 5e9)
    expected = KAPPA * estimator(path)(TRUTH).sum(axis=2) + 1.5 * interest[:, None] * move**2
    realised = expected * generator.gamma(1.0, 1.0, expected.shape)
    return TierObservations(realised, move, interest, np.ones(N))


def draws(seed=0):
    return BlockDraws(np.arange(N) // 72, np.random.default_rng(seed))


def test_truth_lies_within_the_intervals_of_what_is_identified(path):
    inside = []
    for seed in range(8):
        fit = fit_tiers(
            estimator(path), LEVERAGES, PRIOR, observe(path, seed), block_draws=draws(seed)
        )
        assert fit.status is FitStatus.FITTED
        assert fit.is_identified[-3:].all()
        low, high = np.quantile(fit.draws, (0.05, 0.95), axis=0)
        inside.append(((low <= TRUTH) & (high >= TRUTH))[fit.is_identified])
    assert np.concatenate(inside).mean() >= 0.85


def test_low_leverage_shares_one_factor(path):
    fit = fit_tiers(estimator(path), LEVERAGES, PRIOR, observe(path, 0))
    assert fit.group.tolist() == [0, 0, 0, 1, 2, 3, 4]
    np.testing.assert_allclose((fit.weights / PRIOR)[:3], (fit.weights / PRIOR)[0])
    assert fit.weights.sum() == pytest.approx(PRIOR.sum())


def test_kappa_is_identified_by_an_anchor_only(path):
    observed = observe(path, 0)
    free = fit_tiers(estimator(path), LEVERAGES, PRIOR, observed)
    assert not free.is_kappa_identified
    anchored = fit_tiers(estimator(path), LEVERAGES, PRIOR, observed, anchor=free.kappa * 1.1)
    assert anchored.is_kappa_identified
    np.testing.assert_allclose(anchored.weights * 1.1, free.weights, rtol=1e-6)
    # So small an anchor would need more positions than there are.
    small = fit_tiers(estimator(path), LEVERAGES, PRIOR, observed, anchor=free.kappa * 0.5)
    assert not small.is_kappa_identified


def test_tiers_that_are_never_met_are_said_to_be_the_priors(path):
    unmet = path.copy()
    unmet[..., 3] = 0.0
    fit = fit_tiers(estimator(unmet), LEVERAGES, PRIOR, observe(unmet, 0), block_draws=draws())
    assert fit.parameter_status[3] is ParameterStatus.NOT_EXPOSED
    assert not fit.is_identified[3]


def test_ranges_of_leverage_are_known_better_than_tiers(path):
    fit = fit_tiers(estimator(path), LEVERAGES, PRIOR, observe(path, 0), block_draws=draws())
    assert log_sd_between(fit, LEVERAGES, 50.0, 100.0) < fit.log_sd[-2:].max()
    assert np.isnan(log_sd_between(fit, LEVERAGES, 101.0, 200.0))


def test_weights_that_do_not_settle_are_said_to(path):
    turn = iter(range(100))

    def restless(weights):
        return path * weights * (1.0 + (next(turn) % 2) * np.arange(7.0))

    fit = fit_tiers(restless, LEVERAGES, PRIOR, observe(path, 0))
    assert fit.status is FitStatus.NOT_CONVERGED
    assert not fit.is_converged


def test_where_there_is_nothing_to_fit_it_says_why(path):
    observed = observe(path, 0)
    silent = TierObservations(
        observed.realised * 0.0, observed.move, observed.open_interest_usd, observed.capture
    )
    fit = fit_tiers(estimator(path), LEVERAGES, PRIOR, silent)
    assert fit.status is FitStatus.NOTHING_REALISED
    assert np.isnan(fit.weights).all()
    assert np.isnan(fit.kappa)


def test_what_cannot_be_is_refused(path):
    observed = observe(path, 0)
    with pytest.raises(InvalidParameters, match="increase"):
        fit_tiers(estimator(path), LEVERAGES[::-1], PRIOR, observed)
    with pytest.raises(InvalidParameters, match="prior weight"):
        fit_tiers(estimator(path), LEVERAGES, PRIOR * 0.0, observed)
    with pytest.raises(InvalidParameters, match="anchor"):
        fit_tiers(estimator(path), LEVERAGES, PRIOR, observed, anchor=0.0)
    with pytest.raises(InvalidInput, match="consumed"):
        fit_tiers(lambda weights: path[..., :3], LEVERAGES, PRIOR, observed)
