import pytest

from sources.venues.declarations import VENUES
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
    assert read.quantity_factor("base") == read.quantity_factor("contracts") == 1000.0


def test_both_sides_counted_count_once():
    read = read_market(VENUES["htx"], market(contractSize=0.001))
    assert isinstance(read, Instrument)
    assert read.quantity_factor("contracts", 2) == pytest.approx(0.0005)
