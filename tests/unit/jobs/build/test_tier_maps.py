"""Maps by tier: their sum over venues, the bins near price, and rows of the table."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from jobs.build.hourly_maps import MapIdentity
from jobs.build.tier_maps import (
    TierMaps,
    prices_contradict,
    sum_near_price,
    sum_tier_maps,
    tier_map_rows,
)
from transforms.maps import N_WINDOW_BINS, window_first_bin

LEVERAGES = (10.0, 25.0, 50.0)
IDENTITY = MapIdentity("BTC", "turnover", "all", "hash", "run")
N_BINS = 400


def maps_of(hours, price, seed=0, first_bin=-200):
    """Return maps of three tiers with values in some bins, and the array they were made of."""
    generator = np.random.default_rng(seed)
    usd = generator.uniform(0.0, 9.0, (len(hours), 2, 3, N_BINS)).astype(np.float32)
    usd[generator.random(usd.shape) < 0.5] = 0.0
    # One tier has nothing at all.
    usd[:, 1, 2] = 0.0
    first = np.full(len(hours), first_bin)
    maps = TierMaps.of(np.array(hours), np.full(len(hours), price), first, usd)
    return maps, usd.astype(np.float64)


def dense(maps, first_bin, n_bins):
    """Return the values of maps in some bins, shape (n_hours, 2, n_tiers, n_bins)."""
    rows = np.zeros((len(maps.n_bins), n_bins))
    stops = np.cumsum(maps.n_bins)
    for row, (first, count, stop) in enumerate(
        zip(maps.first_bin, maps.n_bins, stops, strict=True)
    ):
        for place in range(count):
            rows[row, first - first_bin + place] = maps.usd[stop - count + place]
    return rows.reshape(len(maps.hours), 2, maps.n_tiers, n_bins)


def test_venues_are_summed_hour_by_hour_whichever_hours_they_have():
    one, one_usd = maps_of([1, 2], 1.0, seed=1)
    other, other_usd = maps_of([2, 3], 1.01, seed=2, first_bin=-190)
    total = sum_tier_maps([one, other])
    assert_array_equal(total.hours, [1, 2, 3])
    assert_allclose(total.price, [1.0, 1.005, 1.01])
    found = dense(total, -200, N_BINS + 10)
    expected = np.zeros((3, 2, 3, N_BINS + 10))
    expected[:2, ..., :N_BINS] += one_usd
    expected[1:, ..., 10:] += other_usd
    assert_allclose(found, expected, rtol=1e-6)


def test_near_price_the_sum_is_cut_to_the_window_of_its_own_price():
    one, usd = maps_of([1], 1.0)
    other, other_usd = maps_of([1], 1.02, seed=3)
    near = sum_near_price([one, other])
    first = int(window_first_bin([1.01])[0])
    start = first + 200
    expected = (usd + other_usd)[..., start : start + N_WINDOW_BINS]
    assert_allclose(dense(near, first, N_WINDOW_BINS), expected, rtol=1e-6)


def test_rows_keep_empty_tiers_and_can_be_read_back():
    maps, usd = maps_of([3_600_000_000, 7_200_000_000], 1.0)
    rows = tier_map_rows(IDENTITY, LEVERAGES, maps)
    assert rows.num_rows == 2 * 2 * 3
    assert rows["side"].to_pylist()[:6] == ["long"] * 3 + ["short"] * 3
    assert rows["leverage"].to_pylist()[:4] == [10.0, 25.0, 50.0, 10.0]
    empty = rows.slice(5, 1).to_pylist()[0]
    assert (empty["first_bin_index"], empty["liquidation_usd"]) == (0, [])
    hour = rows["as_of"].cast("int64").to_numpy()
    again = TierMaps.of_rows(rows.append_column("hour", [hour]))
    assert_array_equal(again.hours, maps.hours)
    assert_array_equal(again.usd, maps.usd)
    assert_allclose(dense(again, -200, N_BINS), usd)


def test_maps_without_anything_have_rows_without_anything():
    nothing = TierMaps.of(
        np.array([1]), np.array([2.0]), np.array([50]), np.zeros((1, 2, 3, N_BINS))
    )
    for total in (sum_tier_maps([nothing, nothing]), sum_near_price([nothing])):
        assert total.price.tolist() == [2.0]
        assert not total.n_bins.any()


def test_prices_contradict_where_a_factor_of_more_than_one_and_a_half_is_between_them():
    assert not prices_contradict([maps_of([1], 1.0)[0], maps_of([1], 1.5)[0]])
    assert prices_contradict([maps_of([1], 1.0)[0], maps_of([1], 1.51)[0]])
    # At different hours price may be anywhere.
    assert not prices_contradict([maps_of([1], 1.0)[0], maps_of([2], 9.0)[0]])
