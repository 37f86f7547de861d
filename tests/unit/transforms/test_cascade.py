"""Cascades against brute force, and what happens at the edges."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from transforms.cascade import CascadeParameters, simulate_cascades
from transforms.errors import InvalidInput, InvalidParameters
from transforms.maps import MapBatch

SHOCKS = CascadeParameters().shocks_ratio
DOWN, UP = slice(0, 5), slice(5, 10)


def batch(values, first_bin, price):
    values = np.atleast_2d(values)
    n_maps, size = values.shape
    return MapBatch(
        values.ravel(),
        np.arange(n_maps + 1) * size,
        np.full(n_maps, first_bin),
        np.full(n_maps, float(price)),
    )


def standing_within(values, first_bin, price, distance, sign):
    """Return what stands between the price and a distance from it, bin by bin."""
    start, end = sorted((math.log(price), math.log(price) + sign * distance))
    low = (2 * (first_bin + np.arange(len(values))) - 0.5) * 0.001
    overlap = np.minimum(end, low + 0.002) - np.maximum(start, low)
    return float(np.dot(values, np.maximum(overlap, 0.0) / 0.002))


sides = arrays(
    np.float64, 80, elements=st.one_of(st.just(0.0), st.floats(1e3, 1e8)), fill=st.just(0.0)
)


@settings(deadline=None, max_examples=60)
@given(sides, sides, st.floats(-4.0, 11.0), st.floats(0.005, 0.15), st.floats(1e6, 1e10))
def test_end_is_the_smallest_fixed_point(long, short, log_price, sigma, volume):
    price = math.exp(log_price)
    here = math.floor((log_price / 0.001 + 0.5) / 2)
    firsts = {-1: here - 75, 1: here - 4}
    found = simulate_cascades(
        batch(long, firsts[-1], price), batch(short, firsts[1], price), sigma, volume, math.inf
    )
    for k, shock in enumerate(SHOCKS):
        sign = 1 if shock > 0 else -1
        values = short if sign > 0 else long
        if not values.any():
            assert np.isnan(found.end_price[0, k])
            continue
        start = abs(math.log1p(shock))
        end = sign * math.log(found.end_price[0, k] / price)

        def slip_excess(x, values=values, sign=sign, start=start):
            held = standing_within(values, firsts[sign], price, x, sign)
            return x - start - sigma * math.sqrt(held / volume)

        def forced_within(x, values=values, sign=sign):
            return standing_within(values, firsts[sign], price, x, sign)

        # It is a fixed point, there is none before it, and rounds of forcing climb to it.
        np.testing.assert_allclose(slip_excess(end), 0.0, atol=1e-7)
        before = np.linspace(start, end, 200, endpoint=False)
        assert all(slip_excess(x) <= 1e-9 for x in before)
        climbing = start
        for _ in range(200):
            climbing -= slip_excess(climbing)
            assert climbing <= end + 1e-7
        np.testing.assert_allclose(
            found.forced_first_usd[0, k], forced_within(start), rtol=1e-6, atol=1.0
        )
        np.testing.assert_allclose(found.forced_usd[0, k], forced_within(end), rtol=1e-6, atol=1.0)
        np.testing.assert_allclose(found.slip_bps[0, k], 1e4 * (end - start), atol=1e-6)
        np.testing.assert_allclose(found.amplification[0, k], end / start, rtol=1e-9)
    assert not found.is_range_exhausted.any()


def test_rounds_of_forcing_converge_to_the_end():
    rng = np.random.default_rng(19)
    values = rng.random(75) * 3e6
    found = simulate_cascades(batch(values, -75, 1.0), batch(values, 0, 1.0), 0.04, 5e8)
    for k, shock in enumerate(SHOCKS):
        sign = 1 if shock > 0 else -1
        start = x = abs(math.log1p(shock))
        for _ in range(500):
            held = standing_within(values, 0 if sign > 0 else -75, 1.0, x, sign)
            x = start + 0.04 * math.sqrt(held / 5e8)
        np.testing.assert_allclose(sign * math.log(found.end_price[0, k]), x, atol=1e-10)


@settings(deadline=None, max_examples=50)
@given(sides, st.floats(0.005, 0.15), st.floats(1e6, 1e10))
def test_mirrored_map_gives_the_mirrored_cascade(values, sigma, volume):
    parameters = CascadeParameters(shocks_ratio=(math.expm1(-0.03), math.expm1(0.03)))
    price = math.exp(0.0005)  # the middle of bin 0
    found = simulate_cascades(
        batch(values[::-1], -80, price),
        batch(values, 1, price),
        sigma,
        volume,
        parameters=parameters,
    )
    np.testing.assert_allclose(found.slip_bps[0, 0], found.slip_bps[0, 1], rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(found.forced_usd[0, 0], found.forced_usd[0, 1], rtol=1e-7, atol=1e-3)


@settings(deadline=None, max_examples=50)
@given(sides, st.floats(0.005, 0.15), st.floats(1e6, 1e10))
def test_more_volume_never_lengthens_a_cascade(values, sigma, volume):
    maps = batch(values, -82, 1.0), batch(values, 1, 1.0)
    thin, deep = (simulate_cascades(*maps, sigma, v) for v in (volume, 2 * volume))
    is_known = ~np.isnan(thin.slip_bps)
    assert (thin.slip_bps >= deep.slip_bps - 1e-9)[is_known].all()
    assert (thin.amplification[is_known] >= 1.0).all()
    assert (thin.forced_usd >= thin.forced_first_usd)[is_known].all()


def test_shock_that_forces_nothing_does_not_slip():
    # All of it stands beyond the shocked price, beginning at its very edge.
    parameters = CascadeParameters(shocks_ratio=(math.expm1(-0.0205),))
    found = simulate_cascades(
        batch([1e9], -11, 1.0), batch([1e9], 11, 1.0), 0.05, 1e6, parameters=parameters
    )
    assert found.forced_first_usd[0, 0] < 1.0
    assert found.amplification[0, 0] >= 1.0
    further = CascadeParameters(shocks_ratio=(-0.01, 0.01))
    found = simulate_cascades(
        batch([1e9], -11, 1.0), batch([1e9], 11, 1.0), 0.05, 1e6, parameters=further
    )
    assert found.forced_usd.tolist() == [[0.0, 0.0]]
    assert found.slip_bps.tolist() == [[0.0, 0.0]]
    np.testing.assert_allclose(found.end_price, [[0.99, 1.01]], rtol=1e-14)


def test_only_the_side_that_the_shock_hits_is_forced():
    found = simulate_cascades(
        batch(np.full(5, 1e6), -5, 1.0), batch(np.full(5, 3e6), 1, 1.0), 0.02, 1e9
    )
    np.testing.assert_allclose(found.forced_usd[0, 0], 5e6, rtol=1e-9)
    np.testing.assert_allclose(found.forced_usd[0, 9], 15e6, rtol=1e-9)


def test_positions_behind_the_price_are_not_forced():
    found = simulate_cascades(
        batch(np.full(20, 1e6), 5, 1.0), batch(np.full(20, 1e6), -30, 1.0), 0.02, 1e9
    )
    assert (found.forced_usd == 0.0).all()
    assert (found.amplification == 1.0).all()


def test_without_volume_only_the_first_round_is_known():
    maps = batch(np.ones((4, 75)), -75, 1.0), batch(np.ones((4, 75)), 0, 1.0)
    found = simulate_cascades(
        *maps, [0.02, 0.02, np.nan, 0.02], [0.0, np.nan, 1e9, 1e9], covered_range=0.1
    )
    assert np.isfinite(found.forced_first_usd).all()
    for name in ("forced_usd", "end_price", "slip_bps", "amplification"):
        assert np.isnan(getattr(found, name)[:3]).all(), name
        assert np.isfinite(getattr(found, name)[3]).all(), name
    # 10 % down is more than 0.1 in log price, 10 % up is less.
    assert found.is_range_exhausted[0].tolist() == [True] + [False] * 9


@pytest.mark.parametrize(
    "bad", [np.zeros(4), np.full(4, np.nan), [-1.0, 1, 1, 1], [np.inf, 1, 1, 1]]
)
def test_map_without_shape_gives_nothing_on_its_side(bad):
    good = batch(np.ones(4), 1, 1.0)
    found = simulate_cascades(batch(bad, -5, 1.0), good, 0.02, 1e9)
    for name in ("forced_first_usd", "forced_usd", "end_price", "slip_bps", "amplification"):
        assert np.isnan(getattr(found, name)[0, DOWN]).all(), name
        assert np.isfinite(getattr(found, name)[0, UP]).all(), name
    assert not found.is_range_exhausted.any()


def test_map_without_bins_or_price_gives_nothing():
    empty = MapBatch(np.empty(0), np.array([0, 0]), np.array([3]), np.array([1.0]))
    assert np.isnan(simulate_cascades(empty, empty, 0.02, 1e9).forced_first_usd).all()
    nowhere = batch(np.ones(4), 1, np.nan)
    assert np.isnan(simulate_cascades(nowhere, nowhere, 0.02, 1e9).end_price).all()


def test_cascade_beyond_the_map_ends_at_its_edge_and_says_so():
    # Enough in every bin to carry price on for ever.
    values = np.full(250, 1e9)
    found = simulate_cascades(batch(values, -250, 1.0), batch(values, 1, 1.0), 0.1, 1e7)
    assert found.is_range_exhausted.all()
    np.testing.assert_allclose(found.end_price[0, DOWN], math.exp(-0.5), rtol=1e-12)
    np.testing.assert_allclose(found.end_price[0, UP], math.exp(0.5), rtol=1e-12)
    assert (found.forced_usd <= 250e9).all()


def test_narrow_map_is_exhausted_sooner():
    values = np.full(50, 1e6)
    maps = batch(values, -50, 1.0), batch(values, 0, 1.0)
    wide = simulate_cascades(*maps, 0.02, 1e9, covered_range=0.5)
    narrow = simulate_cascades(*maps, 0.02, 1e9, covered_range=0.04)
    assert not wide.is_range_exhausted.any()
    assert narrow.is_range_exhausted[0].tolist() == [True] * 2 + [False] * 6 + [True] * 2


def test_map_in_float32_gives_what_float64_gives():
    values = np.random.default_rng(1).random(75).astype(np.float32)
    one, other = (
        simulate_cascades(batch(kind, -75, 1.0), batch(kind, 0, 1.0), 0.02, 1e3)
        for kind in (values, values.astype(np.float64))
    )
    np.testing.assert_array_equal(one.end_price, other.end_price)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"shocks_ratio": (0.0,)}, "shocks_ratio holds 0.0"),
        ({"shocks_ratio": (-1.0,)}, "shocks_ratio holds -1.0"),
        ({"impact_coefficient": -1.0}, "impact_coefficient is -1.0"),
        ({"impact_coefficient": math.nan}, "impact_coefficient is nan"),
    ],
)
def test_senseless_parameters_are_refused(arguments, complaint):
    with pytest.raises(InvalidParameters, match=complaint):
        CascadeParameters(**arguments)


def test_sides_of_different_maps_are_refused():
    with pytest.raises(InvalidInput, match="do not match"):
        simulate_cascades(batch(np.ones(2), 0, 1.0), batch(np.ones(2), 0, 2.0), 0.02, 1e9)
    with pytest.raises(InvalidInput, match="do not match"):
        simulate_cascades(batch(np.ones(2), 0, 1.0), batch(np.ones((2, 2)), 0, 1.0), 0.02, 1e9)
