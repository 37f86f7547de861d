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
    BANDS_PER_ZONE,
    SAME_PLACE_BINS,
    count_agreeing_members,
    count_agreeing_providers,
    find_bands,
)
from transforms.errors import InvalidInput
from transforms.maps import N_WINDOW_BINS, price_position, window_first_bin

# Whole numbers, so that a percentile between two of them is exact enough to compare with.
sparse_maps = arrays(
    np.float64,
    (2, N_WINDOW_BINS),
    elements=st.integers(0, 30).map(float),
    fill=st.sampled_from([0.0, 0.0, 1.0]),
)


def find_bands_by_hand(row, price, odds=None):
    """Return (first, last, peak, zone, sum, expected) of the bands, from the definition."""
    first_bin = int(window_first_bin(price))

    def away(j):
        return abs((2 * (first_bin + j) + 0.5) * 0.001 - math.log(price))

    def zone(j):
        return sum(away(j) >= edge for edge in (0.02, 0.05, 0.10))

    thresholds = {}
    for k in range(4):
        filled = sorted(Fraction(one) for j, one in enumerate(row) if one > 0 and zone(j) == k)
        if filled:
            place = Fraction(9, 10) * (len(filled) - 1)
            below = math.floor(place)
            above = min(below + 1, len(filled) - 1)
            thresholds[k] = filled[below] + (filled[above] - filled[below]) * (place - below)
    runs = []
    for j, held in enumerate(row):
        if held == 0 or Fraction(held) < thresholds[zone(j)]:
            continue
        if runs and j - runs[-1][-1] <= 2:
            runs[-1].append(j)
        else:
            runs.append([j])
    bands = []
    for run in runs:
        peak = min(run, key=lambda j: (-row[j], away(j), j))
        inside = range(run[0], run[-1] + 1)
        total = math.fsum(row[j] for j in inside)
        expected = math.nan if odds is None else math.fsum(row[j] * odds[j] for j in inside)
        score = total if odds is None else expected
        bands.append((-score, away(peak), peak, run[0], run[-1], zone(peak), total, expected))
    kept, count = [], [0] * 4
    for _, _, peak, first, last, own_zone, total, expected in sorted(bands):
        count[own_zone] += 1
        if count[own_zone] <= 5:
            bins = (first + first_bin, last + first_bin, peak + first_bin)
            kept.append((*bins, own_zone, total, expected))
    return kept


def found_bands(bands, m):
    own = slice(bands.offsets[m], bands.offsets[m + 1])
    names = ("first_bin", "last_bin", "peak_bin", "zone", "liquidation_usd", "expected_forced_usd")
    return list(zip(*(getattr(bands, name)[own].tolist() for name in names), strict=True))


@settings(deadline=None)
@given(sparse_maps, st.floats(-5.0, 12.0))
def test_bands_follow_the_definition(maps, log_price):
    price = math.exp(log_price)
    bands = find_bands(maps, [price, price])
    for m, row in enumerate(maps):
        own = slice(bands.offsets[m], bands.offsets[m + 1])
        expected = find_bands_by_hand(row.tolist(), price)
        # What is expected is not known without odds.
        assert [band[:5] for band in found_bands(bands, m)] == [band[:5] for band in expected]
        assert np.isnan(bands.expected_forced_usd[own]).all()
        assert bands.rank[own].tolist() == list(range(1, len(expected) + 1))
        assert bands.size_rank[own].tolist() == bands.rank[own].tolist()
        assert (bands.map_index[own] == m).all()


@settings(deadline=None)
@given(sparse_maps, st.floats(-5.0, 12.0))
def test_with_odds_bands_are_ranked_by_what_is_expected(maps, log_price):
    price = math.exp(log_price)
    # Odds with few binary digits, so that sums are exact in any order.
    odds = 2.0 ** -np.floor(np.abs(np.arange(N_WINDOW_BINS) - 99.5) / 20.0)
    bands = find_bands(maps, [price, price], np.stack((odds, odds)))
    for m, row in enumerate(maps):
        own = slice(bands.offsets[m], bands.offsets[m + 1])
        assert found_bands(bands, m) == find_bands_by_hand(row.tolist(), price, odds)
        sizes = bands.liquidation_usd[own]
        by_size = sizes[np.argsort(bands.size_rank[own])]
        assert (np.diff(by_size) <= 0).all()
        assert sorted(bands.size_rank[own].tolist()) == bands.rank[own].tolist()


