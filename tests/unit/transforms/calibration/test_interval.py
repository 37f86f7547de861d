"""Intervals hold what they are made to hold, and follow what predictions miss by."""

import numpy as np
import pytest

from transforms.calibration.fit_status import FitStatus
from transforms.calibration.interval import (
    coverage,
    fit_interval,
    interval_around,
    trailing_interval,
)
from transforms.errors import InvalidInput, InvalidParameters

HOUR = 3_600_000_000
N = 24 * 90
SPAN_END = np.arange(1, N + 1) * HOUR


@pytest.fixture(scope="module")
def amounts():
    """Return predictions, and amounts that miss small ones by larger factors."""
    generator = np.random.default_rng(0)
    predicted = np.exp(generator.normal(12.0, 2.0, (N, 2)))
    spread = np.where(predicted > np.exp(12.0), 0.5, 1.5)
    return predicted * np.exp(spread * generator.normal(size=(N, 2))), predicted


def test_coverage_out_of_sample_is_that_of_the_level(amounts):
    realised, predicted = amounts
    for level in (0.5, 0.8, 0.9):
        bounds = trailing_interval(realised, predicted, SPAN_END, level=level)
        share, count = coverage(realised, bounds)
        # Each day but those at the start, before every class has enough.
        assert count > N * 2 * 0.9
        assert share == pytest.approx(level, abs=0.02)


def test_small_predictions_have_wider_intervals(amounts):
    interval = fit_interval(*amounts)
    width = np.log(interval.high / interval.low)
    assert width[0] > 2.0 * width[-1]
    for large in (False, True):
        is_own = (amounts[1] > np.exp(14.0)) == large
        share, _ = coverage(amounts[0][is_own], interval_around(interval, amounts[1][is_own]))
        assert share == pytest.approx(0.8, abs=0.03)


def test_the_day_itself_and_later_ones_do_not_count(amounts):
    realised, predicted = amounts
    before = trailing_interval(realised, predicted, SPAN_END)
    changed = realised.copy()
    changed[24 * 60 + 5 :] *= 100.0
    after = trailing_interval(changed, predicted, SPAN_END)
    np.testing.assert_array_equal(after[: 24 * 61], before[: 24 * 61])
    assert (after[24 * 62, 0] > before[24 * 62, 0]).any()


def test_days_that_are_older_than_the_window_do_not_count(amounts):
    realised, predicted = amounts
    changed = realised.copy()
    changed[: 24 * 30] *= 100.0
    one, two = (trailing_interval(y, predicted, SPAN_END) for y in (realised, changed))
    np.testing.assert_array_equal(one[24 * 60 :], two[24 * 60 :])


def test_unusable_and_unknown_spans_do_not_count(amounts):
    realised, predicted = amounts
    is_usable = np.arange(N) % 3 > 0
    unknown = np.where(is_usable[:, None], realised, np.nan)
    np.testing.assert_array_equal(
        trailing_interval(realised, predicted, SPAN_END, is_usable=is_usable),
        trailing_interval(unknown, predicted, SPAN_END),
    )


def test_hours_in_which_nothing_is_realised_have_a_low_bound_of_zero(amounts):
    realised, predicted = amounts
    quiet = realised * (np.random.default_rng(1).random((N, 2)) > 0.3)
    interval = fit_interval(quiet, predicted)
    assert (interval.low == 0.0).all()
    assert (interval.high > 0.0).all()


@pytest.mark.parametrize(
    ("kept", "factor", "status"),
    [(100, 1.0, FitStatus.TOO_FEW_SPANS), (N, 0.0, FitStatus.NOTHING_REALISED)],
)
def test_where_there_is_nothing_to_go_by_it_says_why(amounts, kept, factor, status):
    realised, predicted = amounts
    interval = fit_interval(realised[:kept] * factor, predicted[:kept])
    assert interval.status is status
    assert np.isnan(interval_around(interval, predicted)).all()
    assert coverage(realised, interval_around(interval, predicted))[1] == 0


def test_what_cannot_be_is_refused(amounts):
    realised, predicted = amounts
    with pytest.raises(InvalidInput, match="shapes"):
        fit_interval(realised, predicted[1:])
    with pytest.raises(InvalidInput, match="negative"):
        fit_interval(-realised, predicted)
    with pytest.raises(InvalidParameters, match="level"):
        fit_interval(realised, predicted, level=1.0)
    with pytest.raises(InvalidParameters, match="days"):
        trailing_interval(realised, predicted, SPAN_END, days=0)
    with pytest.raises(InvalidInput, match="increase"):
        trailing_interval(realised, predicted, SPAN_END[::-1])
