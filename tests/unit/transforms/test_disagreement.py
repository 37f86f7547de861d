"""Every metric of disagreement against its definition, its symmetries and its bounds."""

import math
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy import special, stats
from scipy.spatial import distance

from transforms.bands import find_bands
from transforms.disagreement import (
    METRICS,
    measure_disagreement,
    pair_entries,
)
from transforms.errors import InvalidInput
from transforms.group_disagreement import share_votes, summarise_groups
from transforms.maps import N_WINDOW_BINS, MapBatch, align_maps, coarsen, window_first_bin

TOLERANCE = 1e-9

amounts = st.one_of(st.floats(1e-3, 1e9), st.sampled_from([1.0, 2.0, 5.0]))


def windows(n_maps, elements=amounts):
    return arrays(
        np.float64,
        (n_maps, N_WINDOW_BINS),
        elements=st.one_of(st.just(0.0), elements),
        fill=st.sampled_from([0.0, 0.0, 1.0]),
    )


# A price off the edges of buckets and windows, where a rounding of ln decides.
log_prices = st.integers(-6000, 12000).map(lambda i: (i + 0.37) * 0.001)


def measure(long, short, price, groups=None, keys=None):
    n = long.shape[0]
    return measure_disagreement(
        long,
        short,
        np.full(n, price),
        np.array([0, n]) if groups is None else groups,
        np.zeros(n, np.int64) if keys is None else keys,
    )


def bands_by_side(long, short, price):
    """Return [long, short, both] lists of (side, first, last) by rank."""
    lists = []
    for side, row in enumerate((long, short)):
        bands = find_bands(row[None, :], [price])
        lists.append(
            [
                (held, side, first, last)
                for held, first, last in zip(
                    bands.liquidation_usd, bands.first_bin, bands.last_bin, strict=True
                )
            ]
        )
    lists.append(sorted(lists[0] + lists[1], key=lambda band: -band[0]))
    return [[band[1:] for band in one] for one in lists]


def share_matched(sought, others):
    """Return the share of the five first bands that lie within 25 bps of another."""
    hits = 0
    for side, first, last in sought[:5]:
        gaps = [
            20.0 * (max(other_first - last, first - other_last) - 1)
            for other_side, other_first, other_last in others
            if other_side == side
        ]
        hits += any(gap <= 25.0 for gap in gaps)
    return hits / len(sought[:5])


def metrics_by_definition(a, b, price):
    """Return the metrics of two maps given as {coarse bin: amount}, bin by bin in plain Python."""
    bins = sorted(
        k for k in range(-5000, 5000) if -0.2 <= (4 * k + 1.5) * 0.001 - math.log(price) < 0.2
    )
    assert len(bins) == 100
    x, y = [a.get(k, 0.0) for k in bins], [b.get(k, 0.0) for k in bins]
    total_x, total_y = math.fsum(x), math.fsum(y)
    p, q = [one / total_x for one in x], [one / total_y for one in y]
    away = [(4 * k + 1.5) * 0.001 - math.log(price) for k in bins]
    middle = [0.5 * (one + other) for one, other in zip(p, q, strict=True)]
    overlap = math.fsum(map(min, p, q))
    reach = 0.0
    for low, high in ((0, 0.01), (0.01, 0.02), (0.02, 0.05), (0.05, 0.1), (0.1, 1.0)):
        for sign in (-1, 1):
            inside = [low <= abs(d) < high and (d >= 0) == (sign > 0) for d in away]
            reach += 0.5 * abs(
                math.fsum(one for one, is_in in zip(p, inside, strict=True) if is_in)
                - math.fsum(one for one, is_in in zip(q, inside, strict=True) if is_in)
            )

    def peak(values):
        return min(range(100), key=lambda i: (-values[i], abs(away[i]), i))

    is_even = min(x) == max(x) or min(y) == max(y)
    return {
        "scale_log_ratio": math.log(total_x / total_y),
        "overlap_ratio": overlap,
        "jensen_shannon_bits": 0.5
        / math.log(2.0)
        * math.fsum((*special.rel_entr(p, middle), *special.rel_entr(q, middle))),
        "wasserstein_bps": 1e4 * stats.wasserstein_distance(away, away, p, q),
        "cosine": 1.0 - distance.cosine(p, q),
        "pearson": math.nan if is_even else stats.pearsonr(p, q).statistic,
        "spearman": math.nan if is_even else stats.spearmanr(x, y).statistic,
        "peak_distance_bps": 1e4 * abs(away[peak(x)] - away[peak(y)]),
        "reach_ratio": reach,
        "placement_ratio": 1.0 - overlap - reach,
    }


