"""Start-up mass on its way into derived.heatmap."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_array_equal

from jobs.build.hourly_maps import HourlyMaps, MapIdentity, heatmap_rows, sum_maps

HOUR = 3_600_000_000


def maps(first_bin, usd, start_up=None):
    """Return maps of one hour from the bins of longs and shorts."""
    usd = np.array([usd], dtype=np.float32)
    start_up = None if start_up is None else np.array([start_up], dtype=np.float32)
    return HourlyMaps(np.array([HOUR]), np.array([1.0]), np.array([first_bin]), usd, start_up)


def rows(of):
    return heatmap_rows(MapIdentity("BTC", "turnover", "okx", "p", "r"), of).to_pylist()


def test_start_up_mass_of_venues_is_summed_bin_by_bin():
    old = maps(10, [[4.0, 2.0, 0.0], [0.0, 1.0, 3.0]], [[3.0, 0.0, 0.0], [0.0, 0.5, 1.0]])
    settled = maps(11, [[1.0, 1.0, 1.0], [5.0, 5.0, 5.0]])
    total = sum_maps([old, settled])
    assert total.first_bin.tolist() == [10]
    assert_array_equal(total.liquidation_usd[0], [[4, 3, 1, 1], [0, 6, 8, 5]])
    assert_array_equal(total.start_up_usd[0], [[3, 0, 0, 0], [0, 0.5, 1, 0]])
    assert sum_maps([settled, settled]).start_up_usd is None


def test_a_side_without_start_up_mass_has_no_array_of_it():
    long, short = rows(maps(10, [[0.0, 4.0, 2.0], [0.0, 1.0, 0.0]], [[0.0, 3.0, 0.0], [0.0] * 3]))
    assert (long["first_bin_index"], long["liquidation_usd"]) == (11, [4.0, 2.0])
    assert long["start_up_usd"] == [3.0, 0.0]
    assert (short["liquidation_usd"], short["start_up_usd"]) == ([1.0], None)
    assert [row["start_up_usd"] for row in rows(maps(10, [[1.0], [1.0]]))] == [None, None]


def test_quantiles_have_the_bins_of_the_map_and_none_where_they_are_not_known():
    quantiles = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
    quantiles[:, :, 1, 0] = np.nan
    fitted = replace(maps(10, [[5.0, 0.0], [1.0, 1.0]]), quantiles_usd=quantiles)
    long, short = rows(fitted)
    assert long["liquidation_q10_usd"] == [0.0]
    assert long["liquidation_q90_usd"] == [8.0]
    assert short["liquidation_q50_usd"] == [None, 7.0]
    assert rows(maps(10, [[5.0, 0.0], [1.0, 1.0]]))[0]["liquidation_q10_usd"] is None
