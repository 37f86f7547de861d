"""Fitted weights of leverage: found where flows show them, flagged where they do not."""

from dataclasses import replace

import numpy as np
import pytest

from transforms.calibration.fit_status import FitStatus, ParameterStatus
from transforms.calibration.poisson import BlockDraws
from transforms.calibration.tiers import TierObservations, fit_tiers
from transforms.errors import InvalidInput, InvalidParameters

LEVERAGES = np.array([2.0, 3.0, 5.0, 10.0, 25.0, 50.0, 100.0])
PRIOR = np.array([0.2, 0.2, 0.3, 0.1, 0.05, 0.03, 0.02])
# Tiers of one group differ from the prior alike, and what lies above 5x has the sum of the prior.
TRUTH = PRIOR * [1.0, 1.0, 1.0, 1.5, 2.0, 3.0, 3.0]
TRUTH[3:] *= PRIOR[3:].sum() / TRUTH[3:].sum()
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
        assert not fit.is_identified[:3].any()
        inside.append(((fit.low <= TRUTH) & (fit.high >= TRUTH))[fit.is_identified])
    assert np.concatenate(inside).mean() >= 0.85


def test_low_leverage_keeps_its_prior_and_is_never_identified(path):
    # Here it is met as often as any other.
    often = np.random.default_rng(1).gamma(1.0, 1e8, path.shape)
    fit = fit_tiers(estimator(often), LEVERAGES, PRIOR, observe(often, 0), block_draws=draws())
    assert fit.group.tolist() == [0, 0, 0, 1, 2, 3, 3]
    np.testing.assert_array_equal(fit.weights[:3], PRIOR[:3])
    assert not fit.is_identified[:3].any()
    assert ParameterStatus.IDENTIFIED not in fit.parameter_status[:3]
    assert fit.weights.sum() == pytest.approx(PRIOR.sum())
    only_low = fit_tiers(
        lambda weights: often[..., :3] * weights, LEVERAGES[:3], PRIOR[:3], observe(often, 0),
        block_draws=draws(),
    )  # fmt: skip
    assert not only_low.is_identified.any()


def test_tiers_of_one_group_keep_their_ratio(path):
    fit = fit_tiers(estimator(path), LEVERAGES, PRIOR, observe(path, 0))
    assert fit.weights[5] / fit.weights[6] == pytest.approx(PRIOR[5] / PRIOR[6])


def test_a_factor_on_all_that_is_realised_is_kappa(path):
    observed = observe(path, 0)
    thrice = replace(observed, realised=3.0 * observed.realised)
    one, three = (fit_tiers(estimator(path), LEVERAGES, PRIOR, each) for each in (observed, thrice))
    np.testing.assert_allclose(three.weights, one.weights, rtol=1e-6)
    assert three.kappa == pytest.approx(3.0 * one.kappa)
    assert not three.is_kappa_identified


def test_a_tier_met_on_one_day_is_not_identified(path):
    once = path.copy()
    once[24:, :, 3] = 0.0
    once[:24, :, 3] += 1e9
    observed = observe(once, 0)
    fit = fit_tiers(estimator(once), LEVERAGES, PRIOR, observed, block_draws=draws())
    assert fit.status is FitStatus.FITTED
    assert not fit.is_identified[3]
    assert (fit.low[3], fit.high[3]) == (0.0, np.inf)


def test_kappa_is_identified_by_an_anchor_only(path):
    observed = observe(path, 0)
    free = fit_tiers(estimator(path), LEVERAGES, PRIOR, observed)
    assert not free.is_kappa_identified
    anchored = fit_tiers(estimator(path), LEVERAGES, PRIOR, observed, anchor=free.kappa * 1.1)
    assert anchored.is_kappa_identified
    np.testing.assert_allclose(anchored.weights[3:] * 1.1, free.weights[3:], rtol=1e-6)
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
    assert np.log(fit.draws[:, 3:5].sum(axis=1, dtype=np.float64)).std() < fit.log_sd[3:5].max()


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
    assert np.isnan([fit.kappa, *fit.weights, *fit.low, *fit.high, *fit.blocks]).all()
    assert not fit.is_identified.any()


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
