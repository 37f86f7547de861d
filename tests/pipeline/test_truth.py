"""An estimator of turnover against the positions that the small market really held.

The estimator sees bars and open interest only, and assumes about the low leverage of that market;
the priors that ship are those of a real one. What it makes of them must look like the truth,
and must stop doing so when a side, a sign, a unit or an hour is mistaken; each mistake is made here
on purpose, so that the figures are known to tell.
"""

import dataclasses
import shutil

import duckdb
import numpy as np
import pytest
from workbench import DAY, END, HOUR
from workbench.golden import GOLDEN_ESTIMATORS

from jobs.pipeline import build_maps
from jobs.publish.publish import publish
from jobs.read.query import published_file
from jobs.settings import Settings

# The estimator starts from nothing; by the third day most of what stands was opened in its sight.
N_HOURS = 48
ESTIMATED, TRUE = "low_leverage", "simulated_truth"
ESTIMATOR = dataclasses.replace(GOLDEN_ESTIMATORS["turnover"], provider=ESTIMATED)
# Scale is wider on the inverse venue alone, whose quantities are USD.
VENUES = {"all": 0.2, "sim_alpha": 0.2, "sim_gamma": 0.4}


def read_maps(connection, venue):
    """Return the maps of both by provider, shape (n_hours, 2 sides, n_bins) [USD]."""
    columns = connection.execute(
        "select provider, as_of, side = 'short' as is_short, bin_index, liquidation_usd, price "
        "from marts.liquidation_heatmap_hourly where asset = 'BTC' and venue = ? "
        "and provider in (?, ?) and as_of > ? and as_of <= ?",
        [venue, ESTIMATED, TRUE, END - 2 * DAY, END],
    ).fetchnumpy()
    first_at = np.datetime64((END - (N_HOURS - 1) * HOUR).replace(tzinfo=None))
    hour = (
        (columns["as_of"].astype("datetime64[us]") - first_at) // np.timedelta64(1, "h")
    ).astype(int)
    bins = columns["bin_index"] - columns["bin_index"].min()
    maps = {}
    for provider in (ESTIMATED, TRUE):
        own = columns["provider"] == provider
        maps[provider] = np.zeros((N_HOURS, 2, bins.max() + 1))
        at = (hour[own], columns["is_short"][own].astype(int), bins[own])
        np.add.at(maps[provider], at, columns["liquidation_usd"][own])
    return maps[ESTIMATED], maps[TRUE]


@pytest.fixture(scope="module")
def maps(small_home, tmp_path_factory):
    """Return estimated and true maps by venue."""
    folder = tmp_path_factory.mktemp("truth") / "home"
    settings = Settings(home=shutil.copytree(small_home, folder, symlinks=True), threads=1)
    build_maps(settings, as_of=END, estimators=[ESTIMATOR])
    publish(settings, as_of=END)
    path = published_file(settings)
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return {venue: read_maps(connection, venue) for venue in VENUES}


def overlap(one, other):
    """Return what the shapes of two maps share in each hour, 0 to 1; both sides are one shape."""
    shapes = [each / each.sum(axis=(1, 2), keepdims=True) for each in (one, other)]
    return np.minimum(*shapes).sum(axis=(1, 2))


def likeness_of_losses(estimated, true, hours_late):
    """Return how what bins lose within an hour correlates, the estimate taken hours later."""
    margin = 12
    kept = np.arange(margin, N_HOURS - 1 - margin)
    losses = [np.minimum(np.diff(each, axis=0), 0.0) for each in (estimated, true)]
    pair = losses[0][kept + hours_late].ravel(), losses[1][kept].ravel()
    return np.corrcoef(*pair)[0, 1]


@pytest.mark.parametrize(
    ("venue", "mean", "least"),
    [("all", 0.70, 0.58), ("sim_alpha", 0.70, 0.57), ("sim_gamma", 0.60, 0.52)],
)
def test_shape_resembles_the_truth(maps, venue, mean, least):
    shared = overlap(*maps[venue])
    assert shared.mean() > mean
    assert shared.min() > least


@pytest.mark.parametrize("venue", VENUES)
def test_total_is_that_of_the_truth(maps, venue):
    estimated, true = maps[venue]
    log_ratio = np.log(estimated.sum(axis=2) / true.sum(axis=2))
    assert np.abs(log_ratio.mean(axis=0)).max() < VENUES[venue]


@pytest.mark.parametrize("venue", VENUES)
def test_swapped_sides_share_nothing(maps, venue):
    estimated, true = maps[venue]
    assert overlap(estimated[:, ::-1], true).max() < 0.01


@pytest.mark.parametrize("venue", ["all", "sim_alpha"])
def test_maps_of_another_half_day_share_less(maps, venue):
    estimated, true = maps[venue]
    kept = np.arange(12, N_HOURS - 12)
    shared = {late: overlap(estimated[kept + late], true[kept]).mean() for late in (-12, 0, 12)}
    assert shared[0] > max(shared[-12], shared[12]) + 0.02, shared


@pytest.mark.parametrize("venue", VENUES)
def test_bins_lose_in_the_hour_in_which_they_truly_do(maps, venue):
    likeness = {late: likeness_of_losses(*maps[venue], late) for late in range(-12, 12)}
    others = max(value for late, value in likeness.items() if late != 0)
    assert likeness[0] > others + 0.02, likeness
