import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from transforms.accounting import impute_open_interest, is_violation, opens_and_closes
from transforms.errors import InvalidInput

AMOUNTS = st.floats(min_value=0.0, max_value=1e9)


@given(AMOUNTS, st.floats(min_value=-1.0, max_value=1.0), st.floats(min_value=0.0, max_value=1.0))
def test_opens_less_closes_is_the_change_and_both_fit_into_the_volume(volume, share, turnover):
    change = share * volume
    opened, closed = opens_and_closes(volume, change, turnover)
    assert opened >= 0.0
    assert closed >= 0.0
    assert_allclose(opened - closed, change, atol=1e-9 * volume)
    # Opens of both sides are at most V + D, closes at most V - D, reached where all turns over.
    assert 2.0 * opened <= (volume + change) * (1.0 + 1e-12) + 1e-9 * volume
    assert_allclose(
        opens_and_closes(volume, change, 1.0),
        ((volume + change) / 2.0, (volume - change) / 2.0),
        atol=1e-9 * volume,
    )
    assert_allclose(opens_and_closes(volume, change, 0.0), (max(change, 0.0), max(-change, 0.0)))


def test_volume_below_the_change_is_raised_to_it():
    opened, closed = opens_and_closes([1.0], [-5.0], 1.0)
    assert (opened[0], closed[0]) == (0.0, 5.0)


def test_a_change_above_the_volume_is_a_violation_unless_bars_are_missing_before():
    assert_array_equal(
        is_violation([1.0, 1.0, 1.0], [2.0, -2.0, 1.0], [False, True, False]),
        [True, False, False],
    )
    assert_array_equal(is_violation([1.0, np.nan], [np.nan, 1.0]), [False, False])


@pytest.mark.parametrize("turnover", [-0.1, 1.1, np.nan])
def test_a_turnover_that_is_no_share_is_refused(turnover):
    with pytest.raises(InvalidInput, match="turnover_ratio"):
        opens_and_closes([1.0], [0.0], turnover)


@given(st.data(), st.integers(1, 30))
def test_imputed_open_interest_keeps_observations_and_moves_with_volume(data, n_bars):
    observed = np.array(data.draw(st.lists(AMOUNTS, min_size=n_bars, max_size=n_bars)))
    volume = np.array(data.draw(st.lists(AMOUNTS, min_size=n_bars, max_size=n_bars)))
    is_missing = np.array(data.draw(st.lists(st.booleans(), min_size=n_bars, max_size=n_bars)))
    received = np.where(is_missing, np.nan, observed)
    filled, is_imputed = impute_open_interest(received, volume)
    assert_array_equal(filled[~is_missing], observed[~is_missing])
    known = np.flatnonzero(~is_missing)
    first = known[0] if len(known) else n_bars
    assert np.isnan(filled[:first]).all()
    assert not np.isnan(filled[first:]).any()
    assert_array_equal(is_imputed, is_missing & (np.arange(n_bars) >= first))
    for left, right in itertools.pairwise(known):
        change = observed[right] - observed[left]
        within = volume[left + 1 : right + 1]
        share = (
            within / within.sum() if within.sum() > 0 else np.full(right - left, 1 / (right - left))
        )
        assert_allclose(
            np.diff(filled[left : right + 1]), change * share, atol=1e-9 * (1 + observed.max())
        )


def test_open_interest_before_the_first_bar_takes_part():
    filled, is_imputed = impute_open_interest([np.nan, 40.0], [3.0, 1.0], 0.0)
    assert_array_equal(filled, [30.0, 40.0])
    assert_array_equal(is_imputed, [True, False])
    held, is_held = impute_open_interest([np.nan, np.nan], [3.0, np.nan], 7.0)
    assert_array_equal(held, [7.0, 7.0])
    assert_array_equal(is_held, [True, True])


def test_shapes_that_differ_are_refused():
    with pytest.raises(InvalidInput, match="same one-dimensional shape"):
        impute_open_interest([1.0, 2.0], [1.0])