def coarse_dictionary(row, price):
    first = int(window_first_bin(price))
    amounts_by_bin = {}
    for i, held in enumerate(row.tolist()):
        k = (first + i) // 2
        amounts_by_bin[k] = amounts_by_bin.get(k, 0.0) + held
    return amounts_by_bin


@settings(deadline=None, max_examples=60)
@given(windows(2), windows(2), log_prices)
def test_metrics_agree_with_their_definitions(long, short, log_price):
    price = math.exp(log_price)
    found = measure(long, short, price)
    bands = [bands_by_side(long[m], short[m], price) for m in range(2)]
    for side, maps in enumerate((long, short, long + short)):
        if not maps.any(axis=1).all():
            assert not found.is_comparable[0, side]
            assert all(np.isnan(getattr(found, name)[0, side]) for name in METRICS)
            continue
        expected = metrics_by_definition(*(coarse_dictionary(row, price) for row in maps), price)
        expected["band_match_ratio"] = 0.5 * (
            share_matched(bands[0][side], bands[1][side])
            + share_matched(bands[1][side], bands[0][side])
        )
        assert found.is_comparable[0, side]
        for name in METRICS:
            np.testing.assert_allclose(
                getattr(found, name)[0, side], expected[name], atol=TOLERANCE, rtol=0, err_msg=name
            )


@settings(deadline=None)
@given(windows(2), windows(2), log_prices)
def test_metrics_are_symmetric_but_for_the_sign_of_scale(long, short, log_price):
    one = measure(long, short, math.exp(log_price))
    other = measure(long[::-1], short[::-1], math.exp(log_price))
    np.testing.assert_array_equal(one.scale_log_ratio, -other.scale_log_ratio)
    for name in METRICS[1:]:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@settings(deadline=None)
@given(windows(1), windows(1), log_prices)
def test_map_does_not_differ_from_itself(long, short, log_price):
    found = measure(np.repeat(long, 2, 0), np.repeat(short, 2, 0), math.exp(log_price))
    is_shaped = found.is_comparable[0]
    for name, identical in (
        ("scale_log_ratio", 0.0),
        ("overlap_ratio", 1.0),
        ("jensen_shannon_bits", 0.0),
        ("wasserstein_bps", 0.0),
        ("cosine", 1.0),
        ("peak_distance_bps", 0.0),
        ("band_match_ratio", 1.0),
        ("reach_ratio", 0.0),
        ("placement_ratio", 0.0),
    ):
        np.testing.assert_allclose(
            getattr(found, name)[0, is_shaped], identical, atol=1e-14, err_msg=name
        )
    for name in ("pearson", "spearman"):
        correlation = getattr(found, name)[0, is_shaped]
        np.testing.assert_allclose(correlation[~np.isnan(correlation)], 1.0, atol=1e-14)


@settings(deadline=None)
@given(windows(2), windows(2), log_prices, st.integers(-30, 30))
def test_scaling_one_map_changes_the_scale_and_nothing_else(long, short, log_price, power):
    factor = np.array([[1.0], [2.0**power]])
    one = measure(long, short, math.exp(log_price))
    other = measure(long * factor, short * factor, math.exp(log_price))
    np.testing.assert_allclose(
        other.scale_log_ratio, one.scale_log_ratio - power * math.log(2.0), atol=1e-12
    )
    for name in METRICS[1:]:
        np.testing.assert_allclose(
            getattr(other, name), getattr(one, name), atol=1e-12, err_msg=name
        )


