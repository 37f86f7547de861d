"""The consensus of a group against its definition."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from transforms.consensus import build_consensus
from transforms.errors import InvalidInput
from transforms.maps import N_WINDOW_BINS, window_first_bin

windows = arrays(
    np.float64,
    (2, 5, N_WINDOW_BINS),
    elements=st.integers(0, 40).map(float),
    fill=st.sampled_from([0.0, 0.0, 1.0]),
)


@settings(deadline=None, max_examples=50)
@given(windows, st.integers(0, 5))
def test_consensus_follows_the_definition(maps, size):
    long, short = maps
    offsets = np.array([0, size, 5])
    price = np.repeat([60000.0, 0.2], [size, 5 - size])
    consensus = build_consensus(long, short, price, offsets)
    for g in range(2):
        own = slice(offsets[g], offsets[g + 1])
        if offsets[g] < offsets[g + 1]:
            assert consensus.first_bin[g] == window_first_bin([60000.0, 0.2][g])
        for side, rows in enumerate((long[own], short[own], long[own] + short[own])):
            rows = rows[rows.sum(axis=1) > 0]
            assert consensus.provider_count[g, side] == len(rows)
            if len(rows) == 0:
                assert np.isnan(consensus.mean_ratio[g, side]).all()
                assert not consensus.dense_count[g, side].any()
                continue
            p = rows / rows.sum(axis=1, keepdims=True)
            mean = p.mean(axis=0)
            is_known = (mean > 0) & (len(rows) > 1)
            variation = np.where(is_known, p.std(axis=0) / np.where(mean > 0, mean, 1.0), np.nan)
            dense = [(row > 0) & (row >= np.percentile(row[row > 0], 90)) for row in rows]
            for name, expected in (
                ("mean_ratio", mean),
                ("min_ratio", p.min(axis=0)),
                ("max_ratio", p.max(axis=0)),
                ("variation_ratio", variation),
            ):
                np.testing.assert_allclose(
                    getattr(consensus, name)[g, side], expected, atol=1e-12, err_msg=name
                )
            np.testing.assert_array_equal(consensus.dense_count[g, side], np.sum(dense, axis=0))


@settings(deadline=None, max_examples=50)
@given(windows)
def test_copies_of_a_map_that_share_its_vote_change_nothing(maps):
    price, group = np.full(5, 60000.0), np.array([0, 5])
    once = build_consensus(*maps, price, group)
    doubled = maps[:, [0, 0, 1, 2, 3, 4, 0]]
    vote = np.repeat(np.array([0, 0, 2, 3, 4, 5, 0])[:, None], 3, axis=1)
    other = build_consensus(*doubled, np.full(7, 60000.0), np.array([0, 7]), vote)
    for name in ("mean_ratio", "min_ratio", "max_ratio", "variation_ratio"):
        np.testing.assert_allclose(getattr(other, name), getattr(once, name), atol=1e-12)
    np.testing.assert_array_equal(other.provider_count, once.provider_count)
    np.testing.assert_array_equal(other.dense_count, once.dense_count)


def test_a_map_without_a_vote_takes_no_part():
    long = np.ones((3, N_WINDOW_BINS))
    long[2, :100] = 5.0
    vote = np.repeat(np.array([0, 1, -1])[:, None], 3, axis=1)
    consensus = build_consensus(long, long, np.ones(3), np.array([0, 3]), vote)
    assert consensus.provider_count.tolist() == [[2, 2, 2]]
    np.testing.assert_allclose(consensus.mean_ratio, 1 / N_WINDOW_BINS)


@settings(deadline=None, max_examples=50)
@given(windows, st.integers(-20, 20))
def test_total_of_a_provider_has_no_weight(maps, power):
    factor = np.array([2.0**power, 1.0, 1.0, 1.0, 1.0])[:, None]
    price = np.full(5, 60000.0)
    one = build_consensus(*maps, price, np.array([0, 5]))
    other = build_consensus(*(side * factor for side in maps), price, np.array([0, 5]))
    np.testing.assert_allclose(other.mean_ratio, one.mean_ratio, atol=1e-15)
    np.testing.assert_array_equal(other.dense_count, one.dense_count)


@settings(deadline=None, max_examples=50)
@given(windows)
def test_shares_sum_to_one_and_lie_between_the_extremes(maps):
    consensus = build_consensus(*maps, np.full(5, 60000.0), np.array([0, 5]))
    has_members = consensus.provider_count > 0
    np.testing.assert_allclose(consensus.mean_ratio.sum(axis=2)[has_members], 1.0, atol=1e-12)
    known = has_members[..., None] & np.ones(N_WINDOW_BINS, bool)
    assert (consensus.min_ratio <= consensus.mean_ratio)[known].all()
    assert (consensus.mean_ratio <= consensus.max_ratio)[known].all()
    assert (consensus.dense_count <= consensus.provider_count[..., None]).all()


def test_maps_without_shape_are_left_out():
    long = np.ones((3, N_WINDOW_BINS))
    long[1, 0], long[2] = np.nan, 0.0
    short = np.ones((3, N_WINDOW_BINS))
    consensus = build_consensus(long, short, np.ones(3), np.array([0, 3]))
    assert consensus.provider_count.tolist() == [[1, 3, 2]]
    assert np.isfinite(consensus.mean_ratio).all()
    # One member has no spread.
    assert np.isnan(consensus.variation_ratio[0, 0]).all()
    assert np.isfinite(consensus.variation_ratio[0, 1:]).all()


def test_groups_that_do_not_fit_are_refused():
    maps = np.ones((2, N_WINDOW_BINS))
    with pytest.raises(InvalidInput, match="align a group with one close"):
        build_consensus(maps, maps, [1.0, 2.0], np.array([0, 2]))


def test_group_without_entries_is_a_row_without_members():
    nothing = np.empty((0, N_WINDOW_BINS))
    consensus = build_consensus(nothing, nothing, [], np.array([0, 0]))
    assert consensus.provider_count.tolist() == [[0, 0, 0]]
    assert np.isnan(consensus.mean_ratio).all()
