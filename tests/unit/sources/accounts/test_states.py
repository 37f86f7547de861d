"""A state is read as the venue means it, and one bad position costs no other."""

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.accounts.states import read_state
from sources.errors import ProviderRejected

ADDRESS = "0x" + "ab" * 20


def test_every_field_has_its_unit(state, position):
    read = read_state(state(position(), position("ETH", "-3", liquidationPx=None)), ADDRESS)
    assert (read.address, read.dex, read.account_value_usd) == (ADDRESS, "", 1234.5)
    assert read.at == datetime(2026, 3, 3, 12, tzinfo=UTC)
    assert not read.faults
    long, short = read.positions
    assert (long.asset, long.coin, long.dex, long.side, long.quantity) == (
        "BTC", "BTC", "", "long", 2.0,
    )  # fmt: skip
    assert (long.entry_price, long.liquidation_price, long.mark_price) == (95.0, 80.0, 100.0)
    assert (long.leverage, long.is_cross, long.margin_usd) == (10.0, True, 20.0)
    assert (short.side, short.quantity, short.liquidation_price) == ("short", 3.0, None)


def test_a_coin_quoted_by_the_thousand_is_read_per_unit(state, position):
    (pepe,) = read_state(
        state(position("kPEPE", "-5", entryPx="0.012", liquidationPx="0.02", positionValue="0.05")),
        ADDRESS,
    ).positions
    assert (pepe.asset, pepe.coin, pepe.side, pepe.quantity) == ("PEPE", "kPEPE", "short", 5000.0)
    assert (pepe.entry_price, pepe.liquidation_price, pepe.mark_price) == pytest.approx(
        (1.2e-5, 2e-5, 1e-5)
    )


@pytest.mark.parametrize("coin", ["xyz:GOLD", "GOLD"])
def test_a_contract_of_a_builder_is_an_asset_of_its_own(state, position, coin):
    (gold,) = read_state(state(position(coin)), ADDRESS, "xyz").positions
    assert (gold.asset, gold.coin, gold.dex) == ("XYZ-GOLD", "xyz:GOLD", "xyz")


def test_a_liquidation_price_of_0_is_none(state, position):
    read = read_state(
        state(position(liquidationPx="0.0"), position("ETH", liquidationPx=0)), ADDRESS
    )
    assert [one.liquidation_price for one in read.positions] == [None, None]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"szi": "junk", "positionValue": "1"}, "szi is not a finite number"),
        ({"szi": "gone"}, "szi is not a finite number"),
        ({"szi": "NaN"}, "szi is not a finite number"),
        ({"szi": "1e400"}, "szi is not a finite number"),
        ({"szi": "-1e21"}, "szi is more than exists of any coin"),
        ({"szi": True}, "szi is not a finite number"),
        ({"liquidationPx": "-5"}, "liquidationPx is not a positive number"),
        ({"liquidationPx": "NaN"}, "liquidationPx is not a positive number"),
        ({"liquidationPx": []}, "liquidationPx is not a positive number"),
        ({"coin": "gone"}, "position or its coin is missing"),
        ({"coin": ""}, "position or its coin is missing"),
        ({"coin": 7}, "position or its coin is missing"),
        ({"coin": "\ud800"}, "position or its coin is missing"),
    ],
)
def test_a_bad_position_is_a_fault_and_the_others_remain(state, position, changed, reason):
    bad = position("ETH", "1") | {}
    bad["position"] = {k: v for k, v in (bad["position"] | changed).items() if v != "gone"}
    read = read_state(state(position(), bad), ADDRESS)
    assert [one.coin for one in read.positions] == ["BTC"]
    (fault,) = read.faults
    assert fault.reason == reason
    assert fault.received == bad
    assert fault.coin == (bad["position"].get("coin") if changed.get("coin") is None else None)


@pytest.mark.parametrize("item", [None, [], "BTC", {"type": "oneWay"}, {"position": None}])
def test_what_is_no_position_is_a_fault(state, position, item):
    read = read_state(state(item, position()), ADDRESS)
    assert (len(read.positions), len(read.faults)) == (1, 1)


def test_a_coin_twice_counts_once(state, position):
    read = read_state(state(position(), position(szi="7")), ADDRESS)
    assert [one.quantity for one in read.positions] == [2.0]
    assert [fault.reason for fault in read.faults] == ["a coin twice; its first position counts"]


def test_missing_figures_are_left_open_and_nothing_is_made_up(state, position):
    names = ("entryPx", "positionValue", "liquidationPx", "marginUsed", "leverage")
    bare = position(**dict.fromkeys(names, "gone"))
    (read,) = read_state(state(bare, marginSummary=None, time=None), ADDRESS).positions
    assert read.liquidation_price is None
    assert read.is_cross is None
    figures = (read.entry_price, read.mark_price, read.margin_usd, read.leverage)
    assert all(map(math.isnan, figures))
    whole = read_state(state(bare, marginSummary=None, time=None), ADDRESS)
    assert whole.at is None
    assert math.isnan(whole.account_value_usd)


def test_an_account_without_positions_is_a_state_and_a_size_of_0_is_none(state, position):
    for body in (state(), state(position(szi="0.0")), state(position(szi="-0"))):
        read = read_state(body, ADDRESS)
        assert (read.positions, read.faults) == ((), ())


@pytest.mark.parametrize(
    "body",
    [None, [], "deserialization failed", 3, {}, {"assetPositions": None}, {"assetPositions": {}}],
)
def test_what_is_no_state_is_refused_without_its_address(body):
    with pytest.raises(ProviderRejected, match="no clearinghouse state") as refused:
        read_state(body, ADDRESS)
    assert ADDRESS not in str(refused.value)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


NAMES = ("coin", "szi", "entryPx", "positionValue", "liquidationPx", "marginUsed", "leverage")


@given(fields=st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, values)))
def test_whatever_a_position_holds_is_read_or_a_fault(fields):
    read = read_state({"assetPositions": [{"position": fields}]}, ADDRESS)
    assert len(read.positions) + len(read.faults) <= 1
    for one in read.positions:
        assert 0 < one.quantity <= 1e20
        assert one.liquidation_price is None or 0 < one.liquidation_price < math.inf
        for figure in (one.entry_price, one.mark_price, one.leverage):
            assert math.isnan(figure) or figure > 0
    json.dumps([fault.reason for fault in read.faults])
