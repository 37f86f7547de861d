"""Estimators held against recorded measured positions."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bench.measured.__main__ import write_all
from bench.measured.comparison import (
    BY_DISTANCE,
    DAY_BEFORE,
    EVEN,
    compare_recorded,
    mean_with_interval,
    near_mass,
)
from bench.measured.model_maps import MODELS
from bench.measured.recorded import FOLDER
from tests.workbench import recordings
from tests.workbench.provider_answers import all_accounts, top_wallets
from tests.workbench.recordings import HOUR, START
from transforms.maps import N_WINDOW_BINS

HOURS = 24 * 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of hours on Binance, wallets of five days and all accounts at one instant."""
    data = tmp_path_factory.mktemp("recorded")
    hours = recordings.make_hours(HOURS)
    recordings.write_binance_table(data / "market_1h", "BTC", hours, np.full(HOURS, 5e8))
    ends = [HOURS - 24 * day - 10 for day in range(4, -1, -1)]
    captures = [(instant(end), {"BTC": float(hours["close"][end - 1])}) for end in ends]
    wallets = data / FOLDER
    wallets.mkdir(parents=True)
    (wallets / "top_wallets_five_days.jsonl").write_bytes(top_wallets(captures))
    at, prices = captures[-1]
    (wallets / "all_accounts_BTC_last.json").write_bytes(all_accounts(at, prices["BTC"]))
    return data


def instant(end):
    return datetime.fromtimestamp((START + end * HOUR) / 1e6, UTC) + timedelta(minutes=7)


@pytest.fixture(scope="module")
def found(folder):
    return compare_recorded(folder)


def test_every_model_is_held_against_every_measured_map(found):
    (wallets,) = found.wallets
    assert (wallets.asset, wallets.venue, len(wallets.cells.at)) == ("BTC", "binance", 5)
    for one, references in ((wallets, {BY_DISTANCE, DAY_BEFORE, EVEN}), (found.population, {EVEN})):
        assert set(one.metrics) == {*MODELS, *references}
        for name in MODELS:
            shape = one.metrics[name]
            np.testing.assert_allclose(
                shape.overlap + shape.reach + shape.placement, 1.0, rtol=1e-9
            )


def test_the_references_are_what_they_are_named(found):
    (wallets,) = found.wallets
    even = wallets.metrics[EVEN]
    assert np.nanmax(even.reach[:, 2]) < 0.05
    np.testing.assert_allclose(even.overlap, even.placed, atol=0.02)
    # Wallets at the same distances every day: distance alone is nearly right, yesterday is not.
    assert np.nanmin(wallets.metrics[BY_DISTANCE].overlap[:, 2]) > 0.7
    assert np.isnan(wallets.metrics[DAY_BEFORE].overlap[0, 2])


def test_mass_near_price_is_valued_at_the_price():
    windows = np.zeros((1, 2, N_WINDOW_BINS))
    windows[0, 0, N_WINDOW_BINS // 2 - 1] = 100.0
    windows[0, 1, -1] = 100.0
    near = near_mass(windows)
    np.testing.assert_allclose(near[0, 0], 100.0 * np.exp(0.001))
    np.testing.assert_allclose(near[0, 1], [0, 0, 0, 0, 100.0 * np.exp(-0.199)])


def test_a_few_days_have_a_mean_and_no_interval():
    at = START + 24 * HOUR * np.arange(4)
    mean, low, high = mean_with_interval(at, np.array([1.0, 2.0, 3.0, np.nan]))
    assert mean == 2.0
    assert np.isnan([low, high]).all()
    assert np.isnan(mean_with_interval(at, np.full(4, np.nan))).all()


def test_the_page_says_what_is_compared_and_what_is_left_out(found, tmp_path):
    write_all(found, tmp_path)
    page = (tmp_path / "measured.md").read_text()
    assert "## All accounts: BTC" in page
    assert "## Leading wallets: BTC, 5 snapshots" in page
    assert "ETH, SOL" in page
    assert "nan " not in page
    assert "an unknown part of the longs" in page
    for name in ("overlap_by_time", "reach_all_accounts"):
        assert (tmp_path / "measured" / f"{name}.svg").read_text().startswith("<svg")


def test_a_folder_without_measured_positions_gives_a_page_that_says_so(tmp_path):
    write_all(compare_recorded(tmp_path), tmp_path / "docs")
    assert (
        "Nothing: the folder holds no measured positions"
        in (tmp_path / "docs" / "measured.md").read_text()
    )
