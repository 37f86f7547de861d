"""Features are causal, leave what is unknown out, and are the same on any span."""

import numpy as np
import pytest

from transforms.calibration.features import (
    adverse_move,
    drawdown_of,
    extension,
    move_of,
)
from transforms.errors import InvalidInput, InvalidParameters


def path(n=200, seed=0):
    generator = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.01, n)))
    reach = np.abs(generator.normal(0, 0.01, (2, n)))
    return close, close * np.exp(reach[0]), close * np.exp(-reach[1])


def all_features(close, high, low):
    previous = np.concatenate([[np.nan], close[:-1]])
    return np.column_stack(
        [
            move_of(previous, high, low),
            extension(high, low, 24),
            extension(high, low, 6),
        ]
    )


def test_nothing_later_changes_a_feature():
    close, high, low = path()
    whole = all_features(close, high, low)
    for n in (30, 150):
        cut = all_features(close[:n], high[:n], low[:n])
        np.testing.assert_array_equal(cut, whole[:n])


def test_sides_mirror():
    close, high, low = path()
    previous = np.concatenate([[np.nan], close[:-1]])
    mirrored = move_of(1 / previous, 1 / low, 1 / high)
    np.testing.assert_allclose(mirrored, move_of(previous, high, low)[:, ::-1], rtol=1e-9)
    np.testing.assert_allclose(
        extension(1 / low, 1 / high, 24), extension(high, low, 24)[:, ::-1], atol=1e-12
    )


def test_a_drawdown_is_within_the_range_and_at_least_what_the_order_of_prices_shows():
    close, high, low = path()
    begin = np.concatenate([[100.0], close[:-1]]).clip(low, high)
    drawdown = drawdown_of(begin, high, low, close)
    assert (drawdown <= np.log(high / low)[:, None] + 1e-12).all()
    assert (drawdown[:, 0] >= np.log(begin / low) - 1e-12).all()
    assert (drawdown[:, 1] >= np.log(high / begin) - 1e-12).all()
    np.testing.assert_allclose(
        drawdown_of(1 / begin, 1 / low, 1 / high, 1 / close), drawdown[:, ::-1], atol=1e-12
    )
    adverse = adverse_move(begin, begin, high, low, close)
    assert (adverse >= np.maximum(drawdown, move_of(begin, high, low))).all()


def test_an_unknown_span_is_left_out_of_windows_and_unknown_itself():
    _, high, low = path()
    high[100] = np.nan
    beyond = extension(high, low, 24)
    assert np.isnan(beyond[100, 1])
    assert np.isfinite(beyond[101:]).all()
    others = np.delete(np.arange(77, 101), 23)
    expected = max(0.0, np.log(high[101] / high[others].max()))
    assert beyond[101, 1] == pytest.approx(expected)


def test_a_window_that_is_hardly_known_gives_nothing():
    _, high, low = path(60)
    low[:30] = np.nan
    assert np.isnan(extension(high, low, 24)[35, 0])
    assert np.isfinite(extension(high, low, 24)[36, 0])


def test_four_hour_spans_count_clock_hours():
    _, high, low = path()
    by_hours = extension(high, low, 24, span_hours=4.0)
    np.testing.assert_array_equal(by_hours, extension(high, low, 6))


def test_windows_that_are_no_whole_number_of_spans_are_refused():
    with pytest.raises(InvalidParameters, match="no whole number"):
        extension(np.ones(9), np.ones(9), 6, span_hours=4.0)
    with pytest.raises(InvalidInput, match="shapes"):
        extension(np.ones(3), np.ones(4), 2)
