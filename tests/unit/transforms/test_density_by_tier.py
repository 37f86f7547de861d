"""Maps by tier: parts of the map, of the last instants alone, and without an effect on the rest."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from workbench.density_bars import market_bars

from bench.kernel import hourly, simulated_bars
from transforms.engine import run
from transforms.estimators import ESTIMATORS
from transforms.ladders import default_brackets

BRACKETS = default_brackets("BTC")
NAMES = sorted(ESTIMATORS)


@settings(deadline=None, max_examples=60)
@given(market_bars(), st.sampled_from(NAMES), st.sampled_from(["linear", "inverse"]))
def test_tiers_sum_to_the_map_and_bins_to_the_tier(bars, name, kind):
    emits = np.arange(len(bars))
    _, outputs = run(
        ESTIMATORS[name],
        bars,
        emits,
        brackets=BRACKETS,
        contract_kind=kind,
        n_by_tier=len(emits),
    )
    by_tier = outputs.liquidation_by_tier_usd.astype(np.float64)
    assert by_tier.shape[:3] == outputs.in_range_usd.shape
    if kind == "linear":
        assert_allclose(by_tier.sum(axis=3), outputs.in_range_usd, rtol=1e-6, atol=1e-300)
    else:
        quantity = outputs.in_range_base * outputs.close[:, None, None]
        assert_allclose(by_tier.sum(axis=3), quantity, rtol=1e-6, atol=1e-300)
    assert_allclose(by_tier.sum(axis=2), outputs.liquidation_usd, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("name", NAMES)
def test_the_last_instants_have_one_and_nothing_else_changes(name):
    bars, emits = simulated_bars(1440, seed=4), hourly(1440)
    state, plain = run(ESTIMATORS[name], bars, emits, brackets=BRACKETS)
    state_too, outputs = run(ESTIMATORS[name], bars, emits, brackets=BRACKETS, n_by_tier=3)
    assert state.to_bytes() == state_too.to_bytes()
    assert len(plain.liquidation_by_tier_usd) == 0
    for field in dataclasses.fields(outputs):
        if field.name != "liquidation_by_tier_usd":
            assert_array_equal(getattr(outputs, field.name), getattr(plain, field.name))
    by_tier = outputs.liquidation_by_tier_usd
    assert len(by_tier) == 3
    assert by_tier.any(axis=(1, 3)).sum() > 9
    assert_allclose(by_tier.sum(axis=2), outputs.liquidation_usd[-3:], rtol=1e-6)


def test_an_instant_without_bars_has_the_map_of_the_one_before():
    bars = simulated_bars(576, seed=5)
    turnover = ESTIMATORS["turnover"]
    state, before = run(turnover, bars, [575], brackets=BRACKETS, n_by_tier=1)
    _, after = run(turnover, bars.part(0, 0), [-1, -1], brackets=BRACKETS, state=state, n_by_tier=2)
    for own in after.liquidation_by_tier_usd:
        assert_array_equal(own, before.liquidation_by_tier_usd[0])
