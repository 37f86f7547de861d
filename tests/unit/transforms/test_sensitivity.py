import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.estimators import ESTIMATORS, EstimatorParameters
from transforms.sensitivity import swap_assumptions

# What one swap may change besides the name.
TOGETHER = {
    "unlevered_share": {"unlevered_share", "weights"},
    "half_lives_days": {"half_lives_days", "unlevered_half_life_days"},
}


def changed(base, swapped):
    return {
        field.name
        for field in dataclasses.fields(base)
        if field.name != "provider" and getattr(base, field.name) != getattr(swapped, field.name)
    }


@pytest.mark.parametrize("provider", ESTIMATORS)
def test_each_swap_changes_one_assumption_only(provider):
    base = ESTIMATORS[provider]
    for swap in swap_assumptions(base):
        fields = changed(base, swap.parameters)
        assert fields
        assert fields <= TOGETHER.get(swap.assumption, {swap.assumption})


@pytest.mark.parametrize("provider", ESTIMATORS)
def test_swaps_have_names_and_hashes_of_their_own(provider):
    swaps = swap_assumptions(ESTIMATORS[provider])
    assert len({swap.parameters.params_hash for swap in swaps}) == len(swaps)
    assert len({(swap.assumption, swap.variant) for swap in swaps}) == len(swaps)
    assert all(swap.parameters.provider.startswith(f"{provider}__swap_") for swap in swaps)


def test_the_guesses_named_in_the_documentation_are_all_swapped():
    assert {swap.assumption for swap in swap_assumptions(ESTIMATORS["turnover"])} == {
        "weights",
        "unlevered_share",
        "reference_position_usd",
        "entry_weights",
        "turnover_ratio",
        "half_lives_days",
        "clearing_price",
        "taker_leverage_exponent",
    }


def test_a_profile_needs_nothing_that_it_does_not_use():
    assumptions = {swap.assumption for swap in swap_assumptions(ESTIMATORS["volume_profile"])}
    assert not assumptions & {"turnover_ratio", "half_lives_days", "clearing_price"}
    assert "volume_half_life_days" in assumptions


def test_one_half_life_for_all_has_no_ratios_to_square():
    swaps = swap_assumptions(ESTIMATORS["public_convention"])
    assert not [swap for swap in swaps if swap.assumption == "half_lives_days"]


@given(st.floats(0.0, 0.9), st.lists(st.floats(0.01, 1.0), min_size=1, max_size=5))
def test_shares_of_swapped_weights_still_sum_to_one(unlevered, weights):
    scale = (1.0 - unlevered) / sum(weights)
    base = EstimatorParameters.from_mapping(
        {
            "provider": "mine",
            "leverages": [2.0 + 3 * i for i in range(len(weights))],
            "weights": [weight * scale for weight in weights],
            "half_lives_days": [float(i + 1) for i in range(len(weights))],
            "unlevered_share": unlevered,
        }
    )
    for swap in swap_assumptions(base):
        total = sum(swap.parameters.weights) + swap.parameters.unlevered_share
        assert total == pytest.approx(1.0, abs=1e-9)
