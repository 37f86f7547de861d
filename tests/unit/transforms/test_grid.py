import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from transforms import grid
from transforms.errors import InvalidInput

PRICES = st.floats(min_value=1e-9, max_value=1e9)


@given(PRICES)
def test_a_price_lies_within_the_edges_of_its_bin(price):
    low, high = grid.bin_edges(grid.bin_of_price(price))
    assert low * (1 - 1e-12) <= price <= high * (1 + 1e-12)


@given(st.integers(-20_000, 20_000))
def test_bins_tile_the_axis_and_hold_their_centre_and_nodes(bin_index):
    low, high = grid.bin_edges(bin_index)
    assert high == grid.bin_edges(bin_index + 1)[0]
    assert grid.bin_of_price(grid.bin_center(bin_index)) == bin_index
    nodes = np.array([2 * bin_index, 2 * bin_index + 1])
    assert_array_equal(grid.bin_of_price(grid.node_price(nodes)), bin_index)
    assert_array_equal(nodes // grid.NODES_PER_BIN, bin_index)
    assert_allclose(np.sqrt(low * high), grid.bin_center(bin_index), rtol=1e-12)


@given(PRICES)
def test_published_bins_are_exactly_those_whose_centre_is_in_range(price):
    first, count = grid.published_bins(price)
    candidates = np.arange(first - 3, first + count + 3)
    distance = np.abs(np.log(grid.bin_center(candidates) / price))
    is_clear = np.abs(distance - grid.PUBLISHED_RANGE) > 1e-9
    is_published = (candidates >= first) & (candidates < first + count)
    assert_array_equal(is_published[is_clear], (distance <= grid.PUBLISHED_RANGE)[is_clear])
    assert count in (500, 501)
    assert count <= grid.N_PUBLISHED_BINS


@pytest.mark.parametrize("function", [grid.bin_of_price, grid.published_bins])
@pytest.mark.parametrize("price", [0.0, -1.0, np.nan, np.inf])
def test_a_price_without_logarithm_is_refused_by_name(function, price):
    with pytest.raises(InvalidInput, match=r"price\[1\] is .*logarithmic"):
        function([1.0, price])
