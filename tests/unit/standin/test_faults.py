"""Every fault reaches ccxt as the venue's own trouble would, and hits only whom it should."""

from collections.abc import Callable
from typing import Any

import ccxt
import pytest
from standin import HOUR, MINUTE, Fault, Faults, MarketData, Standin
from workbench import venue_symbols

START = 1_772_323_200_000
STEP = 5 * MINUTE
CCXT_IDS = {"binance": "binanceusdm", "kucoin": "kucoinfutures"}
BTC = {CCXT_IDS.get(venue, venue): symbol for venue, symbol in venue_symbols.BTC.items()}
Connect = Callable[..., Any]


async def bars(client: Any, count: int | None = 6) -> list[list[float]]:
    limit = None if client.id == "htx" else count
    rows = await client.fetch_ohlcv(BTC[client.id], "5m", START - HOUR, limit)
    return [row for row in rows if row[0] < START - HOUR + 6 * STEP]


@pytest.fixture(params=list(BTC))
def venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    ("kind", "settings", "error"),
    [
        ("server_error", {"status": 500}, ccxt.ExchangeNotAvailable),
        ("server_error", {"status": 502}, ccxt.ExchangeNotAvailable),
        ("server_error", {"status": 503}, ccxt.ExchangeNotAvailable),
        ("server_error", {"status": 504}, ccxt.RequestTimeout),
        ("time_out", {"seconds": 0.5}, ccxt.RequestTimeout),
        ("cut_before_answer", {}, ccxt.ExchangeNotAvailable),
        ("banned", {}, ccxt.DDoSProtection),
        # ccxt knows no time-out here and calls it an ExchangeError, though another try may work.
        ("cut_in_answer", {}, ccxt.ExchangeError),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_broken_transport_is_seen_as_what_it_is(
    kind: str,
    settings: dict[str, Any],
    error: type[Exception],
    venue: str,
    connect: Connect,
    standin: Standin,
) -> None:
    client = await connect(venue)
    if kind == "time_out":
        client.timeout = 100
    fault = standin.faults.add(kind, endpoint="candles", **settings)
    with pytest.raises(error) as caught:
        await bars(client)
    assert type(caught.value) is error
    # aiohttp asks again by itself where a kept connection closes before an answer to a GET.
    assert fault.hits == (2 if kind == "cut_before_answer" and venue != "hyperliquid" else 1)
    standin.faults.clear()
    client.timeout = 5_000
    assert len(await bars(client)) == 6


async def test_too_many_requests_is_seen_as_a_limit_wherever_ccxt_knows_the_words(
    venue: str, connect: Connect, standin: Standin
) -> None:
    client = await connect(venue)
    standin.faults.add("too_many_requests", endpoint="candles", times=1, seconds=7)
    with pytest.raises(ccxt.BaseError) as caught:
        await bars(client)
    # ccxt reads htx's words before the status, does not know them, and calls it an ExchangeError.
    wanted = ccxt.ExchangeError if venue == "htx" else (ccxt.DDoSProtection, ccxt.RateLimitExceeded)
    assert isinstance(caught.value, wanted)
    assert client.last_response_headers["Retry-After"] == "7"


async def test_ccxt_takes_a_truncated_answer_for_an_empty_one(
    venue: str, connect: Connect, standin: Standin
) -> None:
    """A trap worth a test: whoever trusts ccxt's unified answer takes broken JSON for no data."""
    client = await connect(venue)
    standin.faults.add("truncated", endpoint="candles", times=1)
    assert await bars(client) == []
    assert client.parse_json(client.last_http_response) is None


async def test_an_empty_answer_is_empty(venue: str, connect: Connect, standin: Standin) -> None:
    client = await connect(venue)
    standin.faults.add("empty", endpoint="candles", times=1)
    assert await bars(client) == []
    assert len(await bars(client)) == 6


async def test_rows_come_twice(venue: str, connect: Connect, standin: Standin) -> None:
    client = await connect(venue)
    standin.faults.add("duplicated", endpoint="candles", times=1)
    times = [row[0] for row in await bars(client)]
    assert len(times) > len(set(times))


async def test_a_spoiled_number_is_in_the_raw_answer(
    venue: str, connect: Connect, standin: Standin
) -> None:
    client = await connect(venue)
    for kind, mark in (("wrong_type", '"abc"'), ("null_value", "null")):
        standin.faults.add(kind, endpoint="candles", times=1)
        await bars(client)
        assert mark in client.last_http_response


async def test_a_vanished_symbol_is_listed_nowhere_and_unknown_everywhere(
    venue: str, connect: Connect, standin: Standin
) -> None:
    standin.enforce_limits = False
    client = await connect(venue)
    fault = standin.faults.add("vanished_symbol", symbol=BTC[venue])
    with pytest.raises(ccxt.BaseError):
        await bars(client)
    await client.load_markets(True)
    assert BTC[venue] not in client.markets
    standin.faults.remove(fault)
    await client.load_markets(True)
    assert BTC[venue] in client.markets


async def test_a_skewed_clock_is_returned_but_moves_no_data(
    venue: str, connect: Connect, standin: Standin
) -> None:
    client = await connect(venue)
    honest = await bars(client)
    standin.faults.add("clock_skew", milliseconds=-90_000)
    assert await client.fetch_time() == standin.now - 90_000
    assert await bars(client) == honest


async def test_overlapping_pages_hold_more_than_was_requested(
    connect: Connect, standin: Standin
) -> None:
    client = await connect("binanceusdm")
    ask = {"symbol": "BTCUSDT", "interval": "5m", "startTime": START - HOUR, "limit": 4}
    honest = await client.fapiPublicGetKlines(ask)
    standin.faults.add("overlapping", endpoint="candles", rows=2)
    actual = await client.fapiPublicGetKlines(ask)
    assert [int(row[0]) for row in honest] == [START - HOUR + i * STEP for i in range(4)]
    assert [int(row[0]) for row in actual] == [START - HOUR + i * STEP for i in range(-2, 6)]


async def test_unordered_rows_are_the_same_rows(connect: Connect, standin: Standin) -> None:
    client = await connect("okx")
    ask = {"instId": "BTC-USDT-SWAP", "bar": "5m", "limit": 50}
    honest = (await client.publicGetMarketCandles(ask))["data"]
    standin.faults.add("unordered")
    actual = (await client.publicGetMarketCandles(ask))["data"]
    assert actual != honest
    assert sorted(actual) == sorted(honest)


async def test_open_interest_in_another_unit_hits_one_symbol_of_a_bulk_answer(
    connect: Connect, standin: Standin
) -> None:
    client = await connect("okx")
    honest = await client.fetch_open_interests()
    standin.faults.add("open_interest_factor", symbol="BTC/USDT:USDT", factor=0.01)
    actual = await client.fetch_open_interests()
    for symbol, row in actual.items():
        factor = 0.01 if symbol == "BTC/USDT:USDT" else 1.0
        wanted = honest[symbol]["openInterestAmount"] * factor
        assert row["openInterestAmount"] == pytest.approx(wanted)


async def test_a_fault_hits_its_venue_endpoint_and_symbol_alone(
    connect: Connect, standin: Standin
) -> None:
    okx, bybit = await connect("okx"), await connect("bybit")
    standin.faults.add("server_error", venue="okx", endpoint="candles", symbol="BTC/*")
    assert len(await bars(bybit)) == 6
    assert await okx.fetch_ohlcv("SOL/USDT:USDT", "5m", START - HOUR, 6)
    assert await okx.fetch_ohlcv("BTC/USDT:USDT", "5m", START - HOUR, 6, {"price": "mark"})
    with pytest.raises(ccxt.ExchangeNotAvailable):
        await bars(okx)


@pytest.mark.parametrize("venue", ["okx", "gate", "bitget", "kucoinfutures", "binanceusdm"])
async def test_mark_candles_are_hit_by_their_own_name(
    venue: str, connect: Connect, standin: Standin
) -> None:
    client = await connect(venue)
    standin.faults.add("empty", endpoint="mark_candles")
    assert len(await bars(client)) == 6
    rows = await client.fetch_ohlcv(BTC[venue], "5m", START - HOUR, 6, {"price": "mark"})
    assert rows == []
    assert standin.log[-1].endpoint == "mark_candles"


async def test_latency_is_added(connect: Connect, standin: Standin) -> None:
    client = await connect("bybit")
    standin.faults.add("latency", seconds=0.2)
    client.timeout = 100
    with pytest.raises(ccxt.RequestTimeout):
        await bars(client)


def test_a_script_plays_in_order() -> None:
    faults = Faults()
    faults.script(["empty", None, "truncated"], venue="gate")
    played = [[fault.kind for fault in faults.draw("gate", "candles", "")] for _ in range(4)]
    assert played == [["empty"], [], ["truncated"], []]


def test_one_call_meets_one_transport_fault_at_most() -> None:
    faults = Faults()
    faults.add("server_error")
    faults.add("time_out")
    faults.add("duplicated")
    assert [fault.kind for fault in faults.draw("okx", "candles", "")] == [
        "server_error", "duplicated",
    ]  # fmt: skip


def test_draws_depend_on_the_call_and_not_on_the_interleaving() -> None:
    def play(order: list[str]) -> dict[str, list[int]]:
        faults = Faults(seed=3)
        faults.add("empty", probability=0.3)
        hits: dict[str, list[int]] = {"BTC": [], "ETH": []}
        for symbol in order:
            hits[symbol].append(len(faults.draw("okx", "candles", symbol)))
        return hits

    one = play(["BTC", "ETH"] * 50)
    other = play(["BTC"] * 50 + ["ETH"] * 50)
    assert one == other
    assert 5 < sum(one["BTC"]) < 25


def test_probabilities_are_kept() -> None:
    faults = Faults(seed=1)
    faults.add("empty", probability=0.1)
    for number in range(2_000):
        faults.draw("okx", "candles", str(number))
    assert 150 < faults.drawn["okx", "empty"] < 250


def test_an_unknown_fault_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no fault is called 'flood'"):
        Fault("flood")


async def test_the_log_has_each_request_and_its_outcome(
    connect: Connect, standin: Standin, market: MarketData
) -> None:
    client = await connect("okx")
    standin.forget()
    standin.faults.add("empty", endpoint="candles", times=1)
    await bars(client)
    entry = standin.log[-1]
    assert (entry.venue, entry.endpoint, entry.symbol) == ("okx", "candles", "BTC/USDT:USDT")
    assert (entry.status, entry.rows, entry.faults) == (200, 0, ("empty",))
    assert standin.counts["okx", "candles"] == 1
