import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from bench.kernel import simulated_bars
from transforms.engine import density_parameters, is_warm_up, run, start_state
from transforms.errors import InvalidInput, InvalidParameters
from transforms.estimators import (
    ESTIMATORS,
    EstimatorParameters,
    get_estimator,
    taker_and_maker_weights,
)
from transforms.ladders import default_brackets
from transforms.margin import Brackets
from transforms.parameter_list import parameter_rows
from transforms.state import State

TURNOVER = ESTIMATORS["turnover"]
BRACKETS = default_brackets("BTC")
BARS = simulated_bars(40, seed=4)


def test_the_shipped_estimators_are_these():
    assert list(ESTIMATORS) == [
        "open_interest",
        "turnover",
        "taker_tilt",
        "public_convention",
        "volume_profile",
    ]
    assert ESTIMATORS["open_interest"].turnover_ratio == 0.0
    assert TURNOVER.turnover_ratio == ESTIMATORS["taker_tilt"].turnover_ratio == 0.25
    assert ESTIMATORS["volume_profile"].weights == TURNOVER.weights
    public = ESTIMATORS["public_convention"]
    assert dict(zip(public.leverages, public.weights, strict=True)) == {
        5.0: 0.15,
        10.0: 0.30,
        25.0: 0.25,
        50.0: 0.20,
        100.0: 0.10,
    }
    assert public.clearing_price == "last"


def test_shares_and_half_lives_fall_with_the_square_root_of_leverage():
    root = np.sqrt(TURNOVER.leverages)
    assert_allclose(TURNOVER.weights[1:] * root[1:], 0.88 / (1 / root[1:]).sum(), rtol=0.06)
    assert_allclose(TURNOVER.half_lives_days * root, 60.0 * root[0], rtol=0.06)
    assert TURNOVER.weights[0] == 0.02
    assert (TURNOVER.unlevered_share, TURNOVER.unlevered_half_life_days) == (0.10, 60.0)
    assert TURNOVER.entry_weights == (0.25, 0.20, 0.20, 0.35)


def test_without_turnover_all_tiers_but_the_lowest_have_equal_shares():
    open_interest = ESTIMATORS["open_interest"]
    assert open_interest.weights == (0.02, *(0.11,) * 8)
    assert open_interest.half_lives_days == TURNOVER.half_lives_days


def test_the_hash_depends_on_every_value_and_is_stable():
    assert TURNOVER.params_hash == EstimatorParameters(**dataclasses.asdict(TURNOVER)).params_hash
    others = {
        dataclasses.replace(TURNOVER, **change).params_hash
        for change in (
            {"turnover_ratio": 0.3},
            {"half_lives_days": (61.0, *TURNOVER.half_lives_days[1:])},
            {"clearing_price": "last"},
            {"provider": "other"},
            {"reference_position_usd": 2e4},
        )
    }
    assert len(others | {TURNOVER.params_hash}) == 6


def test_hashes_change_only_on_purpose():
    # Stored rows carry these. The same parameters with other figures need another MODEL_VERSION,
    # and then this list.
    assert {name: each.params_hash[:12] for name, each in ESTIMATORS.items()} == {
        "open_interest": "92c681994d96",
        "turnover": "3d8e80e4ad26",
        "taker_tilt": "61e481a34413",
        "public_convention": "47d0498f773e",
        "volume_profile": "5dd0f9acf2e3",
    }


def test_warm_up_goes_by_start_up_mass_and_that_of_a_volume_profile_by_age():
    bars = simulated_bars(3_000, seed=3)
    age = np.array([29.9, 30.0])
    for name, expected in (("turnover", [True, False]), ("volume_profile", [True, False])):
        _, outputs = run(ESTIMATORS[name], bars, [0, 2_999], brackets=BRACKETS)
        found = is_warm_up(ESTIMATORS[name], outputs, age)
        assert found.tolist() == expected, (name, outputs.start_up_in_range_ratio)


def test_every_parameter_is_listed_with_unit_and_reason():
    for parameters in ESTIMATORS.values():
        rows = parameter_rows(parameters)
        named = {row.parameter_name for row in rows}
        assert named == {field.name for field in dataclasses.fields(parameters)} - {"provider"}
        assert all(row.unit and row.reason and row.value for row in rows)
        weights = [float(row.value) for row in rows if row.parameter_name == "weights"]
        assert_allclose(sum(weights) + parameters.unlevered_share, 1.0)
        assert len({(row.parameter_name, row.leverage) for row in rows}) == len(rows)


def test_takers_and_makers_together_have_the_plain_weights():
    taker, maker = taker_and_maker_weights(ESTIMATORS["taker_tilt"])
    plain = np.array([*TURNOVER.weights, TURNOVER.unlevered_share])
    assert_allclose((taker + maker) / 2.0, plain)
    assert_allclose([taker.sum(), maker.sum()], 1.0)
    assert np.all(maker > 0.0)
    assert np.all(np.diff(taker[:-1] / plain[:-1]) > 0.0)
    assert_allclose(taker_and_maker_weights(TURNOVER)[0], plain)


def test_weights_above_the_maximum_leverage_fold_into_the_highest_allowed_tier():
    brackets = Brackets.from_ratios([0.0], [0.01], [20.0])
    weights = density_parameters(ESTIMATORS["taker_tilt"], brackets, "linear").weights
    assert_array_equal(weights[:, 5:9], 0.0)
    assert_allclose(weights[0, 4], 0.093 + 0.083 + 0.059 + 0.048 + 0.042)
    assert_allclose(weights.sum(axis=1), 1.0)


