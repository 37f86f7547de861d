"""Quantiles of maps over draws of weights and capture."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from transforms.errors import InvalidInput
from transforms.ledger.ledger_fit import LedgerFit, scale_fit
from transforms.uncertainty import (
    CAPTURE_DAYS,
    N_DRAWS,
    draw_capture,
    draw_weights,
    quantile_maps,
)

HOUR = 3_600_000_000


def fit_of(weights, log_sd=0.2, draws=None):
    weights = np.asarray(weights, dtype=float)
    return LedgerFit(
        provider="path_ledger",
        structure_hash="structure",
        source="BTC",
        weights=weights,
        move_weight=2.0,
        constant=1.0,
        floor=0.1,
        log_sd=np.broadcast_to(log_sd, len(weights) + 2).astype(float),
        volume_usd=10.0,
        fitted_from=0,
        fitted_until=100 * 24 * HOUR,
        valid_from=100 * 24 * HOUR,
        hour_count=2400,
        is_pooled=False,
        is_shipped=False,
        **({} if draws is None else {"draws": np.asarray(draws, dtype=np.float32)}),
    )


def hours(n, start=0):
    return (start + np.arange(1, n + 1)) * HOUR


@pytest.mark.parametrize("log_sd", [0.05, 0.3])
def test_drawn_weights_have_the_spread_of_the_fit(log_sd):
    drawn = draw_weights(fit_of([3.0], log_sd), 20_000)[:, 0]
    assert_allclose(drawn.mean(), 3.0, rtol=0.02)
    assert_allclose(np.log(drawn).std(), log_sd, rtol=0.05)


def test_a_weight_that_is_not_identified_is_as_wide_as_its_prior():
    drawn = draw_weights(fit_of([3.0], np.inf), 20_000)[:, 0]
    assert_allclose(drawn.mean(), 3.0, rtol=0.03)
    assert np.quantile(drawn, 0.9) / np.quantile(drawn, 0.1) > 8


def test_draws_of_the_bootstrap_are_used_where_they_are_kept():
    draws = np.arange(12.0).reshape(3, 4)
    assert_array_equal(draw_weights(fit_of([1.0, 2.0], draws=draws), 3), draws[:, :2])
    assert len(draw_weights(fit_of([1.0, 2.0], draws=draws))) == N_DRAWS


def test_draws_are_the_same_in_every_run():
    assert_array_equal(draw_weights(fit_of([1.0, 2.0])), draw_weights(fit_of([1.0, 2.0])))


@pytest.mark.parametrize(("deposit", "of_rows"), [("path", 0.5), ("volume", 1.0)])
def test_draws_scale_with_the_parameters(deposit, of_rows):
    draws = np.arange(12.0).reshape(3, 4)
    scaled = scale_fit(fit_of([1.0, 2.0], draws=draws), 5.0, deposit)
    assert_allclose(scaled.draws, draws * [of_rows, of_rows, 0.5, 0.5])


def test_draws_of_another_width_are_refused():
    with pytest.raises(InvalidInput, match="draws have shape"):
        fit_of([1.0, 2.0], draws=np.ones((3, 3)))


def test_a_steady_capture_has_no_spread_and_an_unsteady_one_has():
    n = 24 * CAPTURE_DAYS + 1
    predicted = np.full((n, 2), 10.0)
    steady = draw_capture(predicted / 2, predicted, hours(n))[-1]
    assert_allclose(steady, 0.5)
    by_day = np.repeat(np.linspace(1.0, 9.0, CAPTURE_DAYS), 24)
    unsteady = draw_capture(np.append(by_day, 5.0)[:, None] * np.ones(2), predicted, hours(n))[-1]
    assert unsteady.std() > 0.05
    assert_allclose(unsteady.mean(), 0.5, rtol=0.05)


def test_where_the_capture_is_not_known_it_is_one():
    n = 60
    realised = np.full((n, 2), np.nan)
    assert_array_equal(draw_capture(realised, np.ones((n, 2)), hours(n)), 1.0)


def test_draws_leave_out_days_without_a_liquidation():
    n = 24 * CAPTURE_DAYS + 1
    realised, predicted = np.full((n, 2), 5.0), np.full((n, 2), 10.0)
    realised[20:92] = 0.0
    assert_allclose(draw_capture(realised, predicted, hours(n))[-1], 0.5, rtol=1e-6)


def test_draws_of_a_span_depend_on_its_own_week_alone():
    generator = np.random.default_rng(3)
    n = 24 * CAPTURE_DAYS * 2
    realised, predicted = generator.gamma(0.3, 1e6, (2, n, 2))
    whole = draw_capture(realised, predicted, hours(n))
    cut = n // 3
    tail = draw_capture(realised[cut:], predicted[cut:], hours(n - cut, cut))
    assert_array_equal(whole[-24:], tail[-24:])


def test_quantiles_are_those_of_maps_made_again_with_each_draw():
    generator = np.random.default_rng(3)
    standing = generator.random((2, 2, 7, 5)).astype(np.float32)
    weights = generator.gamma(2.0, 1.0, (N_DRAWS, 5)).astype(np.float32)
    capture = generator.lognormal(0.0, 0.3, (2, N_DRAWS)).astype(np.float32)
    maps = np.einsum("msbr,nr,mn->nmsb", standing, weights, capture)
    ordered = np.sort(maps, axis=0)[[round(q * (N_DRAWS - 1)) for q in (0.1, 0.5, 0.9)]]
    assert_allclose(
        quantile_maps(standing, weights, capture), np.moveaxis(ordered, 0, 1), rtol=1e-5
    )


def test_an_empty_bin_is_sure_to_be_empty():
    standing = np.zeros((1, 2, 3, 2), dtype=np.float32)
    quantiles = quantile_maps(
        standing, np.ones((4, 2), dtype=np.float32), np.ones((1, 4), dtype=np.float32)
    )
    assert not quantiles.any()


def test_draws_that_do_not_fit_together_are_refused():
    standing = np.zeros((1, 2, 3, 2), dtype=np.float32)
    ones = np.ones((4, 2), dtype=np.float32)
    with pytest.raises(InvalidInput, match="n_draws"):
        quantile_maps(standing, ones, np.ones((1, 3), dtype=np.float32))
