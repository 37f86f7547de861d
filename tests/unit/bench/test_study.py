import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bench.accuracy.__main__ import write_all
from bench.accuracy.panels import make_panel, read_recording
from bench.accuracy.protocol import DAY, split_at
from bench.accuracy.shipping import fit_pool, make_fits, read_pool, write_shipped
from bench.accuracy.study import Dates, run_study
from tests.workbench import recordings
from tests.workbench.recordings import HOUR, START
from transforms.ledger import LEDGERS
from transforms.ledger.shipped import read_shipped

RECORDED = Path(__file__).parents[3] / "../shared/data"
N_DAYS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder whose liquidations are what one row of a ledger consumed, and noise."""
    data = tmp_path_factory.mktemp("recordings")
    hours = recordings.make_hours(24 * N_DAYS)
    recordings.write_binance_table(
        data / "market_1h", "BTC", hours, 1e4 * hours["open"] * (1.0 + 0.1 * np.sin(hours["label"]))
    )
    recordings.write_bybit_table(data / "market_1h", "BTC", hours, np.full(24 * N_DAYS, 1e4))
    recordings.write_realised(
        data / "calibration",
        "BTC_1h_liquidations_binance_bybit_okx_usd.csv",
        hours["label"],
        np.ones(24 * N_DAYS),
        np.ones(24 * N_DAYS),
    )
    panel = make_panel(read_recording(data, "BTC", 1), ["path_ledger"])
    noise = np.random.default_rng(2).gamma(1.0, 1.0, (len(panel), 2))
    realised = 1e4 * (panel.exposures["path_ledger"][..., 20:24].sum(axis=2) + 0.01) * noise
    label = panel.span_end - HOUR
    recordings.write_realised(
        data / "calibration",
        "BTC_1h_liquidations_binance_bybit_okx_usd.csv",
        label,
        realised[:, 0],
        realised[:, 1],
    )
    four = realised[: len(realised) // 4 * 4].reshape(-1, 4, 2).sum(axis=1)
    recordings.write_realised(
        data / "calibration",
        "BTC_4h_liquidations_all_venues_usd.csv",
        label[: 4 * len(four) : 4],
        four[:, 0],
        four[:, 1],
    )
    return data


@pytest.fixture(scope="module")
def study(folder):
    return run_study(folder, Dates(four_hour_fit_days=35))


def test_the_ledger_that_made_the_market_is_found(study):
    scores = study.hourly.together
    assert scores["path_ledger", ""].d2 > 0.5
    assert scores["path_ledger", "extension_glm"].d2_low > 0.0
    assert scores["lagged_forecast", ""].d2 < 0.1


def test_a_hour_is_never_predicted_by_a_fit_that_saw_it(study):
    for way in study.hourly.ways:
        assert not np.any(way.split.is_training[0] & way.split.is_scored[0])


def test_page_and_pictures_are_written(study, tmp_path):
    write_all(study, tmp_path)
    page = (tmp_path / "accuracy.md").read_text()
    assert "| `path_ledger` |" in page
    assert f"{study.hourly.ways[0].scores['168 h']['path_ledger', ''].d2:.3f}" in page
    for name in ("reliability", "ratio_by_month", "gain_by_null"):
        assert f"(accuracy/{name}.svg)" in page
        assert (tmp_path / "accuracy" / f"{name}.svg").read_text().endswith("</svg>\n")


def test_dates_bound_what_is_fitted_and_tested(folder):
    panel = make_panel(read_recording(folder, "BTC", 1))
    cut, resume, stop = (START + days * DAY for days in (30, 40, 50))
    forward, _ = split_at([panel], cut, stop=stop, resume=resume)
    assert panel.span_end[forward.is_training[0]].max() <= cut
    tested = panel.span_end[forward.is_scored[0]]
    assert tested.min() > resume
    assert tested.max() <= stop


def test_an_hour_and_four_hours_fit_the_same_weights(study):
    hourly, four = (fit_pool([one], "path_ledger").weights for one in study.pool_rows)
    rows = slice(20, 24)
    # By 4 h less cannot be distinguished, and what is fitted is the same.
    assert four[rows].sum() == pytest.approx(hourly[rows].sum(), rel=0.35)


def test_the_file_of_shipped_fits_holds_what_was_fitted(folder, tmp_path):
    rows = read_pool(folder)
    fits = make_fits(rows)
    write_shipped(fits, rows, tmp_path / "fits.json")
    held = read_shipped(tmp_path / "fits.json")
    (size,) = {key.split(":")[1] for key in fits}
    assert list(held) == list(fits) == [f"{name}:{size}" for name in LEDGERS]
    for key, fit in fits.items():
        for field in dataclasses.fields(fit):
            if field.name != "params_hash":
                own, other = getattr(fit, field.name), getattr(held[key], field.name)
                if isinstance(own, str):
                    assert own == other
                else:
                    np.testing.assert_allclose(other, own, rtol=4e-3, err_msg=field.name)


def test_a_folder_without_recordings_gives_a_page_that_says_so(tmp_path):
    empty = run_study(tmp_path, Dates())
    write_all(empty, tmp_path)
    assert "no realised liquidations by hour" in (tmp_path / "accuracy.md").read_text()


def test_recorded_hours_are_read():
    if not (RECORDED / "calibration").is_dir():
        pytest.skip("recorded hours are not at hand: ../shared/data/calibration")
    panel = make_panel(read_recording(RECORDED, "BTC", 1), ["path_ledger"])
    assert panel.has_figure.sum() > 2000
    assert np.isfinite(panel.exposures["path_ledger"][panel.has_figure]).all()
