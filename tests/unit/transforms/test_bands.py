"""Bands: found, ranked, and shared."""

import math
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from transforms.bands import (
    BANDS_PER_SIDE,
    SAME_PLACE_BINS,
    count_agreeing_members,
    count_agreeing_providers,
    find_bands,
)
from transforms.errors import InvalidInput
from transforms.maps import N_WINDOW_BINS, window_first_bin

# Whole numbers, so that a percentile between two of them is exact enough to compare with.
sparse_maps = arrays(
    np.float64,
    (2, N_WINDOW_BINS),
    elements=st.integers(0, 30).map(float),
    fill=st.sampled_from([0.0, 0.0, 1.0]),
)


def find_bands_by_hand(row, price):
    """Return (first, last, peak, sum) of the bands, straight from the definition."""
    filled = sorted(Fraction(one) for one in row if one > 0)
    if not filled:
        return []
    place = Fraction(9, 10) * (len(filled) - 1)
    below = math.floor(place)
    above = min(below + 1, len(filled) - 1)
    threshold = filled[below] + (filled[above] - filled[below]) * (place - below)
    runs = []
    for j, held in enumerate(row):
        if held == 0 or Fraction(held) < threshold:
            continue
        if runs and j - runs[-1][-1] <= 2:
            runs[-1].append(j)
        else:
            runs.append([j])
    first_bin = int(window_first_bin(price))

    def away(j):
        return abs((2 * (first_bin + j) + 0.5) * 0.001 - math.log(price))

    bands = []
    for run in runs:
        peak = min(run, key=lambda j: (-row[j], away(j), j))
        bands.append((run[0], run[-1], peak, math.fsum(row[run[0] : run[-1] + 1])))
    bands.sort(key=lambda band: (-band[3], away(band[2]), band[2]))
    return [(a + first_bin, b + first_bin, c + first_bin, s) for a, b, c, s in bands[:10]]


@settings(deadline=None)
@given(sparse_maps, st.floats(-5.0, 12.0))
def test_bands_follow_the_definition(maps, log_price):
    price = math.exp(log_price)
    bands = find_bands(maps, [price, price])
    for m, row in enumerate(maps):
        own = slice(bands.offsets[m], bands.offsets[m + 1])
        expected = find_bands_by_hand(row.tolist(), price)
        found = zip(
            bands.first_bin[own].tolist(),
            bands.last_bin[own].tolist(),
            bands.peak_bin[own].tolist(),
            bands.liquidation_usd[own].tolist(),
            strict=True,
        )
        assert list(found) == expected
        assert bands.rank[own].tolist() == list(range(1, len(expected) + 1))
        assert (bands.map_index[own] == m).all()


