"""The generalised linear model is at its minimum, clips what it never saw, and makes up nothing."""

import numpy as np
import pytest

from transforms.calibration.fit_status import FitStatus
from transforms.calibration.tweedie import (
    fit_tweedie,
    predict_tweedie,
    tweedie_deviance,
)
from transforms.errors import InvalidInput, InvalidParameters

TRUTH = np.array([0.8, -0.5, 0.0])


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(4000, 3)) * [1.0, 2.0, 5.0]
    expected = np.exp(10.0 + x @ TRUTH)
    # A compound of a Poisson count of exponential amounts: zeros and a long tail.
    counts = generator.poisson(2.0, 4000)
    y = expected / 2.0 * np.array([generator.exponential(size=n).sum() for n in counts])
    return x, y


def test_coefficients_are_recovered(rows):
    x, y = rows
    fit = fit_tweedie(x, y, ridge=1e-6)
    assert fit.status is FitStatus.FITTED
    np.testing.assert_allclose(fit.coefficients / fit.spread, TRUTH, atol=0.05)
    assert predict_tweedie(fit, x).sum() == pytest.approx(y.sum(), rel=1e-6)


def test_no_step_in_any_direction_lowers_the_penalised_deviance(rows):
    x, y = rows
    fit = fit_tweedie(x, y)
    standard = (np.clip(x, fit.lower, fit.upper) - fit.center) / fit.spread
    y = y / y.mean()

    def loss(theta):
        mu = np.exp(theta[0] + standard @ theta[1:])
        return tweedie_deviance(y, mu) / (2 * len(y)) + 0.03 / 2 * (theta[1:] ** 2).sum()

    intercepts = np.linspace(-2.0, 2.0, 4001)
    best = min(intercepts, key=lambda one: loss(np.array([one, *fit.coefficients])))
    theta = np.array([best, *fit.coefficients])
    for direction in np.vstack([np.eye(4), -np.eye(4)])[:, None] * 0.02:
        assert loss(theta + direction[0]) > loss(theta)


def test_beyond_what_was_seen_it_predicts_the_most_extreme_seen(rows):
    x, y = rows
    fit = fit_tweedie(x, y)
    far = np.array([[1e9, 0.0, 0.0], [fit.upper[0], 0.0, 0.0]])
    one, two = predict_tweedie(fit, far)
    assert one == two


def test_rows_with_an_unknown_value_are_left_out(rows):
    x, y = (one.copy() for one in rows)
    x[0, 1], y[1] = np.nan, np.nan
    fit, kept = fit_tweedie(x, y), fit_tweedie(x[2:], y[2:])
    assert fit.rows == 3998
    np.testing.assert_array_equal(fit.coefficients, kept.coefficients)
    assert np.isnan(predict_tweedie(fit, x)[0])


def test_a_feature_that_does_not_vary_has_no_coefficient(rows):
    x, y = rows
    x = np.column_stack([x, np.full(len(y), 3.0)])
    fit = fit_tweedie(x, y)
    assert fit.is_converged
    assert fit.coefficients[3] == 0.0


@pytest.mark.parametrize(
    ("rows_kept", "factor", "status"),
    [(29, 1.0, FitStatus.TOO_FEW_SPANS), (4000, 0.0, FitStatus.NOTHING_REALISED)],
)
def test_where_there_is_nothing_to_fit_it_says_why(rows, rows_kept, factor, status):
    x, y = rows
    fit = fit_tweedie(x[:rows_kept], y[:rows_kept] * factor)
    assert fit.status is status
    assert np.isnan(predict_tweedie(fit, x)).all()


def test_iterations_that_end_early_are_said_to(rows, monkeypatch):
    monkeypatch.setattr("transforms.calibration.tweedie.MOST_STEPS", 1)
    fit = fit_tweedie(*rows)
    assert fit.status is FitStatus.NOT_CONVERGED
    assert not fit.is_converged


def test_what_cannot_be_is_refused(rows):
    x, y = rows
    with pytest.raises(InvalidInput, match="negative"):
        fit_tweedie(x, -y)
    with pytest.raises(InvalidInput, match="shapes"):
        fit_tweedie(x, y[1:])
    with pytest.raises(InvalidParameters, match="power"):
        fit_tweedie(x, y, power=2.0)
    with pytest.raises(InvalidInput, match="features"):
        predict_tweedie(fit_tweedie(x, y), x[:, :2])
