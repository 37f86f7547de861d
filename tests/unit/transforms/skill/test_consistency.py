"""Tests of amounts and of gains: their size where nothing is wrong, their power where it is."""

import numpy as np
import pytest
from scipy import stats

from transforms.skill.consistency import gain_test, number_test, student_probability


def test_students_law_is_that_of_scipy():
    statistic = np.array([0.0, -0.5, 1.96, -8.0])
    for degrees in (1, 2, 7, 8, 30):
        expected = stats.t.cdf(statistic, degrees)
        assert student_probability(statistic, degrees) == pytest.approx(expected, abs=1e-12)


def test_t_and_w_tests_are_those_of_scipy():
    gain = np.random.default_rng(1).normal(0.3, 1.0, (4, 25))
    gain[3, :5] = [0.0, 0.5, -0.5, 0.5, 0.0]
    test = gain_test(gain)
    assert test.t_p_value == pytest.approx([stats.ttest_1samp(one, 0.0).pvalue for one in gain])
    expected = [stats.wilcoxon(one, correction=True, method="asymptotic").pvalue for one in gain]
    assert test.w_p_value == pytest.approx(expected)


def test_both_tests_reject_as_often_as_they_say_where_there_is_no_gain():
    test = gain_test(np.random.default_rng(2).normal(0.0, 1.0, (4000, 30)))
    for p_value in (test.t_p_value, test.w_p_value):
        assert np.mean(p_value < 0.05) == pytest.approx(0.05, abs=0.012)


def test_number_quantiles_are_even_where_the_total_is_right():
    generator = np.random.default_rng(3)
    realised = generator.gamma(1.0, 1.0, (2000, 30))
    quantile = np.array([number_test(one, np.ones(30)) for one in realised])
    assert np.mean((quantile < 0.025) | (quantile > 0.975)) == pytest.approx(0.05, abs=0.035)
    assert quantile.mean() == pytest.approx(0.5, abs=0.05)


def test_number_test_sees_three_times_too_much_and_too_little():
    realised = np.random.default_rng(4).gamma(2.0, 0.5, 30)
    assert number_test(realised, np.full(30, 3.0)) < 0.001
    assert number_test(realised, np.full(30, 1.0 / 3.0)) > 0.999


@pytest.mark.parametrize("realised", [np.ones(7), np.zeros(20), np.ones(20)])
def test_too_few_blocks_nothing_realised_or_no_spread_give_no_quantile(realised):
    assert np.isnan(number_test(realised, np.ones_like(realised)))


def test_gains_of_zero_have_no_test():
    test = gain_test(np.zeros((1, 10)))
    assert np.isnan([test.t_p_value, test.w_p_value]).all()
