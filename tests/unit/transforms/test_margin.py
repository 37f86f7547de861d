import dataclasses

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from transforms import margin
from transforms.errors import InvalidInput
from transforms.ladders import DEFAULT_LADDERS, default_brackets, default_ladder
from transforms.margin import Brackets

FLAT = Brackets.from_ratios([0.0], [0.005], [125.0])
STEPS = Brackets(
    # A venue without deductions: the requirement jumps where a bracket begins.
    notional_floor_usd=np.array([0.0, 1e4, 1e5]),
    notional_cap_usd=np.array([1e4, 1e5, 1e6]),
    maintenance_margin_ratio=np.array([0.005, 0.02, 0.05]),
    maintenance_deduction_usd=np.zeros(3),
    max_leverage=np.array([100.0, 25.0, 10.0]),
)


@pytest.mark.parametrize(
    ("quantity", "leverage", "long", "short"),
    [
        (0.1, 10.0, 54_216.87, 65_737.05),
        (0.1, 100.0, 59_638.55, 60_358.57),
        (5.0, 25.0, 57_879.40, 62_099.50),
        (20.0, 50.0, 59_136.89, 60_851.96),
    ],
)
def test_linear_prices_with_deduction_match_the_venue(quantity, leverage, long, short):
    brackets = default_brackets("BTC")
    for side, expected in (("long", long), ("short", short)):
        price = margin.linear_liquidation_price(side, 60_000.0, leverage, quantity, brackets)
        assert_allclose(price, expected, atol=0.005)


def test_inverse_prices_match_the_venue():
    prices = [
        margin.inverse_liquidation_price(side, 60_000.0, 10.0, 0.005) for side in ("long", "short")
    ]
    assert_allclose(prices, [54_818.18, 66_333.33], atol=0.005)


def test_longs_at_25x_between_58000_and_59000_stand_between_55959_and_56925():
    entries = np.array([58_000.0, 58_500.0, 59_000.0])
    prices = margin.linear_liquidation_price("long", entries, 25.0, 0.1, FLAT)
    assert_allclose(prices, [55_959.80, 56_442.21, 56_924.62], atol=0.005)


def test_a_fee_moves_liquidation_towards_entry_as_okx_states_it():
    plain = Brackets.from_ratios([0.0], [0.004], [100.0])
    charged = dataclasses.replace(plain, liquidation_fee_ratio=0.0005)
    prices = [
        margin.linear_liquidation_price("long", 60_000.0, 100.0, 0.1, brackets)
        for brackets in (charged, plain)
    ]
    assert_allclose(prices, [59_668.51, 59_638.55], atol=0.005)
    offsets = margin.tier_log_offsets([100.0], charged, 10_000.0)
    assert_allclose(np.exp(offsets[0]), 59_668.51 / 60_000, atol=1e-7)


def test_without_a_deduction_a_brackets_ratio_holds_for_the_whole_position():
    tiers = ([0.0, 5e3], [0.01, 0.02], [50.0, 25.0])
    relative = [
        np.exp(
            margin.tier_log_offsets([20.0], Brackets.from_ratios(*tiers, has_deduction=has), 1e4)
        )
        for has in (False, True)
    ]
    assert_allclose([each[0, 0] for each in relative], [0.96939, 0.96429], atol=5e-6)


def test_a_requirement_that_jumps_at_entry_leaves_the_tier_with_the_next_lower_one():
    jumps = Brackets.from_ratios([0.0, 1e4], [0.015, 0.02], [50.0, 25.0], has_deduction=False)
    offsets = margin.tier_log_offsets([25.0, 50.0], jumps, 10_000.0)
    assert offsets[1, 1] == offsets[1, 0] > 0


def test_a_contract_that_allows_no_leverage_is_liquidated_near_zero():
    none = Brackets.from_ratios([0.0], [0.5], [1.0])
    offsets = margin.tier_log_offsets([2.0, 100.0], none, 10_000.0)
    assert (np.exp(offsets[0]) < 0.02).all()
    assert (np.exp(offsets[1]) > 1.3).all()


def test_half_the_initial_margin_at_40x_liquidates_25x_and_above_at_once():
    hyperliquid = Brackets.from_ratios([0.0, 150e6], [0.0125, 0.025], [40.0, 20.0])
    offsets = margin.tier_log_offsets([20.0, 25.0, 50.0, 100.0], hyperliquid, 10_000.0)
    assert_allclose(100 * np.expm1(offsets[0, 1:]), -2.79, atol=0.006)


def test_an_inverse_contract_at_one_per_cent_liquidates_25x_and_50x_where_deribit_says():
    deribit = Brackets.from_ratios([0.0], [0.01], [50.0])
    offsets = margin.tier_log_offsets([25.0, 50.0], deribit, 10_000.0, "inverse")
    assert_allclose(100 * np.expm1(offsets[0]), [-2.885, -0.98], atol=0.005)
    charged = dataclasses.replace(deribit, liquidation_fee_ratio=0.0005)
    offsets = margin.tier_log_offsets([25.0], charged, 10_000.0, "inverse")
    assert_allclose(np.exp(offsets[0]), 1.0105 / 1.04)