@settings(deadline=None)
@given(windows(2), windows(2), log_prices)
def test_metrics_keep_their_bounds(long, short, log_price):
    found = measure(long, short, math.exp(log_price))
    for name, low, high in (
        ("overlap_ratio", 0.0, 1.0),
        ("jensen_shannon_bits", 0.0, 1.0),
        ("wasserstein_bps", 0.0, 99 * 40.0 + 1e-9),
        ("cosine", 0.0, 1.0),
        ("pearson", -1.0, 1.0),
        ("spearman", -1.0, 1.0),
        ("peak_distance_bps", 0.0, 99 * 40.0 + 1e-9),
        ("band_match_ratio", 0.0, 1.0),
        ("reach_ratio", 0.0, 1.0),
        ("placement_ratio", 0.0, 1.0),
    ):
        values = getattr(found, name)
        values = values[~np.isnan(values)]
        assert ((values >= low) & (values <= high)).all(), name
    difference = 1.0 - found.overlap_ratio
    np.testing.assert_allclose(found.reach_ratio + found.placement_ratio, difference, atol=1e-15)
    # The total variation TV bounds the divergence: TV^2 / (2 ln 2) <= JSD <= TV.
    is_known = found.is_comparable
    variation = difference[is_known]
    divergence = found.jensen_shannon_bits[is_known]
    assert (divergence <= variation + 1e-12).all()
    assert (divergence >= variation**2 / (2.0 * math.log(2.0)) - 1e-12).all()


@pytest.mark.parametrize("shift_bins", [-10, 0, 1, 13])
def test_shifted_gaussians_differ_by_their_shift(shift_bins):
    price = 60000.0
    j = np.arange(N_WINDOW_BINS)
    maps = np.stack(
        [np.exp(-0.5 * ((j - centre) / 8.0) ** 2) for centre in (100.0, 100.0 + 2 * shift_bins)]
    )
    found = measure(maps, np.zeros_like(maps), price)
    shift_bps = abs(shift_bins) * 40.0
    np.testing.assert_allclose(found.wasserstein_bps[0, 0], shift_bps, atol=1e-6)
    np.testing.assert_allclose(found.peak_distance_bps[0, 0], shift_bps, atol=1e-9)


def test_disjoint_maps_share_nothing():
    long = np.zeros((2, N_WINDOW_BINS))
    long[0, :10], long[1, 40:50] = 1.0, 1.0
    found = measure(long, np.zeros_like(long), 1.0)
    assert found.overlap_ratio[0, 0] == 0.0
    assert found.cosine[0, 0] == 0.0
    assert found.band_match_ratio[0, 0] == 0.0
    np.testing.assert_allclose(found.jensen_shannon_bits[0, 0], 1.0, atol=1e-12)
    # Both lie 10 to 20 % below: the same leverage, other entries.
    np.testing.assert_allclose(
        [found.reach_ratio[0, 0], found.placement_ratio[0, 0]], [0.0, 1.0], atol=1e-12
    )


def test_same_bins_at_another_distance_are_reach():
    long = np.zeros((2, N_WINDOW_BINS))
    long[0, 99], long[1, 60] = 1.0, 1.0
    found = measure(long, np.zeros_like(long), 1.0)
    assert (found.reach_ratio[0, 0], found.placement_ratio[0, 0]) == (1.0, 0.0)


def test_sides_are_distinct_in_reach():
    maps = np.zeros((2, N_WINDOW_BINS))
    maps[0, 90], maps[1, 110] = 1.0, 1.0
    blank = np.zeros_like(maps)
    found = measure(np.stack((maps[0], blank[0])), np.stack((blank[0], maps[1])), 1.0)
    assert found.is_comparable.tolist() == [[False, False, True]]
    assert found.reach_ratio[0, 2] == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_bad_value_makes_its_side_and_the_sum_incomparable(bad):
    long = np.ones((3, N_WINDOW_BINS))
    short = np.ones((3, N_WINDOW_BINS))
    long[1, 7] = bad
    found = measure(long, short, 1.0)
    assert found.is_comparable.tolist() == [
        [False, True, False],  # 0 and 1
        [True, True, True],  # 0 and 2
        [False, True, False],  # 1 and 2
    ]
    for name in METRICS:
        assert np.isnan(getattr(found, name)[~found.is_comparable]).all()


def test_even_maps_have_no_correlation():
    long = np.ones((2, N_WINDOW_BINS))
    long[1, :50] = 2.0
    found = measure(long, np.zeros_like(long), 1.0)
    assert np.isnan([found.pearson[0, 0], found.spearman[0, 0]]).all()
    assert found.is_comparable[0, 0]
    assert found.cosine[0, 0] > 0.9


def test_totals_are_compared_only_where_they_count_the_same():
    long = np.ones((4, N_WINDOW_BINS))
    found = measure(long, long, 1.0, keys=np.array([0, 0, -1, -1]))
    is_known = ~np.isnan(found.scale_log_ratio[:, 0])
    pairs = [(int(a), int(b)) for a, b in zip(found.entry_a, found.entry_b, strict=True)]
    assert [pair for pair, known in zip(pairs, is_known, strict=True) if known] == [(0, 1)]
    assert found.is_comparable.all()


