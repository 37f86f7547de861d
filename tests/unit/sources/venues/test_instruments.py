import pytest

from sources.venues.declared import VENUES
from sources.venues.instruments import Instrument, read_market


def market(**changes):
    return {
        "id": "BTCUSDT",
        "symbol": "BTC/USDT:USDT",
        "baseId": "BTC",
        "base": "BTC",
        "quote": "USDT",
        "swap": True,
        "linear": True,
        "inverse": False,
        "active": True,
        "contractSize": 1.0,
        "precision": {"price": 0.1},
        "info": {},
    } | changes


def test_futures_spot_and_demo_quotes_are_none_of_ours():
    venue = VENUES["bitget"]
    assert isinstance(read_market(venue, market()), Instrument)
    assert read_market(venue, market(swap=False)) is None
    assert read_market(venue, market(quote="SUSDT")) is None
    assert read_market(venue, market(linear=False, inverse=True)) is None


def test_coin_is_taken_from_the_venue_not_from_ccxts_renaming():
    # ccxt calls GTC on htx GAMECOM, which is what the ticker means on its spot market.
    read = read_market(VENUES["htx"], market(base="GAMECOM", baseId="gtc"))
    assert isinstance(read, Instrument)
    assert read.asset == "GTC"


@pytest.mark.parametrize("size", [None, 0, -1, "x", float("nan"), True])
def test_contract_without_a_size_is_refused_with_the_reason(size):
    assert "contract size" in str(read_market(VENUES["mexc"], market(contractSize=size)))


def test_okx_size_is_value_times_multiple():
    read = read_market(VENUES["okx"], market(info={"ctVal": "0.01", "ctMult": "10"}))
    assert isinstance(read, Instrument)
    assert read.contract_size == pytest.approx(0.1)


@pytest.mark.parametrize("info", [{"ctVal": "0.01"}, {"ctVal": "0.01", "ctMult": "abc"}, {}])
def test_size_without_one_of_its_factors_is_refused(info):
    assert "contract size" in str(read_market(VENUES["okx"], market(info=info)))


def test_bybit_size_is_one_whatever_the_smallest_order():
    inverse = market(linear=False, inverse=True, quote="USD", contractSize=5.0)
    read = read_market(VENUES["bybit"], inverse)
    assert isinstance(read, Instrument)
    assert read.contract_size == 1.0


def test_multiplied_contract_has_one_price_axis_with_its_coin():
    read = read_market(
        VENUES["binance"],
        market(baseId="1000PEPE", symbol="1000PEPE/USDT:USDT", precision={"price": 1e-7}),
    )
    assert isinstance(read, Instrument)
    assert (read.asset, read.base_multiplier, read.contract_size) == ("PEPE", 1000.0, 1000.0)
    assert read.tick_size == pytest.approx(1e-10)
    assert read.units.to_position(1.0, "base") == read.units.to_position(1.0, "contracts") == 1000.0


@pytest.mark.parametrize(
    ("venue", "changes", "lot"),
    [
        ("binance", {"precision": {"amount": 0.001}}, 0.001),
        # A hundredth of a contract of .01 coin; a whole contract.
        ("okx", {"precision": {"amount": 0.01}, "info": {"ctVal": "0.01", "ctMult": "1"}}, 1e-4),
        ("gate", {"precision": {"amount": 1.0}, "contractSize": 1e-4}, 1e-4),
        # A lot of kPEPE is a thousand of the coin.
        ("hyperliquid", {"precision": {"amount": 1.0}, "baseName": "kPEPE", "quote": "USDC"}, 1e3),
        # USD in either case: ccxt counts contracts of Binance's, dollars of Deribit's.
        (
            "binancecoinm",
            {"precision": {"amount": 1.0}, "contractSize": 100.0, "quote": "USD",
             "linear": False, "inverse": True},
            100.0,
        ),
        (
            "deribit",
            {"precision": {"amount": 10.0}, "contractSize": 10.0, "quote": "USD",
             "linear": False, "inverse": True},
            10.0,
        ),
    ],
)  # fmt: skip
def test_the_smallest_lot_is_in_position_units(venue, changes, lot):
    read = read_market(VENUES[venue], market(**changes))
    assert isinstance(read, Instrument)
    assert read.lot_quantity == pytest.approx(lot)
    assert read.lot_fault is None


@pytest.mark.parametrize("amount", [0, -1.0, float("nan"), "x"])
def test_a_lot_that_is_none_is_named_and_costs_nothing_else(amount):
    read = read_market(VENUES["binance"], market(precision={"amount": amount}))
    assert isinstance(read, Instrument)
    assert read.lot_quantity is None
    assert read.lot_fault == (
        f"the smallest lot is {amount!r}, expected a number above 0: kept without it"
    )


def test_a_lot_that_is_not_listed_is_no_fault():
    read = read_market(VENUES["binance"], market(precision={}))
    assert isinstance(read, Instrument)
    assert (read.lot_quantity, read.lot_fault) == (None, None)