def test_odds_of_one_map_do_not_reach_another():
    maps = np.zeros((2, N_WINDOW_BINS))
    maps[:, 40], maps[:, 98] = 9.0, 1.0
    odds = np.full((2, N_WINDOW_BINS), np.nan)
    odds[0] = np.where(np.arange(N_WINDOW_BINS) > 90, 0.5, 0.001)
    bands = find_bands(maps, [1.0, 1.0], odds)
    assert bands.size_rank.tolist() == [2, 1, 1, 2]
    np.testing.assert_array_equal(bands.expected_forced_usd[2:], np.nan)


def test_each_zone_has_its_own_percentile_and_five_bands():
    row = np.zeros((1, N_WINDOW_BINS))
    row[0, 0:50:4] = 1e9  # far away stands a thousand times what stands near
    row[0, 97], row[0, 92] = 1e6, 2e6
    bands = find_bands(row, [1.0])
    assert np.bincount(bands.zone, minlength=4).tolist() == [1, 0, 0, BANDS_PER_ZONE]
    assert bands.liquidation_usd[bands.zone == 0].tolist() == [2e6]


@pytest.mark.parametrize(("away", "zone"), [(9, 0), (10, 1), (24, 1), (25, 2), (49, 2), (50, 3)])
def test_a_bin_exactly_at_the_edge_of_a_zone_is_of_the_zone_beyond(away, zone):
    # Of one of these prices centres of bins lie whole bins away, to the last digit.
    prices = np.exp(0.0005 + 0.002 * np.arange(-5000, 0))
    price = prices[price_position(prices) == N_WINDOW_BINS // 2][0]
    row = np.zeros((1, N_WINDOW_BINS))
    row[0, N_WINDOW_BINS // 2 + away] = 1.0
    assert find_bands(row, [price]).zone.tolist() == [zone]


def test_a_run_across_the_end_of_a_zone_counts_to_the_zone_of_its_peak():
    row = np.zeros((1, N_WINDOW_BINS))
    # Bin 90 is the last within 2 % below the price of 1, bin 89 the first beyond.
    row[0, 88], row[0, 90] = 5.0, 3.0
    (band,) = find_bands_by_hand(row[0].tolist(), 1.0)
    bands = find_bands(row, [1.0])
    assert found_bands(bands, 0)[0][:5] == band[:5]
    assert (bands.zone.tolist(), bands.liquidation_usd.tolist()) == ([1], [8.0])
    row[0, 90] = 6.0
    assert find_bands(row, [1.0]).zone.tolist() == [0]


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


def test_maps_that_share_a_vote_count_once_and_those_without_do_not():
    maps = np.zeros((4, N_WINDOW_BINS))
    maps[:, 50] = 1.0
    bands = find_bands(maps, np.ones(4))
    groups = np.array([0, 0, 4])
    assert count_agreeing_members(bands, groups).tolist() == [4, 4, 4, 4]
    vote = np.array([0, 0, -1, 3])
    assert count_agreeing_members(bands, groups, vote).tolist() == [2, 2, 2, 2]
    common = find_bands(maps[:1], [1.0])
    assert count_agreeing_providers(common, bands, np.array([0, 4]), vote).tolist() == [2]


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
    with pytest.raises(InvalidInput, match="give the odds of each bin"):
        find_bands(np.ones((1, N_WINDOW_BINS)), [1.0], np.ones((2, N_WINDOW_BINS)))
    with pytest.raises(InvalidInput, match="give one each"):
        count_agreeing_members(bands, np.array([0, 1]), np.array([0, 1]))


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