def test_maps_far_from_price_are_empty_in_the_window():
    batch = MapBatch(np.ones(3), np.array([0, 3]), np.array([4000]), np.array([1.0]))
    long = np.repeat(align_maps(batch), 2, axis=0)
    assert not measure(long, long, 1.0).is_comparable.any()


def test_unknown_price_is_not_comparable():
    found = measure(np.full((2, N_WINDOW_BINS), np.nan), np.ones((2, N_WINDOW_BINS)), np.nan)
    assert not found.is_comparable[0, [0, 2]].any()


@given(st.lists(st.integers(0, 6), max_size=8))
def test_pairs_are_all_pairs_within_groups(sizes):
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    group, a, b = pair_entries(offsets)
    expected = [
        (g, i, j)
        for g in range(len(sizes))
        for i in range(offsets[g], offsets[g + 1])
        for j in range(i + 1, offsets[g + 1])
    ]
    assert list(zip(group.tolist(), a.tolist(), b.tolist(), strict=True)) == expected


def test_coarse_bins_lose_nothing():
    maps = np.random.default_rng(5).random((3, N_WINDOW_BINS))
    np.testing.assert_allclose(coarsen(maps).sum(axis=1), maps.sum(axis=1), rtol=1e-14)


def test_groups_do_not_touch_one_another():
    rng = np.random.default_rng(11)
    long, short = rng.random((2, 7, N_WINDOW_BINS)) ** 8
    offsets = np.array([0, 3, 3, 4, 7])
    prices = np.repeat([2.0, 3.0, 5.0, 7.0], np.diff(offsets))
    keys = np.array([0, 1, 0, 0, 2, -1, 2])
    whole = measure_disagreement(long, short, prices, offsets, keys)
    assert whole.group.tolist() == [0, 0, 0, 3, 3, 3]
    for g, (start, end) in enumerate(pairwise(offsets.tolist())):
        own = slice(start, end)
        alone = measure_disagreement(
            long[own], short[own], prices[own], np.array([0, end - start]), keys[own]
        )
        for name in METRICS:
            np.testing.assert_array_equal(
                getattr(whole, name)[whole.group == g], getattr(alone, name), err_msg=name
            )


def test_inputs_that_do_not_fit_are_refused():
    maps = np.ones((2, N_WINDOW_BINS))
    with pytest.raises(InvalidInput, match="2 entries have scale_key of shape"):
        measure(maps, maps, 1.0, keys=np.zeros(3, np.int64))
    with pytest.raises(InvalidInput, match="align a group with one close"):
        measure_disagreement(maps, maps, [1.0, 1.1], np.array([0, 2]), np.zeros(2, np.int64))


def test_summary_is_that_of_the_pairs():
    rng = np.random.default_rng(3)
    long, short = rng.random((2, 9, N_WINDOW_BINS)) ** 6
    long[2] = 0.0
    offsets = np.array([0, 4, 4, 5, 9])
    keys = np.array([0, 0, 0, 0, 0, 0, 1, 1, -1])
    pairs = measure(long, short, 1.0, offsets, keys)
    whole = summarise_groups(pairs, offsets)
    assert whole.provider_count.tolist() == [[3, 4, 4], [0, 0, 0], [1, 1, 1], [4, 4, 4]]
    for g in range(4):
        for side in range(3):
            own = np.flatnonzero((pairs.group == g) & pairs.is_comparable[:, side])
            if own.size == 0:
                assert whole.furthest_pair[g, side] == -1
                assert np.isnan(whole.overlap_mean_ratio[g, side])
                assert np.isnan(whole.scale_spread_log_ratio[g, side])
                assert np.isnan(whole.reach_share_ratio[g, side])
                continue
            overlap = pairs.overlap_ratio[own, side]
            reach = pairs.reach_ratio[own, side].mean()
            placement = pairs.placement_ratio[own, side].mean()
            for name, expected in (
                ("overlap_mean_ratio", overlap.mean()),
                ("overlap_std_ratio", overlap.std()),
                ("overlap_min_ratio", overlap.min()),
                ("scale_spread_log_ratio", np.nanmax(np.abs(pairs.scale_log_ratio[own, side]))),
                ("reach_mean_ratio", reach),
                ("placement_mean_ratio", placement),
                ("reach_share_ratio", reach / (reach + placement)),
            ):
                np.testing.assert_allclose(
                    getattr(whole, name)[g, side], expected, rtol=1e-12, err_msg=name
                )
            assert whole.furthest_pair[g, side] == own[np.argmin(overlap)]