def test_a_liquidation_fee_is_kept_on_top_of_the_maintenance_margin():
    charged = dataclasses.replace(FLAT, liquidation_fee_ratio=0.0005)
    for side, sign in (("long", 1.0), ("short", -1.0)):
        assert_allclose(
            margin.linear_liquidation_price(side, 60_000.0, 10.0, 0.1, charged),
            (60_000.0 - sign * 6_000.0) / (1 - sign * 0.0055),
        )


def maintenance_margin(brackets, notional):
    bracket = brackets.bracket_of(notional)
    return (
        brackets.maintenance_margin_ratio[bracket] * notional
        - brackets.maintenance_deduction_usd[bracket]
    )


@given(
    st.floats(min_value=1e-4, max_value=1e5),
    st.floats(min_value=1.5, max_value=100.0),
    st.floats(min_value=1e-3, max_value=1e5),
    st.sampled_from(["long", "short"]),
)
def test_equity_equals_maintenance_margin_at_the_liquidation_price(entry, leverage, size, side):
    brackets = default_brackets("BTC")
    price = margin.linear_liquidation_price(side, entry, leverage, size, brackets)
    sign = 1.0 if side == "long" else -1.0
    equity = entry * size / leverage + sign * size * (price - entry)
    assert_allclose(equity, maintenance_margin(brackets, price * size), atol=1e-9 * entry * size)


# A bracket above the entry would liquidate this one, but only in profit.
@example(79.0, 9926.0, "long")
@given(
    st.floats(min_value=1.5, max_value=100.0),
    st.floats(min_value=1.0, max_value=2e6),
    st.sampled_from(["long", "short"]),
)
def test_where_the_requirement_jumps_no_price_before_the_one_given_liquidates(
    leverage, notional, side
):
    size = notional / 100.0
    price = margin.linear_liquidation_price(side, 100.0, leverage, size, STEPS)
    sign = 1.0 if side == "long" else -1.0

    def is_liquidated(at):
        equity = notional / leverage + sign * size * (at - 100.0)
        return equity <= maintenance_margin(STEPS, at * size)

    # Positions that would be liquidated at entry already are out of the question.
    if not is_liquidated(100.0):
        between = price + (100.0 - price) * np.linspace(1e-6, 1.0, 200)
        assert not np.any(is_liquidated(between))
        assert is_liquidated(price - sign * 1e-6)


def test_an_inverse_long_is_a_linear_short_of_the_reciprocal_price():
    assert_allclose(
        1.0 / margin.inverse_liquidation_price("long", 50.0, [3.0, 20.0], 0.005),
        margin.linear_liquidation_price("short", 1 / 50.0, [3.0, 20.0], 1.0, FLAT),
    )


def test_positions_without_leverage_are_never_liquidated_on_the_way_down_or_inverse_up():
    assert margin.linear_liquidation_price("long", 100.0, 1.0, 1.0, FLAT) == 0.0
    assert margin.inverse_liquidation_price("short", 100.0, 1.0, 0.005) == np.inf


