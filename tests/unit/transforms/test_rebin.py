"""Cells of outside maps on the published grid: nothing lost, no stripes."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from transforms.errors import InvalidInput
from transforms.grid import bin_edges, published_bins
from transforms.rebin import rebin_cells

cells = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.floats(-1.0, 1.0),
        st.one_of(st.just(0.0), st.floats(1e-9, 1.5)),
        st.one_of(st.just(0.0), st.floats(1e-6, 1e9)),
    ),
    max_size=30,
)


def rebin(rows, prices):
    index, low, width, value = (np.array(column) for column in zip(*rows, strict=True))
    anchor = np.log(np.asarray(prices))[index]
    return rebin_cells(
        index, np.exp(anchor + low), np.exp(anchor + low + width), value, np.asarray(prices)
    )


def dense(done, m):
    return done.maps.values[done.maps.offsets[m] : done.maps.offsets[m + 1]]


@settings(deadline=None)
@given(cells.filter(bool))
def test_nothing_is_lost(rows):
    prices = [60000.0, 0.2, 3000.0]
    done = rebin(rows, prices)
    for m in range(3):
        held = math.fsum(row[3] for row in rows if row[0] == m)
        total = math.fsum([*dense(done, m), done.below_range[m], done.above_range[m]])
        np.testing.assert_allclose(total, held, rtol=1e-12)
    assert (done.maps.values >= 0.0).all()
    first, n_bins = published_bins(prices)
    np.testing.assert_array_equal(done.maps.first_bin, first)
    np.testing.assert_array_equal(np.diff(done.maps.offsets), n_bins)


@settings(deadline=None)
@given(st.floats(-0.4, 0.3), st.floats(1e-4, 0.1), st.floats(-5.0, 11.0))
def test_cell_is_spread_evenly_over_log_price(start, width, log_price):
    price = math.exp(log_price)
    done = rebin([(0, start, width, 1.0)], [price])
    low, high = bin_edges(done.maps.first_bin[0] + np.arange(done.maps.values.size))
    overlap = np.minimum(np.log(high) - log_price, start + width) - np.maximum(
        np.log(low) - log_price, start
    )
    np.testing.assert_allclose(
        done.maps.values, np.maximum(overlap, 0.0) / width, atol=1e-8 / width
    )


@settings(deadline=None)
@given(st.floats(-0.4, 0.4), st.floats(-5.0, 11.0))
def test_point_is_shared_between_the_nodes_next_to_it(place, log_price):
    done = rebin([(0, place, 0.0, 1.0)], [math.exp(log_price)])
    position = (log_price + place) / 0.001
    node = math.floor(position)
    expected = np.zeros_like(done.maps.values)
    for one, share in ((node, node + 1 - position), (node + 1, position - node)):
        expected[one // 2 - done.maps.first_bin[0]] += share
    np.testing.assert_allclose(done.maps.values, expected, atol=2e-6)


def test_map_already_on_the_grid_comes_back_as_it_was():
    held = np.random.default_rng(4).random(400)
    held[100:200] = 0.0
    first = int(published_bins(60000.0)[0]) + 20
    bins = first + np.arange(400)
    low, high = bin_edges(bins)
    done = rebin_cells(np.zeros(400, np.int64), low, high, held, [60000.0])
    # No crumbs in neighbours: they would count among the bins that are not empty.
    assert np.count_nonzero(done.maps.values) == np.count_nonzero(held)
    np.testing.assert_allclose(done.maps.values[20:420], held, rtol=1e-9)


def test_points_on_nodes_leave_no_crumbs():
    nodes = np.arange(10_800, 11_100)
    price = np.exp(nodes * 0.001)
    done = rebin_cells(np.zeros(300, np.int64), price, price, np.ones(300), [60000.0])
    assert np.unique(done.maps.values).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("step_ratio", [0.0003, 0.0013, 0.0031, 0.0097, 0.012])
def test_axis_of_any_step_leaves_no_stripes(step_ratio):
    levels = 60000.0 * (1.0 + step_ratio * np.arange(-round(0.2 / step_ratio), 0))
    # A map without structure: the same density in price everywhere.
    edges = 60000.0 * (1.0 + step_ratio * (np.arange(-levels.size, 1) - 0.5))
    low, high = edges[:-1], edges[1:]
    done = rebin_cells(
        np.zeros(levels.size, np.int64), low, high, np.full(levels.size, step_ratio), [60000.0]
    )
    inner = done.maps.values[(done.maps.values > 0.0)][2:-2]
    neighbours = inner[1:] / inner[:-1]
    # Bins grow with price by 0.2 % each, and that is all that may be seen, but for the step of
    # density between cells that differ in log width.
    np.testing.assert_allclose(neighbours, math.exp(0.002), atol=1.1 * step_ratio)


def test_cells_may_overlap_and_come_in_any_order():
    one = rebin([(1, -0.1, 0.05, 2.0), (0, 0.1, 0.0, 3.0), (1, -0.08, 0.1, 1.0)], [5.0, 7.0])
    other = rebin([(0, 0.1, 0.0, 3.0), (1, -0.08, 0.1, 1.0), (1, -0.1, 0.05, 2.0)], [5.0, 7.0])
    np.testing.assert_allclose(one.maps.values, other.maps.values, rtol=1e-14)


def test_beyond_the_range_is_kept_by_side():
    done = rebin([(0, -0.9, 0.0, 1.0), (0, 0.9, 0.05, 2.0), (0, -1.0, 2.0, 4.0)], [1.0])
    np.testing.assert_allclose(
        [done.below_range[0], done.above_range[0], done.maps.values.sum()],
        [2.0, 3.0, 2.0],
        atol=5e-3,
    )


def test_no_cells_give_empty_maps():
    nothing = np.empty(0)
    done = rebin_cells(np.empty(0, np.int64), nothing, nothing, nothing, [1.0, 2.0])
    assert not done.maps.values.any()
    assert done.maps.n_maps == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"map_index": [1]}, r"map_index\[0\] is 1, expected 0 to 0"),
        ({"price_low": [0.0]}, r"price_low\[0\] is 0.0, expected finite and above 0"),
        ({"price_low": [np.nan]}, r"price_low\[0\] is nan"),
        ({"price_high": [0.5]}, r"price_high\[0\] is 0.5, expected at or above low"),
        ({"price_high": [np.inf]}, r"price_high\[0\] is inf"),
        ({"value": [-1.0]}, r"value\[0\] is -1.0, expected finite and not negative"),
        ({"value": [1.0, 2.0]}, "value has shape"),
        ({"price": [np.nan]}, "needs finite prices above 0"),
    ],
)
def test_cells_that_make_no_sense_are_refused(change, complaint):
    arguments = {
        "map_index": [0],
        "price_low": [1.0],
        "price_high": [1.1],
        "value": [1.0],
        "price": [1.0],
        **change,
    }
    with pytest.raises(InvalidInput, match=complaint):
        rebin_cells(**{name: np.array(given) for name, given in arguments.items()})
