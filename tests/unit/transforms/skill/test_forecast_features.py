from dataclasses import replace

import numpy as np
import pytest

from tests.workbench.panels import panel_of
from transforms.skill.forecast_features import forecast_features, lagged_features

LAST = 199


@pytest.fixture
def panel():
    generator = np.random.default_rng(3)
    close = 100.0 * np.exp(np.cumsum(0.01 * generator.standard_normal(LAST + 1)))
    before = np.append(np.nan, close[:-1])
    return panel_of(
        generator.exponential(1e6, (LAST + 1, 2)),
        open=close,
        high=1.01 * close,
        low=0.99 * close,
        close=close,
        previous_close=before,
        volume_usd=generator.exponential(1e8, LAST + 1),
        exposures={"path_only": generator.exponential(1.0, (LAST + 1, 2, 9))},
        log_age=generator.standard_normal((LAST + 1, 2)),
    )


def scaled_last(panel, names, factor):
    """Return the panel with some columns of the last span multiplied."""
    taken = {}
    for name in names:
        taken[name] = getattr(panel, name).copy()
        taken[name][LAST] *= factor
    return replace(panel, **taken)


def test_lagged_features_read_nothing_of_their_own_span(panel):
    own = ("realised_usd", "high", "volume_usd", "close", "log_age")
    other = scaled_last(panel, own, 1.5)
    np.testing.assert_array_equal(lagged_features(other), lagged_features(panel))


def test_lagged_features_read_the_span_before(panel):
    shown = np.log(panel.realised_usd[LAST - 1])
    np.testing.assert_allclose(lagged_features(panel)[LAST, :, 0], shown)


def test_the_forecast_reads_the_path_of_its_span_and_not_what_was_realised_in_it(panel):
    usd = np.ones((LAST + 1, 2))
    shown = forecast_features(panel, usd, usd)
    quiet = forecast_features(scaled_last(panel, ("realised_usd",), 9.0), usd, usd)
    wild = forecast_features(scaled_last(panel, ("high",), 1.1), usd, usd)
    np.testing.assert_array_equal(quiet, shown)
    assert np.all(wild[LAST, :, 1] > shown[LAST, :, 1])


def test_no_feature_reads_a_later_span(panel):
    usd = np.ones((LAST + 1, 2))
    for made in (lambda one: forecast_features(one, usd[: len(one)], usd[: len(one)]),
                 lagged_features):  # fmt: skip
        np.testing.assert_array_equal(made(panel.part(slice(0, 100))), made(panel)[:100])


def test_what_is_not_known_stays_not_known(panel):
    usd = np.full((LAST + 1, 2), np.nan)
    features = forecast_features(replace(panel, exposures={}), usd, usd)
    assert np.isnan(features[..., 9:12]).all()
    assert np.isnan(forecast_features(panel, usd, usd)[0, :, 0]).all()


def test_a_hole_ends_what_the_span_before_shows(panel):
    kept = np.delete(np.arange(LAST + 1), LAST - 1)
    assert np.isnan(lagged_features(panel.part(kept))[-1, :, 0]).all()
