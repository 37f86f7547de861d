"""The Poisson fit finds the maximum it states and says what it does not know."""

import numpy as np
import pytest

from transforms.calibration.draws import pack_draws, unpack_draws
from transforms.calibration.fit_status import FitStatus, ParameterStatus
from transforms.calibration.poisson import (
    BlockDraws,
    fit_poisson,
    poisson_deviance,
    predict,
    time_blocks,
)
from transforms.calibration.poisson_solver import (
    BLOCK_SHAPE,
    Problem,
    maximise,
    maximise_draws,
)
from transforms.errors import InvalidInput, InvalidParameters

N_SPANS = 1500
HOUR = 3_600_000_000
TRUTH = np.array([40.0, 10.0, 25.0])
BETA, ALPHA = 3e6, 200.0


@pytest.fixture(scope="module")
def market():
    """Return exposures, moves and what they make expected: three columns and a fourth never met."""
    generator = np.random.default_rng(3)
    move = np.abs(generator.standard_t(4, (N_SPANS, 2))) * 0.005
    is_met = generator.random((N_SPANS, 2, 3)) < 0.4
    columns = is_met * generator.gamma(1.0, 100.0, (N_SPANS, 2, 3)) * (move / 0.005)[..., None]
    columns = np.concatenate([columns, np.zeros((N_SPANS, 2, 1))], axis=2)
    expected = columns[..., :3] @ TRUTH + BETA * move**2 + ALPHA
    return columns, move, expected


def realise(expected, seed):
    return expected * np.random.default_rng(seed).gamma(1.0, 1.0, expected.shape)


def blocks(seed=0, n_draws=100):
    end = np.arange(1, N_SPANS + 1) * HOUR
    return BlockDraws(time_blocks(end), np.random.default_rng(seed), n_draws)


def test_it_is_the_fixed_point_of_expectation_maximisation(market):
    columns, move, expected = market
    x = np.concatenate([columns, (move**2)[..., None], np.ones((N_SPANS, 2, 1))], axis=2).reshape(
        -1, 6
    )
    y = realise(expected, 0).ravel()
    problem = Problem.of(x / x.mean(axis=0).clip(1e-9), y / y.mean(), 0.05, 4)
    theta = np.full(6, 0.25)
    for _ in range(5000):
        back = problem.x.T @ (problem.y / (problem.x @ theta))
        theta = (theta * back + problem.rate * problem.prior_mean) / (
            problem.exposure + problem.rate
        )
    np.testing.assert_allclose(maximise(problem).theta, theta, rtol=1e-6)


def test_each_draw_is_the_maximum_of_its_weighted_problem(market):
    columns, _, expected = market
    x, y = columns[..., :3].reshape(-1, 3) + 10.0, realise(expected, 0).ravel()
    problem = Problem.of(x / x.mean(), y / y.mean(), 1e-6, 3)
    block = np.repeat(np.arange(20), 150)
    start = maximise(problem).theta
    thetas, are_converged = maximise_draws(problem, start, block, 5, np.random.default_rng(7))
    assert are_converged
    weight = np.random.default_rng(7).gamma(BLOCK_SHAPE, size=(5, 20))
    weight /= weight.mean(axis=1, keepdims=True)
    for theta, own in zip(thetas, weight, strict=True):
        back = problem.x.T @ (own[block] * problem.y / (problem.x @ theta))
        is_inside = theta > 1e-3
        exposure = own[block] @ problem.x
        np.testing.assert_allclose(back[is_inside], exposure[is_inside], rtol=2e-3)
        assert (back <= exposure * 1.002).all()


def test_truth_lies_within_the_intervals(market):
    columns, move, expected = market
    truth = np.array([*TRUTH, BETA, ALPHA])
    rows = [0, 1, 2, 4, 5]
    inside = []
    for seed in range(20):
        fit = fit_poisson(columns, realise(expected, seed), move, block_draws=blocks(seed))
        assert fit.status is FitStatus.FITTED
        assert fit.is_identified[rows].all()
        inside.append((fit.low[rows] <= truth) & (truth <= fit.high[rows]))
    assert np.mean(inside) >= 0.85


def test_a_column_that_was_never_met_is_said_to_be_the_priors(market):
    columns, move, expected = market
    y = realise(expected, 0)
    fit = fit_poisson(columns, y, move, block_draws=blocks())
    assert fit.parameter_status[3] is ParameterStatus.NOT_EXPOSED
    assert not fit.is_identified[3]
    assert fit.prior_share[3] == 1.0
    # The mean of the prior: what is realised over what all columns hold.
    assert fit.weights[3] == pytest.approx(y.sum() / columns.sum(), rel=1e-6)
    assert fit.log_sd[3] > 1.0
    met = columns.copy()
    met[-1, 0, 3] = columns.max()
    predicted = predict(fit_poisson(columns, y, move), met, move)
    assert predicted.max() < 10.0 * y.max()


def test_a_column_that_nothing_follows_is_at_its_bound(market):
    columns, move, expected = market
    # Met only where little is realised, so that the data would have its weight at 0.
    is_met = expected < np.median(expected)
    columns = columns.copy()
    columns[..., 3] = 5.0 * columns[..., :3].mean() * is_met
    y = realise(expected, 0) * np.where(is_met, 0.1, 1.0)
    fit = fit_poisson(columns, y, move, block_draws=blocks())
    assert fit.parameter_status[3] is ParameterStatus.AT_BOUND
    assert not fit.is_identified[3]


