"""What the nulls are given: the path of price, and nothing after it."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.workbench.panels import market, panel_of
from transforms.skill.nulls import (
    NULLS,
    PROFILE_EDGES,
    activity_features,
    extension,
    extension_features,
    own_move,
    profile_columns,
)


def priced(low, high, **columns):
    n_spans = len(low)
    return panel_of(np.ones((n_spans, 2)), low=np.array(low), high=np.array(high), **columns)


def test_extension_is_how_far_price_went_beyond_the_days_before():
    """Daily bars: a low of 80 is ln(90/80) beyond two days, ln(85/80) beyond three."""
    panel = priced([85.0, 90.0, 95.0, 80.0], [101.0, 104.0, 102.0, 103.0], span_seconds=86_400)
    assert_allclose(extension(panel, 2.0)[3], [np.log(90 / 80), 0.0], atol=1e-12)
    assert_allclose(extension(panel, 3.0)[3], [np.log(85 / 80), 0.0], atol=1e-12)
    assert_allclose(extension(panel, 1.0)[1], [0.0, np.log(104 / 101)], atol=1e-12)


def test_missing_spans_count_as_time_and_too_little_history_is_unknown():
    day = 86_400_000_000
    panel = priced(
        [85.0, 90.0, 80.0], [101.0] * 3, span_seconds=86_400, span_end=np.array([1, 2, 5]) * day
    )
    assert np.isnan(extension(panel, 1.0)[2]).all()
    assert_allclose(extension(panel, 3.0)[2, 0], np.log(90 / 80))
    assert_allclose(extension(panel, 4.0)[2, 0], np.log(85 / 80))


def test_features_of_a_span_do_not_change_with_what_comes_after_it():
    panel = market(1, 40, is_placed_by_open_interest=True)
    whole, part = extension_features(panel), extension_features(panel.part(slice(0, 500)))
    assert_allclose(part, whole[:500])


def test_sides_mirror_each_other():
    panel = market(2, 40, is_placed_by_open_interest=True)
    panel = replace(panel, close=np.full(len(panel), 100.001))
    inverse = {
        "high": 1e4 / panel.low,
        "low": 1e4 / panel.high,
        "close": 1e4 / panel.close,
    }
    mirrored = replace(panel, **inverse)
    for features in (extension_features, profile_columns):
        assert_allclose(features(mirrored)[:, ::-1], features(panel), atol=1e-9)


def test_a_profile_is_crossed_up_to_the_move():
    panel = priced([100.0 * np.exp(-0.004)], [100.0])
    columns = profile_columns(panel)[0]
    assert_allclose(columns[0], [0.001, 0.001, 0.001, 0.001] + [0.0] * 9, atol=1e-12)
    assert_allclose(columns[1], 0.0)
    assert len(PROFILE_EDGES) == columns.shape[1] + 1


def test_columns_of_the_profile_sum_to_the_move():
    panel = market(3, 10, is_placed_by_open_interest=True)
    assert_allclose(profile_columns(panel).sum(axis=-1), own_move(panel))


def test_an_unknown_amount_is_no_feature_and_an_unknown_price_no_row():
    panel = priced(
        [99.0, 99.0, np.nan],
        [101.0, 101.0, 101.0],
        volume_usd=np.array([0.0, np.nan, 1.0]),
    )
    features = activity_features(panel)
    assert np.isnan(features[:2, :, 5]).all()
    assert np.isfinite(features[:2, :, [0, 1, 2, 3, 4, 6]]).all()
    assert np.isnan(features[2, 0]).all()


@pytest.mark.parametrize("null", ["activity_glm", "extension_glm", "distance_profile"])
def test_nulls_that_need_no_map_are_listed(null):
    assert null in NULLS
