"""Both accounts of each trade are read; what is malformed is left out."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.accounts.trades import AccountTrade, read_trades

BUYER, SELLER = "0x" + "Ab" * 20, "0x" + "cd" * 20
TRADE = {
    "coin": "BTC", "side": "B", "px": "100.5", "sz": "0.2", "hash": "0x0",
    "time": 1_772_539_200_000, "tid": 118906512037719, "users": [BUYER, SELLER],
}  # fmt: skip


def trades(*rows):
    return read_trades({"channel": "trades", "data": list(rows)})


def test_a_trade_names_buyer_and_seller():
    assert trades(TRADE) == [
        AccountTrade(
            coin="BTC",
            price=100.5,
            quantity=0.2,
            at=datetime(2026, 3, 3, 12, tzinfo=UTC),
            buyer=BUYER.lower(),
            seller=SELLER,
            trade_id=118906512037719,
        )
    ]


def test_units_are_those_of_the_asset():
    (pepe,) = trades(TRADE | {"coin": "kPEPE", "px": "0.01", "sz": "5"})
    assert (pepe.coin, pepe.price, pepe.quantity) == ("kPEPE", pytest.approx(1e-5), 5000.0)


@pytest.mark.parametrize(
    "changed",
    [
        {"users": None}, {"users": [BUYER]}, {"users": [BUYER, "0x12"]}, {"users": BUYER},
        {"px": "0"}, {"px": "-1"}, {"px": "NaN"}, {"sz": None}, {"sz": "inf"}, {"time": "soon"},
        {"coin": None}, {"coin": "@107"}, {"coin": "PURR/USDC"}, {"coin": "\ud800"},
    ],
)  # fmt: skip
def test_a_malformed_trade_or_one_of_spot_is_left_out(changed):
    assert [trade.coin for trade in trades(TRADE | changed, TRADE | {"coin": "ETH"}, None)] == [
        "ETH"
    ]


@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x, max_size=3)))
def test_any_other_message_has_no_trades(data):
    for message in (data, {"channel": "trades", "data": data}, {"channel": "pong"}):
        assert read_trades(message) == []