@settings(deadline=None)
@given(sparse_maps, st.floats(-5.0, 12.0), st.integers(-20, 20))
def test_unit_of_the_map_changes_amounts_only(maps, log_price, power):
    price = np.full(2, math.exp(log_price))
    one, other = find_bands(maps, price), find_bands(maps * 2.0**power, price)
    for name in ("offsets", "first_bin", "last_bin", "peak_bin", "distance_bps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.liquidation_usd * 2.0**power, other.liquidation_usd)
    np.testing.assert_allclose(one.side_share_ratio, other.side_share_ratio, rtol=1e-14)


@settings(deadline=None)
@given(sparse_maps, st.floats(-5.0, 12.0))
def test_prices_and_shares_are_consistent(maps, log_price):
    price = math.exp(log_price)
    bands = find_bands(maps, [price, price])
    assert (bands.price_low < bands.price_peak).all()
    assert (bands.price_peak < bands.price_high).all()
    np.testing.assert_allclose(
        np.log(bands.price_high / bands.price_low),
        (bands.last_bin - bands.first_bin + 1) * 0.002,
        atol=1e-12,
    )
    assert (np.abs(bands.distance_bps) <= 2000.0 + 10.0).all()
    totals = np.bincount(bands.map_index, bands.side_share_ratio, minlength=2)
    assert (totals <= 1.0 + 1e-12).all()
    assert (np.diff(bands.offsets) <= BANDS_PER_SIDE).all()


def test_one_free_bin_is_bridged_and_counted_two_are_not():
    row = np.zeros((1, N_WINDOW_BINS))
    row[0, :21] = 1.0  # of 21 bins the 90th percentile is the third from the top
    row[0, [10, 12, 15]] = 50.0
    bands = find_bands(row, [1.0])
    first = window_first_bin(1.0)
    assert (bands.first_bin - first).tolist() == [10, 15]
    assert (bands.last_bin - first).tolist() == [12, 15]
    assert bands.liquidation_usd.tolist() == [101.0, 50.0]


def test_even_map_is_one_band():
    bands = find_bands(np.ones((1, N_WINDOW_BINS)), [1.0])
    assert bands.side_share_ratio.tolist() == [1.0]


def test_map_without_shape_has_no_bands():
    maps = np.zeros((4, N_WINDOW_BINS))
    maps[1, 3], maps[2, 3], maps[3, 3] = np.nan, -1.0, 1.0
    bands = find_bands(maps, [1.0, 1.0, 1.0, np.nan])
    # The last holds something, and stands nowhere: align_maps would have made it NaN.
    assert np.diff(bands.offsets)[:3].tolist() == [0, 0, 0]
    assert find_bands(np.empty((0, N_WINDOW_BINS)), []).offsets.tolist() == [0]


def test_bands_agree_up_to_the_gap_of_one_place():
    assert SAME_PLACE_BINS == 1  # 20 bps lie within 25, 40 do not
    maps = np.zeros((4, N_WINDOW_BINS))
    maps[0, 50] = maps[1, 52] = maps[2, 47] = 1.0
    price = np.ones(4)
    providers = find_bands(maps, price)
    consensus = find_bands(maps[:1], price[:1])
    assert count_agreeing_providers(consensus, providers, np.array([0, 4])).tolist() == [2]


def test_agreement_stays_within_the_group():
    maps = np.zeros((3, N_WINDOW_BINS))
    maps[:, 50] = 1.0
    providers = find_bands(maps, np.ones(3))
    consensus = find_bands(maps[:2], np.ones(2))
    assert count_agreeing_providers(consensus, providers, np.array([0, 1, 3])).tolist() == [1, 2]


def test_input_that_does_not_fit_is_refused():
    with pytest.raises(InvalidInput, match="make the former with align_maps"):
        find_bands(np.ones((1, 3)), [1.0])
    bands = find_bands(np.ones((1, N_WINDOW_BINS)), [1.0])
    with pytest.raises(InvalidInput, match="bands of the same groups"):
        count_agreeing_providers(bands, bands, np.array([0, 2]))


@settings(deadline=None)
@given(arrays(np.float64, (5, N_WINDOW_BINS), elements=st.sampled_from([0.0, 0.0, 1.0, 5.0])))
def test_members_that_agree_are_those_the_group_shows_each_map(maps):
    bands = find_bands(maps, np.ones(5))
    groups = np.array([0, 2, 5])
    expected = []
    for start, stop in ((0, 2), (2, 5)):
        own = find_bands(maps[start:stop], np.ones(stop - start))
        for m in range(start, stop):
            alone = find_bands(maps[m : m + 1], [1.0])
            counted = count_agreeing_providers(alone, own, np.array([0, stop - start]))
            expected += counted.tolist()
    assert count_agreeing_members(bands, groups).tolist() == expected


def test_members_of_other_groups_than_the_maps_are_refused():
    bands = find_bands(np.ones((2, N_WINDOW_BINS)), [1.0, 1.0])
    with pytest.raises(InvalidInput, match="describe 3 maps, but there are 2"):
        count_agreeing_members(bands, np.array([0, 3]))
