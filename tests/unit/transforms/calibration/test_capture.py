"""Capture uses what was known before a span, and says nothing where that is too little."""

import numpy as np
import pytest

from transforms.calibration.capture import HOUR_MICROSECONDS, trailing_capture
from transforms.errors import InvalidInput, InvalidParameters


@pytest.fixture
def amounts():
    generator = np.random.default_rng(0)
    predicted = generator.gamma(1.0, 1e6, (400, 2))
    return predicted * generator.gamma(2.0, 0.25, (400, 2)), predicted


def test_it_is_the_ratio_of_sums_over_the_week_before(amounts):
    realised, predicted = amounts
    capture = trailing_capture(realised, predicted)
    for span in (24, 100, 399):
        window = slice(max(0, span - 168), span)
        expected = realised[window].sum() / predicted[window].sum()
        assert capture[span] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(capture[:24]).all()
    assert np.isfinite(capture[24:]).all()


def test_the_span_itself_and_later_ones_do_not_count(amounts):
    realised, predicted = amounts
    before = trailing_capture(realised, predicted)
    realised[200:] *= 1e3
    np.testing.assert_array_equal(trailing_capture(realised, predicted)[:201], before[:201])


def test_it_does_not_depend_on_where_the_arrays_begin(amounts):
    realised, predicted = amounts
    whole = trailing_capture(realised, predicted)
    part = trailing_capture(realised[100:], predicted[100:])
    np.testing.assert_array_equal(part[168:], whole[268:])


def test_unknown_and_unusable_spans_are_left_out(amounts):
    realised, predicted = amounts
    is_usable = np.full(400, True)
    is_usable[250:260] = False
    realised[240, 0] = np.nan
    kept = np.setdiff1d(np.arange(132, 300), [*range(250, 260), 240])
    capture = trailing_capture(realised, predicted, is_usable=is_usable)
    assert capture[300] == pytest.approx(realised[kept].sum() / predicted[kept].sum())


def test_windows_go_by_the_clock_where_ends_are_given(amounts):
    realised, predicted = amounts
    span_end = np.arange(400, dtype=np.int64) * HOUR_MICROSECONDS
    np.testing.assert_array_equal(
        trailing_capture(realised, predicted, span_end=span_end),
        trailing_capture(realised, predicted),
    )
    span_end[200:] += 1000 * HOUR_MICROSECONDS
    capture = trailing_capture(realised, predicted, span_end=span_end)
    assert np.isnan(capture[200:224]).all()
    assert capture[224] == pytest.approx(realised[200:224].sum() / predicted[200:224].sum())


def test_a_silent_feed_and_an_empty_model_have_no_capture(amounts):
    realised, predicted = amounts
    assert np.isnan(trailing_capture(realised * 0.0, predicted)).all()
    assert np.isnan(trailing_capture(realised, predicted * 0.0)).all()
    assert trailing_capture(np.empty((0, 2)), np.empty((0, 2))).shape == (0,)


@pytest.mark.parametrize(("n_silent", "is_left_out"), [(71, False), (72, True), (120, True)])
def test_days_without_a_liquidation_are_left_out_once_they_are_over(amounts, n_silent, is_left_out):
    realised, predicted = amounts
    realised[200 : 200 + n_silent] = 0.0
    silent = np.arange(200, 200 + n_silent) if is_left_out else []
    kept = np.setdiff1d(np.arange(180, 348), silent)
    capture = trailing_capture(realised, predicted)
    assert capture[348] == pytest.approx(realised[kept].sum() / predicted[kept].sum())
    # Nothing later is known while they last: the 71st still counts.
    counted = realised[103:271].sum() / predicted[103:271].sum()
    assert capture[271] == pytest.approx(counted)
    part = trailing_capture(realised[60:], predicted[60:])
    np.testing.assert_array_equal(part[168:], capture[228:])


def test_what_cannot_be_is_refused(amounts):
    realised, predicted = amounts
    with pytest.raises(InvalidInput, match="negative"):
        trailing_capture(-realised, predicted)
    with pytest.raises(InvalidInput, match="shapes"):
        trailing_capture(realised, predicted[1:])
    with pytest.raises(InvalidInput, match="increase"):
        trailing_capture(realised, predicted, span_end=np.zeros(400, dtype=np.int64))
    with pytest.raises(InvalidParameters, match="least_hours"):
        trailing_capture(realised, predicted, least_hours=0)