def test_missing_entries_give_missing_prices():
    prices = margin.linear_liquidation_price("short", [np.nan, 100.0], 10.0, 1.0, FLAT)
    assert_array_equal(np.isnan(prices), [True, False])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("both", 1.0, 10.0, 1.0), "side is both"),
        (("long", 0.0, 10.0, 1.0), "entry_price"),
        (("long", 1.0, 0.5, 1.0), "leverage"),
        (("long", 1.0, 10.0, 0.0), "quantity"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name(arguments, named):
    with pytest.raises(InvalidInput, match=named):
        margin.linear_liquidation_price(*arguments, FLAT)


def test_deductions_follow_from_floors_and_ratios():
    brackets = default_brackets("BTC")
    assert_allclose(brackets.maintenance_deduction_usd[:5], [0.0, 50.0, 950.0, 11_450.0, 131_450.0])


def test_tiers_above_the_maximum_fold_into_the_highest_allowed():
    assert_array_equal(margin.fold_tiers([2.0, 10.0, 25.0, 50.0], 30.0), [0, 1, 2, 2])
    assert_array_equal(margin.fold_tiers([5.0, 10.0], 3.0), [0, 0])


@pytest.mark.parametrize("kind", ["linear", "inverse"])
def test_offsets_fall_with_leverage_and_stop_at_the_maximum(kind):
    brackets = Brackets.from_ratios([0.0, 5e4], [0.01, 0.02], [50.0, 20.0])
    offsets = margin.tier_log_offsets([2.0, 10.0, 25.0, 50.0, 100.0], brackets, 1e4, kind)
    assert offsets.shape == (2, 5)
    assert np.all(offsets[0] < 0.0)
    assert np.all(offsets[1] > 0.0)
    assert np.all(np.diff(np.abs(offsets), axis=1)[:, :3] < 0.0)
    assert_array_equal(offsets[:, 4], offsets[:, 3])
    larger = margin.tier_log_offsets([2.0, 10.0, 25.0, 50.0, 100.0], brackets, 6e4, kind)
    assert_array_equal(larger[:, 1:], larger[:, [1] * 4])


def test_offsets_are_those_of_the_representative_position():
    brackets = default_brackets("BTC")
    offsets = margin.tier_log_offsets([25.0], brackets, 300_000.0)
    for row, side in enumerate(("long", "short")):
        price = margin.linear_liquidation_price(side, 60_000.0, 25.0, 5.0, brackets)
        assert_allclose(offsets[row, 0], np.log(price / 60_000.0))


def test_a_lowest_tier_above_the_maximum_gets_the_maximum():
    brackets = Brackets.from_ratios([0.0], [0.1], [3.0])
    assert_allclose(
        margin.tier_log_offsets([5.0, 10.0], brackets, 1e3),
        np.repeat(margin.tier_log_offsets([3.0], brackets, 1e3), 2, axis=1),
    )


def test_brackets_whose_positions_would_be_liquidated_at_entry_are_refused():
    with pytest.raises(InvalidInput, match=r"ask 0\.02 of a notional of inf USD .* allow 50x"):
        Brackets.from_ratios([0.0], [0.02], [50.0])
    # A deduction can make a ratio bearable that is not without it.
    margin.Brackets([0.0, 1e4], [1e4, 2e4], [0.005, 0.02], [0.0, 150.0], [100.0, 50.0])


@pytest.mark.parametrize("leverages", [[1.0, 2.0], [5.0, 3.0], [], [np.nan]])
def test_leverages_must_ascend_from_above_one(leverages):
    with pytest.raises(InvalidInput, match="leverages"):
        margin.tier_log_offsets(leverages, FLAT, 1e4)


def test_an_unknown_contract_kind_and_reference_are_refused():
    with pytest.raises(InvalidInput, match="contract_kind is 'quanto'"):
        margin.tier_log_offsets([10.0], FLAT, 1e4, "quanto")
    with pytest.raises(InvalidInput, match="reference_position_usd"):
        margin.tier_log_offsets([10.0], FLAT, 0.0)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("notional_floor_usd", [10.0, 1e4, 1e5], "begin at 0"),
        ("notional_floor_usd", [0.0, 2e4, 1e5], "begins where the one before ends|to begin"),
        ("maintenance_margin_ratio", [0.5, 2.0, 5.0], "divide per cent"),
        ("maintenance_margin_ratio", [0.05, 0.02, 0.05], "never decrease"),
        ("max_leverage", [100.0, 25.0], "one per bracket"),
        ("max_leverage", [100.0, 25.0, 0.0], "at least 1"),
        ("maintenance_deduction_usd", [0.0, np.nan, 0.0], "one per bracket"),
    ],
)
def test_brackets_that_cannot_be_are_refused_by_name(field, value, named):
    with pytest.raises(InvalidInput, match=named):
        dataclasses.replace(STEPS, **{field: np.array(value)})


@pytest.mark.parametrize("fee", [-0.001, 1.0, np.nan])
def test_a_fee_that_is_no_ratio_is_refused(fee):
    with pytest.raises(InvalidInput, match="liquidation_fee_ratio"):
        dataclasses.replace(FLAT, liquidation_fee_ratio=fee)


def test_a_fee_that_liquidates_at_entry_is_refused():
    with pytest.raises(InvalidInput, match="and fee"):
        Brackets.from_ratios([0.0], [0.009], [100.0], liquidation_fee_ratio=0.0011)


@pytest.mark.parametrize(
    ("asset", "open_interest_usd", "name", "reference"),
    [
        ("BTC", np.nan, "btc_eth", (0.004, 125.0)),
        ("ETH", 1e6, "btc_eth", (0.004, 125.0)),
        ("DOGE", 20e6, "large", (0.006, 75.0)),
        ("KAVA", 19.9e6, "middle", (0.015, 50.0)),
        ("OMG", 4.9e6, "small", (0.025, 20.0)),
        ("NEW", np.nan, "small", (0.025, 20.0)),
    ],
)
def test_size_decides_the_default_ladder(asset, open_interest_usd, name, reference):
    assert default_ladder(asset, open_interest_usd) == name
    brackets = default_brackets(asset, open_interest_usd)
    bracket = brackets.bracket_of(10_000.0)
    assert (
        brackets.maintenance_margin_ratio[bracket],
        brackets.max_leverage[bracket],
    ) == reference


@pytest.mark.parametrize("name", DEFAULT_LADDERS)
@pytest.mark.parametrize("has_deduction", [True, False])
def test_default_ladders_allow_every_shipped_tier_that_is_not_folded(name, has_deduction):
    brackets = DEFAULT_LADDERS[name].brackets(
        has_deduction=has_deduction, liquidation_fee_ratio=0.00075
    )
    for notional in (1e3, 1e4, 1e5, 1e6):
        offsets = margin.tier_log_offsets([2.0, 3.0, 5.0, 50.0, 100.0], brackets, notional)
        assert np.isfinite(offsets).all()
