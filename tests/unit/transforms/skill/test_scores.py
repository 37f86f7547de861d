"""Scores against figures worked out by hand, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from transforms.calibration.poisson import poisson_deviance
from transforms.skill.scores import (
    calibration_slope,
    deviance_removed,
    gamma_deviance,
    share_within,
    window_ratios,
)

DAY = 86_400_000_000


def drawn(seed, n_spans=400):
    generator = np.random.default_rng(seed)
    predicted = np.exp(generator.normal(0.0, 1.0, (n_spans, 2)))
    return predicted * generator.gamma(0.5, 2.0, (n_spans, 2)), predicted


def test_poisson_deviance_is_that_of_the_likelihood():
    """2 (3 ln 3 - 2) of 3 where 1 was predicted; 2 mu of nothing; nothing where they agree."""
    realised, predicted = np.array([[3.0, 0.0], [2.0, np.nan]]), np.array([[1.0, 1.5], [2.0, 1.0]])
    expected = [[2.0 * (3.0 * np.log(3.0) - 2.0), 3.0], [0.0, np.nan]]
    assert_allclose(poisson_deviance(realised, predicted), expected)


def test_what_is_realised_where_nothing_was_predicted_is_infinitely_wrong():
    assert poisson_deviance(np.array([[1.0, 0.0]]), np.zeros((1, 2))).tolist() == [[np.inf, 0.0]]


def test_gamma_deviance_counts_relative_errors_alike():
    realised, predicted = drawn(1)
    assert_allclose(
        gamma_deviance(realised, predicted), gamma_deviance(7.0 * realised, 7.0 * predicted)
    )


def test_figures_of_zero_have_no_gamma_deviance():
    assert np.isnan(gamma_deviance(np.array([[0.0, 1.0]]), np.ones((1, 2)))).tolist() == [
        [True, False]
    ]


@given(factor=st.floats(1e-3, 1e9), seed=st.integers(0, 99))
def test_removed_deviance_does_not_depend_on_the_unit_of_amounts(factor, seed):
    realised, predicted = drawn(seed, 30)
    mean = np.full_like(realised, realised.mean())

    def d2(unit):
        return deviance_removed(
            poisson_deviance(unit * realised, unit * predicted).sum(),
            poisson_deviance(unit * realised, unit * mean).sum(),
        )

    assert_allclose(d2(factor), d2(1.0), rtol=1e-7)


def test_removed_deviance_is_one_for_what_happened_and_zero_for_the_null():
    realised, null = drawn(2)
    own = poisson_deviance(realised, np.maximum(realised, 1e-12)).sum()
    of_null = poisson_deviance(realised, null).sum()
    assert_allclose(deviance_removed(own, of_null), 1.0)
    assert_allclose(deviance_removed(of_null, of_null), 0.0)


@pytest.mark.parametrize("exponent", [0.3, 1.0, 1.8])
def test_slope_is_the_exponent_that_predictions_lack(exponent):
    _, predicted = drawn(5)
    assert_allclose(calibration_slope(3.0 * predicted**exponent, predicted), exponent)


def test_slope_does_not_depend_on_a_factor_and_is_found_for_all_models_at_once():
    realised, predicted = drawn(6)
    slopes = calibration_slope(realised, np.stack([predicted, 100.0 * predicted, predicted**2]))
    assert_allclose(slopes[1:], [slopes[0], slopes[0] / 2.0], rtol=1e-6)


def test_predictions_that_are_all_alike_have_no_slope():
    assert np.isnan(calibration_slope(np.array([[1.0, 3.0]]), np.full((1, 2), 2.0)))


def test_windows_move_on_by_a_day_and_skip_those_mostly_unknown():
    end = np.array([1, 2, 3, 10, 11, 12]) * DAY
    realised, predicted = np.ones((6, 2)), np.full((6, 2), 1.2)
    predicted[-1] = 4.8
    ratios = window_ratios(realised, predicted, end, 86_400, 3.0)
    is_known = np.isfinite(ratios)
    assert ratios[is_known] == pytest.approx([1.2, 1.2, 1.2, 2.4])
    assert len(ratios) == 10
    assert share_within(ratios) == pytest.approx(0.75)


def test_no_window_no_share():
    ratios = window_ratios(np.ones((2, 2)), np.ones((2, 2)), np.array([1, 2]) * DAY, 86_400, 30.0)
    assert ratios.size == 0
    assert np.isnan(share_within(ratios))
