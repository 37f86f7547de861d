"""The window in which maps are compared."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from transforms.errors import InvalidInput
from transforms.grid import bin_center, bin_edges, bin_of_price
from transforms.maps import (
    N_COARSE_BINS,
    N_WINDOW_BINS,
    MapBatch,
    align_maps,
    has_shape,
    price_position,
    require_groups,
    top_decile_thresholds,
    window_first_bin,
)

log_prices = st.floats(-12.0, 14.0)


@settings(deadline=None)
@given(log_prices)
def test_window_holds_the_coarse_bins_with_centres_in_range_and_no_others(log_price):
    first = int(window_first_bin(math.exp(log_price)))
    assert first % 2 == 0
    centre = (2 * first + 1.5) * 0.001 - log_price  # of coarse bin first // 2, as ln(centre/price)
    step = 0.004
    tolerance = 1e-9  # of logarithms near the edge
    assert centre >= -0.2 - tolerance
    assert centre - step < -0.2 + tolerance
    last = centre + (N_COARSE_BINS - 1) * step
    assert last < 0.2 + tolerance
    assert last + step >= 0.2 - tolerance


@settings(deadline=None)
@given(log_prices)
def test_price_position_is_measured_between_bin_centres(log_price):
    price = math.exp(log_price)
    first = window_first_bin(price)
    position = float(price_position(price))
    below, above = math.floor(position), math.ceil(position)
    assert bin_center(first + below) <= price * (1 + 1e-9)
    assert bin_center(first + above) >= price * (1 - 1e-9)
    assert 98.5 - 1e-6 < position < 100.5 + 1e-6  # 50 coarse centres stand below the price


@settings(deadline=None)
@given(log_prices, st.integers(-600, 600), st.integers(0, 700), st.integers(0, 2**32 - 1))
def test_aligning_reads_each_bin_of_the_window_once(log_price, shift, size, seed):
    price = math.exp(log_price)
    values = np.random.default_rng(seed).random(size).astype(np.float32)
    first = int(bin_of_price(price)) + shift
    batch = MapBatch(values, np.array([0, 0, size]), np.array([7, first]), np.full(2, price))
    aligned = align_maps(batch)
    stored = dict(zip(range(first, first + size), values.tolist(), strict=True))
    window = range(int(window_first_bin(price)), int(window_first_bin(price)) + N_WINDOW_BINS)
    assert aligned[1].tolist() == [stored.get(j, 0.0) for j in window]
    assert not aligned[0].any()


def test_map_of_unknown_price_has_no_shape():
    batch = MapBatch(
        np.ones(12),
        np.array([0, 4, 8, 12]),
        np.zeros(3, np.int32),
        np.array([np.nan, 0.0, 1.0]),
    )
    assert has_shape(align_maps(batch)).tolist() == [False, False, True]


def test_shape_needs_finite_values_nowhere_negative_and_something_to_show():
    rows = np.array([[0.0, 1.0], [0.0, 0.0], [np.inf, 1.0], [np.nan, 1.0], [-1e-9, 1.0]])
    assert has_shape(rows).tolist() == [True, False, False, False, False]


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=80))
def test_threshold_is_the_90th_percentile_of_what_is_not_empty(values):
    filled = [one for one in values if one > 0]
    expected = np.percentile(filled, 90) if filled else np.inf
    np.testing.assert_allclose(
        top_decile_thresholds(np.array(values, dtype=np.float64)), expected, rtol=1e-14
    )


def test_edges_of_the_window_join_the_published_grid():
    first = window_first_bin(60000.0)
    low, _ = bin_edges(first)
    _, high = bin_edges(first + N_WINDOW_BINS - 1)
    np.testing.assert_allclose(np.log(high / low), 0.4, rtol=1e-12)


@pytest.mark.parametrize(
    ("offsets", "first_bin", "complaint"),
    [
        ([0, 5], [0], "must rise from 0 to 3"),
        ([1, 3], [0], "must rise from 0 to 3"),
        ([0, 2, 1, 3], [0, 0, 0], "must rise from 0 to 3"),
        ([0, 3], [0, 1], "describe 1 maps"),
        ([], [], "one entry more"),
    ],
)
def test_batch_whose_arrays_do_not_fit_is_refused(offsets, first_bin, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        MapBatch(
            np.ones(3),
            np.array(offsets, np.int64),
            np.array(first_bin, np.int64),
            np.ones(len(first_bin)),
        )


@pytest.mark.parametrize(
    ("offsets", "bins", "price", "complaint"),
    [
        ([0, 2], 100, [1.0, 1.0], "make them with align_maps"),
        ([0, 2], 200, [1.0], "give one each"),
        ([0, 1], 200, [1.0, 1.0], "group_offsets must rise from 0 to 2"),
        ([0, 2], 200, [1.0, 1.5], "group 0 begins with price 1.0, but its entry 1 has 1.5"),
    ],
)
def test_groups_that_do_not_fit_are_refused(offsets, bins, price, complaint):
    maps = np.zeros((2, bins))
    with pytest.raises(InvalidInput, match=complaint):
        require_groups(np.array(offsets), maps, maps, price)