def test_votes_are_shared_through_maps_between():
    # Each overlaps the next by .94, the first and the third by .88: one vote for the three.
    long = np.zeros((4, N_WINDOW_BINS))
    for e, first in enumerate((0, 2, 4)):
        long[e, first : first + 34] = 1.0
    long[3, 100] = 1.0
    short = np.zeros_like(long)
    short[:, 120] = 1.0
    pairs = measure(long, short, 1.0)
    assert sorted(pairs.overlap_ratio[:3, 0].round(2).tolist()) == [0.0, 0.88, 0.94]
    may = np.ones(4, np.bool_)
    vote = share_votes(pairs, may)
    assert vote[:, 0].tolist() == [0, 0, 0, 3]
    assert vote[:, 1].tolist() == [0, 0, 0, 0]
    # Without the one between, the two are two.
    may[1] = False
    assert share_votes(pairs, may)[:, 0].tolist() == [0, -1, 2, 3]


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
def test_who_shares_a_vote_does_not_depend_on_the_order(order, seed):
    rng = np.random.default_rng(seed)
    base = rng.random((2, 1, N_WINDOW_BINS))
    long, short = base + rng.random((2, 6, N_WINDOW_BINS)) * rng.uniform(0, 0.6, (1, 6, 1))
    may = np.arange(6) != 4
    vote = share_votes(measure(long, short, 1.0), may)
    moved = share_votes(measure(long[order], short[order], 1.0), may[order])
    for side in range(3):
        for a in range(6):
            for b in range(6):
                same = vote[order[a], side] == vote[order[b], side]
                assert (moved[a, side] == moved[b, side]) == same


def test_a_map_without_a_shape_has_no_vote():
    long = np.ones((2, N_WINDOW_BINS))
    long[1] = 0.0
    vote = share_votes(measure(long, np.ones_like(long), 1.0), np.array([True, True]))
    assert vote[:, 0].tolist() == [0, -1]


def test_summary_leaves_out_who_has_no_vote():
    rng = np.random.default_rng(4)
    long, short = rng.random((2, 4, N_WINDOW_BINS)) ** 6
    offsets, keys = np.array([0, 4]), np.zeros(4, np.int64)
    vote = share_votes(
        measure(long, short, 1.0, offsets, keys), np.array([True, True, True, False])
    )
    with_it = summarise_groups(measure(long, short, 1.0, offsets, keys), offsets, vote)
    alone = measure(long[:3], short[:3], 1.0, np.array([0, 3]), keys[:3])
    without = summarise_groups(alone, np.array([0, 3]))
    for name in (
        "provider_count",
        "overlap_mean_ratio",
        "overlap_min_ratio",
        "scale_spread_log_ratio",
    ):
        np.testing.assert_allclose(getattr(with_it, name), getattr(without, name), err_msg=name)


def test_furthest_pair_among_disjoint_ones_is_the_widest_apart():
    long = np.zeros((3, N_WINDOW_BINS))
    long[0, 90], long[1, 80], long[2, 20] = 1.0, 1.0, 1.0
    pairs = measure(long, np.zeros_like(long), 1.0)
    furthest = summarise_groups(pairs, np.array([0, 3])).furthest_pair[0, 0]
    assert (pairs.entry_a[furthest], pairs.entry_b[furthest]) == (0, 2)


def test_maps_that_do_not_differ_have_no_share_of_reach():
    long = np.ones((2, N_WINDOW_BINS))
    whole = summarise_groups(measure(long, long, 1.0), np.array([0, 2]))
    assert np.isnan(whole.reach_share_ratio).all()
    np.testing.assert_allclose(whole.overlap_mean_ratio, 1.0, atol=1e-14)


def test_no_entries_give_no_pairs():
    nothing = np.empty((0, N_WINDOW_BINS))
    for offsets in (np.array([0]), np.array([0, 0])):
        pairs = measure(nothing, nothing, 1.0, offsets)
        assert pairs.overlap_ratio.shape == (0, 3)
        assert summarise_groups(pairs, offsets).furthest_pair.shape == (offsets.size - 1, 3)