def test_a_parameter_that_hangs_on_a_few_days_has_no_known_spread(market):
    columns, move, expected = market
    columns = columns.copy()
    columns[24:72, :, 3] = columns[..., :3].max()
    y = realise(expected, 0) + 30.0 * columns[..., 3]
    fit = fit_poisson(columns, y, move, block_draws=blocks())
    assert fit.block_count[3] == pytest.approx(1.0)
    assert fit.parameter_status[3] is ParameterStatus.FEW_BLOCKS
    assert fit.is_identified[:3].all()


def test_what_is_not_in_the_model_is_zero_and_left_out(market):
    columns, move, expected = market
    fit = fit_poisson(
        columns,
        realise(expected, 0),
        move * np.nan,
        has_move=False,
        has_constant=False,
        block_draws=blocks(),
    )
    assert fit.status is FitStatus.FITTED
    assert (fit.move_weight, fit.constant) == (0.0, 0.0)
    assert fit.parameter_status[-2:] == (ParameterStatus.LEFT_OUT,) * 2
    assert not fit.draws[:, -2:].any()
    assert np.isfinite(predict(fit, columns, move * np.nan)).all()


def test_units_of_columns_and_amounts_do_not_matter(market):
    columns, move, expected = market
    y = realise(expected, 0)
    fit = fit_poisson(columns, y, move)
    scaled = fit_poisson(columns * 1e9, y * 1e3, move)
    np.testing.assert_allclose(scaled.weights * 1e6, fit.weights, rtol=1e-5)
    np.testing.assert_allclose(scaled.move_weight / 1e3, fit.move_weight, rtol=1e-5)


def test_spans_without_a_figure_are_left_out(market):
    columns, move, expected = market
    y = realise(expected, 0)
    kept = fit_poisson(columns[:1000], y[:1000], move[:1000])
    y[1000:, 0] = np.nan
    columns = columns.copy()
    columns[1000:, 1, 2] = np.nan
    fit = fit_poisson(columns, y, move)
    assert fit.hours == 1000
    np.testing.assert_allclose(fit.weights, kept.weights)


def test_the_same_seed_gives_the_same_draws(market):
    columns, move, expected = market
    y = realise(expected, 0)
    one, two = (fit_poisson(columns, y, move, block_draws=blocks(n_draws=11)) for _ in range(2))
    np.testing.assert_array_equal(one.draws, two.draws)
    parameters = np.array([*one.weights, one.move_weight, one.constant])
    text = pack_draws(one.draws, parameters)
    np.testing.assert_allclose(unpack_draws(text, parameters), one.draws, rtol=4e-3)
    with pytest.raises(InvalidInput, match="pack them again"):
        unpack_draws(text, parameters[1:])


def test_without_draws_nothing_is_identified(market):
    columns, move, expected = market
    fit = fit_poisson(columns, realise(expected, 0), move)
    assert fit.parameter_status[0] is ParameterStatus.NOT_DRAWN
    assert not fit.is_identified.any()
    assert np.isnan(fit.log_sd).all()
    assert fit.draws.shape == (0, 6)


def test_what_no_column_explains_does_not_stop_a_fit(market):
    columns, move, expected = market
    y = realise(expected, 0)
    columns = columns * (np.arange(N_SPANS) % 7 > 0)[:, None, None]
    fit = fit_poisson(columns, y, move, has_move=False, has_constant=False, block_draws=blocks())
    assert fit.status is FitStatus.FITTED
    assert np.isfinite(fit.deviance)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda x, y: (x[:167], y[:167]), FitStatus.TOO_FEW_SPANS),
        (lambda x, y: (x, np.full_like(y, np.nan)), FitStatus.TOO_FEW_SPANS),
        (lambda x, y: (x, y * 0.0), FitStatus.NOTHING_REALISED),
        (lambda x, y: (x * 0.0, y), FitStatus.NOTHING_PREDICTED),
    ],
)
def test_where_there_is_nothing_to_fit_it_says_why(market, change, status):
    columns, move, expected = market
    x, y = change(columns, realise(expected, 0))
    fit = fit_poisson(x, y, move[: len(y)], has_move=False, has_constant=False)
    assert fit.status is status
    assert not fit.status.has_figures
    assert not fit.is_identified.any()
    assert np.isnan(predict(fit, x, move[: len(y)])).all()


def test_iterations_that_end_early_are_said_to(market, monkeypatch):
    columns, move, expected = market
    monkeypatch.setattr("transforms.calibration.poisson_solver.MOST_STEPS", 2)
    fit = fit_poisson(columns, realise(expected, 0), move)
    assert fit.status is FitStatus.NOT_CONVERGED
    assert not fit.is_converged


def test_what_cannot_be_is_refused(market):
    columns, move, expected = market
    with pytest.raises(InvalidInput, match="negative"):
        fit_poisson(columns, -expected, move)
    with pytest.raises(InvalidInput, match="shapes"):
        fit_poisson(columns[1:], expected, move)
    with pytest.raises(InvalidParameters, match="prior_rate_ratio"):
        fit_poisson(columns, expected, move, prior_rate_ratio=0.0)
    with pytest.raises(InvalidParameters, match="n_draws"):
        blocks(n_draws=1)
    with pytest.raises(InvalidInput, match="weights"):
        predict(fit_poisson(columns, expected, move), columns[..., :2], move)


def test_deviance_is_least_at_what_was_realised():
    y = np.array([0.0, 3.0, 5.0])
    assert poisson_deviance(y, np.maximum(y, 1e-12)).sum() == pytest.approx(0.0, abs=1e-9)
    assert poisson_deviance(y, y + 0.1).sum() > 0.0
