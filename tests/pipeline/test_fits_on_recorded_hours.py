"""Fits and intervals on recorded BTC hours: spans that the fit has not seen, both ways."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bench.accuracy.panels import make_panel, read_recording
from bench.tier_shares import compare
from transforms.calibration.capture import trailing_capture
from transforms.calibration.features import adverse_move
from transforms.calibration.fit_status import FitStatus
from transforms.calibration.interval import coverage, trailing_interval
from transforms.calibration.poisson import (
    BlockDraws,
    fit_poisson,
    poisson_deviance,
    predict,
    time_blocks,
)

RECORDED = Path(__file__).parents[2] / ".." / "shared" / "data"
CUT = int(datetime(2026, 3, 6, tzinfo=UTC).timestamp()) * 1_000_000
LEDGER = "path_ledger"


@pytest.fixture(scope="module")
def panel():
    if not (RECORDED / "calibration").is_dir():
        pytest.skip("recorded hours are not at hand: ../shared/data/calibration")
    return make_panel(read_recording(RECORDED, "BTC", 1), [LEDGER])


@pytest.fixture(scope="module", params=["before", "after"])
def unseen(request, panel):
    """Return what is fitted on one side of the cut, and realised and predicted on all."""
    is_before = panel.span_end <= CUT
    is_fitted = is_before if request.param == "before" else ~is_before
    realised = np.where(panel.is_left_out[:, None], np.nan, panel.realised_usd)
    move = adverse_move(panel.previous_close, panel.open, panel.high, panel.low, panel.close)
    columns = panel.exposures[LEDGER]
    fit = fit_poisson(
        columns[is_fitted],
        realised[is_fitted],
        move[is_fitted],
        block_draws=BlockDraws(
            time_blocks(panel.span_end[is_fitted]), np.random.default_rng(0), 200
        ),
    )
    predicted = predict(fit, columns, move)
    return fit, is_fitted, realised, predicted


def test_what_a_ledger_consumed_predicts_what_is_realised(unseen):
    fit, is_fitted, realised, predicted = unseen
    assert fit.status is FitStatus.FITTED
    is_test = ~is_fitted[:, None] & np.isfinite(realised) & np.isfinite(predicted)
    y = realised[is_test]
    null = np.full(y.size, np.nanmean(realised[is_fitted]))
    left = poisson_deviance(y, predicted[is_test]).sum() / poisson_deviance(y, null).sum()
    assert 1.0 - left > 0.83
    assert 0.8 < predicted[is_test].sum() / y.sum() < 1.25
    assert np.nanmax(predicted) < 10.0 * np.nanmax(realised)


def test_sums_of_rows_are_known_better_than_rows_drawn_apart_would_have_it(unseen, panel):
    fit, is_fitted, _, _ = unseen
    assert fit.is_identified[: fit.weights.size].sum() <= 4
    crossed = np.nansum(panel.exposures[LEDGER][~is_fitted], axis=(0, 1))
    draws = fit.draws[:, : fit.weights.size].astype(np.float64)
    generator = np.random.default_rng(1)
    apart = np.column_stack([generator.permutation(row) for row in draws.T])
    joint_sd, apart_sd = (np.log(one @ crossed).std() for one in (draws, apart))
    assert apart_sd > 1.3 * joint_sd


def test_the_interval_holds_four_fifths_of_the_hours_that_were_not_seen(unseen, panel):
    _, is_fitted, realised, predicted = unseen
    capture = trailing_capture(realised, predicted, span_end=panel.span_end)
    bounds = trailing_interval(realised, predicted * capture[:, None], panel.span_end)
    share, count = coverage(realised[~is_fitted], bounds[~is_fitted])
    assert count > 1000
    assert 0.75 < share < 0.85


@pytest.mark.parametrize("provider", ["turnover", "open_interest"])
def test_running_an_estimator_again_moves_no_share_out_of_its_interval(provider):
    if not (RECORDED / "calibration").is_dir():
        pytest.skip("recorded hours are not at hand: ../shared/data/calibration")
    recording = read_recording(RECORDED, "BTC", 1)
    panel = make_panel(recording, [provider])
    found = compare(recording, panel, provider, "all", np.ones(len(panel), np.bool_))
    one, again = found.proportional, found.again
    assert one.status is again.status is FitStatus.FITTED
    assert again.runs >= 2
    is_known = one.is_identified
    assert is_known.any()
    half_width = np.log(one.high / one.weights)[is_known]
    assert np.all(np.abs(np.log(again.weights / one.weights)[is_known]) < 0.2 * half_width)