def test_parameters_from_plain_data_start_from_a_shipped_set():
    mine = EstimatorParameters.from_mapping(
        {
            "provider": "mine",
            "base": "public_convention",
            "leverages": [3, 10],
            "weights": [0.5, 0.4],
            "half_lives_days": [30, 10],
            "unlevered_share": 0.1,
        }
    )
    assert mine.leverages == (3.0, 10.0)
    assert mine.clearing_price == "last"
    assert (
        mine.params_hash == EstimatorParameters.from_mapping(dataclasses.asdict(mine)).params_hash
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wieghts": [1.0]}, "unknown fields wieghts; known are base, provider"),
        ({"base": "nobody"}, "no estimator 'nobody'; shipped are open_interest, turnover"),
        ({"provider": "Mine!"}, "provider is 'Mine!', expected lower case"),
        ({"turnover_ratio": "much"}, "turnover_ratio is 'much', expected a number"),
        ({"turnover_ratio": True}, "expected a number"),
        ({"turnover_ratio": 1.5}, "turnover_ratio is 1.5, expected a share"),
        ({"turnover_ratio": math.nan}, "expected a share"),
        ({"clearing_price": "index"}, "one of mark, last"),
        ({"clearing_price": 3}, "expected a name"),
        ({"model": "magic"}, "one of density, volume_profile"),
        ({"weights": "0.5"}, "expected a list of numbers"),
        ({"weights": [1.0]}, "9 numbers, one per leverage"),
        ({"unlevered_share": 0.2}, "they sum to 1.1"),
        ({"half_lives_days": [0.0] * 9}, "days above 0"),
        ({"leverages": [5.0, 3.0]}, "ascending multiples above 1"),
        ({"leverages": [1.0, 3.0]}, "ascending multiples above 1"),
        ({"entry_weights": [0.5, 0.5]}, "four shares"),
        ({"taker_leverage_exponent": 2.0}, "makers would be left with less than nothing"),
        ({"taker_leverage_exponent": -1.0}, "0 or above"),
        ({"reference_position_usd": 0.0}, "above 0"),
        ({"volume_half_life_days": math.inf}, "above 0"),
        ({"unlevered_half_life_days": -1}, "above 0 days"),
        ({"warm_up_half_lives": -1}, "0 or above"),
    ],
)
def test_data_that_describe_no_estimator_are_refused_by_field(change, message):
    with pytest.raises(InvalidParameters, match=message):
        EstimatorParameters.from_mapping({"provider": "mine", **change})


def test_an_estimator_needs_a_name_and_an_unknown_name_lists_the_known():
    with pytest.raises(InvalidParameters, match="no provider"):
        EstimatorParameters.from_mapping({"turnover_ratio": 0.5})
    with pytest.raises(InvalidParameters, match="shipped are open_interest, turnover, taker_tilt"):
        get_estimator("coinglass")


def test_a_state_of_other_parameters_is_refused():
    state, _ = run(TURNOVER, BARS, [], brackets=BRACKETS)
    with pytest.raises(InvalidInput, match="state belongs to parameters"):
        run(ESTIMATORS["open_interest"], BARS, [], brackets=BRACKETS, state=state)


@pytest.mark.parametrize(
    ("emit_after", "message"),
    [
        ([40], "from -1 to 39"),
        ([-2], "from -1 to 39"),
        ([5, 4], "never decrease"),
        ([-1, 4], "before the first bar of the series"),
        ([0.5], "bar indices"),
        ([[1]], "bar indices"),
    ],
)
def test_instants_outside_the_bars_are_refused(emit_after, message):
    with pytest.raises(InvalidInput, match=message):
        run(TURNOVER, BARS, emit_after, brackets=BRACKETS)


def test_an_instant_before_any_bar_is_refused_for_an_empty_state_too():
    empty = State.empty(TURNOVER.n_state_rows, TURNOVER.params_hash)
    with pytest.raises(InvalidInput, match="before the first bar of the series"):
        run(TURNOVER, BARS.part(0, 0), [-1], brackets=BRACKETS, state=empty)


def test_an_unknown_contract_kind_is_refused():
    with pytest.raises(InvalidInput, match="contract_kind is 'quanto'"):
        run(TURNOVER, BARS, [], brackets=BRACKETS, contract_kind="quanto")


def test_a_call_without_instants_or_bars_returns_no_maps():
    state, outputs = run(TURNOVER, BARS.part(0, 0), [], brackets=BRACKETS)
    assert len(outputs) == 0
    assert outputs.liquidation_usd.shape == (0, 2, 501)
    assert state.bar_count == 0


def test_a_trail_that_price_has_emptied_starts_from_the_prices_of_the_first_bar():
    only_10x = dataclasses.replace(
        TURNOVER, provider="only_10x", leverages=(10.0,), weights=(0.9,), half_lives_days=(1.0,)
    )
    bars = dataclasses.replace(
        BARS.part(0, 4),
        **{
            name: np.array([100.0, 100.0, 50.0, 50.0])
            for name in ("open", "high", "low", "close", "mark_high", "mark_low")
        },
        volume=np.array([5.0, 5.0, 0.0, 0.0]),
    )
    brackets = Brackets.from_ratios([0.0], [0.005], [50.0])
    state = start_state(only_10x, bars.part(0, 3), brackets=brackets)
    assert_array_equal(state.total[0], 0.0)
    assert state.total[1] > 0.0
    state, outputs = run(only_10x, bars.part(3, 4), [0], brackets=brackets, state=state)
    base = outputs.in_range_base[0, :, 0] + outputs.beyond_base[0, :, 0]
    assert_allclose(base[0], 0.9 * bars.open_interest[3])
    assert_allclose(outputs.unlevered_base[0, 0], 0.1 * bars.open_interest[3])
    assert_array_equal(outputs.start_up_ratio, 1.0)
