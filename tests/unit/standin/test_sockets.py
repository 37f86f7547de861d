"""Liquidation streams as ccxt.pro subscribes to them, and how they break."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import ccxt
import pytest
from standin import MINUTE, MarketData, Standin
from workbench.streams import START, busy_market

Connect = Callable[..., Any]


@pytest.fixture(scope="module")
def market() -> MarketData:
    return busy_market({"BTC": 70_000.0, "SOL": 90.0})


@pytest.fixture
async def standin(market: MarketData) -> AsyncIterator[Standin]:
    async with Standin(market, now=START) as running:
        yield running


async def watched(client: Any, standin: Standin, symbol: str, minutes: int) -> list[Any]:
    """Return all liquidations a client has kept after some minutes."""
    waiting = asyncio.create_task(client.watch_liquidations(symbol))
    await subscribed(standin)
    await standin.advance(minutes * MINUTE)
    await asyncio.wait_for(waiting, 5)
    async with asyncio.timeout(5):
        while len(client.liquidations) < standin.frames_sent[client.id.removesuffix("usdm")]:
            await asyncio.sleep(0.005)
    return list(client.liquidations)


async def subscribed(standin: Standin, count: int = 1) -> None:
    async with asyncio.timeout(5):
        while standin.subscriptions < count:
            await asyncio.sleep(0.005)


def happened(
    market: MarketData, venue: str, symbol: str, minutes: int
) -> list[tuple[int, bool, float, float]]:
    return list(market.get(venue, symbol).liquidations(START, START + minutes * MINUTE))


async def test_bybit_sends_every_liquidation_by_the_side_of_the_position(
    connect: Connect, standin: Standin, market: MarketData
) -> None:
    client = await connect("bybit", is_pro=True)
    rows = await watched(client, standin, "BTC/USDT:USDT", 20)
    wanted = happened(market, "bybit", "BTC/USDT:USDT", 20)
    assert len(wanted) > 30
    assert [
        (row["timestamp"], row["side"] == "buy", row["price"], row["contracts"]) for row in rows
    ] == [pytest.approx(row) for row in wanted]


@pytest.mark.parametrize(("venue", "client_id"), [("binance", "binanceusdm"), ("okx", "okx")])
async def test_throttled_feeds_send_one_order_a_second_by_its_own_side(
    venue: str, client_id: str, connect: Connect, standin: Standin, market: MarketData
) -> None:
    client = await connect(client_id, is_pro=True)
    rows = await watched(client, standin, "SOL/USDT:USDT", 60)
    rows = [row for row in rows if row["symbol"] == "SOL/USDT:USDT"]
    series = market.get(venue, "SOL/USDT:USDT")
    wanted = {row[0] // 1000: row for row in happened(market, venue, "SOL/USDT:USDT", 60)}
    assert len(rows) == len(wanted) < len(happened(market, venue, "SOL/USDT:USDT", 60))
    for row in rows:
        at, is_long, price, quantity = wanted[row["timestamp"] // 1000]
        assert row["timestamp"] == at
        assert row["side"] == ("sell" if is_long else "buy")
        assert row["price"] == pytest.approx(price)
        assert row["contracts"] == pytest.approx(series.instrument.contracts(quantity))


async def test_a_watch_returns_one_of_many_and_the_cache_keeps_all(
    connect: Connect, standin: Standin, market: MarketData
) -> None:
    """A trap worth a test: what `watch_liquidations` returns is not what has come."""
    client = await connect("bybit", is_pro=True)
    waiting = asyncio.create_task(client.watch_liquidations("BTC/USDT:USDT"))
    await subscribed(standin)
    await standin.advance(20 * MINUTE)
    assert len(await asyncio.wait_for(waiting, 5)) == 1
    wanted = len(happened(market, "bybit", "BTC/USDT:USDT", 20))
    async with asyncio.timeout(5):
        while len(client.liquidations) < wanted:
            await asyncio.sleep(0.005)


async def test_all_symbols_come_through_one_binance_stream(
    connect: Connect, standin: Standin
) -> None:
    client = await connect("binanceusdm", is_pro=True)
    waiting = asyncio.create_task(client.watch_liquidations_for_symbols(None))
    await subscribed(standin)
    await standin.advance(30 * MINUTE)
    await asyncio.wait_for(waiting, 5)
    async with asyncio.timeout(5):
        while {row["symbol"] for row in client.liquidations} != {"BTC/USDT:USDT", "SOL/USDT:USDT"}:
            await asyncio.sleep(0.005)


async def test_inverse_contracts_come_from_the_other_host(
    connect: Connect, standin: Standin
) -> None:
    client = await connect("binancecoinm", is_pro=True)
    waiting = asyncio.create_task(client.watch_liquidations("BTC/USD:BTC"))
    await subscribed(standin)
    await standin.advance(30 * MINUTE)
    rows = await asyncio.wait_for(waiting, 5)
    assert rows[0]["symbol"] == "BTC/USD:BTC"


async def test_a_cut_socket_is_a_network_error_and_a_new_one_works(
    connect: Connect, standin: Standin
) -> None:
    client = await connect("okx", is_pro=True)
    standin.faults.add("socket_cut", times=1)
    waiting = asyncio.create_task(client.watch_liquidations_for_symbols(None))
    await subscribed(standin)
    await standin.advance(30 * MINUTE)
    with pytest.raises(ccxt.NetworkError):
        await asyncio.wait_for(waiting, 5)
    assert standin.subscriptions == 0
    waiting = asyncio.create_task(client.watch_liquidations_for_symbols(None))
    await subscribed(standin)
    await standin.advance(30 * MINUTE)
    assert await asyncio.wait_for(waiting, 5)


async def test_a_silent_socket_stays_open_and_says_nothing(standin: Standin) -> None:
    async with aiohttp.ClientSession() as session:
        address = f"{standin.base_url}/okx/ws/v5/public"
        async with session.ws_connect(address) as socket:
            await socket.send_json(
                {"op": "subscribe", "args": [{"channel": "liquidation-orders", "instType": "SWAP"}]}
            )
            assert (await socket.receive_json())["event"] == "subscribe"
            standin.faults.add("socket_silence")
            await standin.advance(30 * MINUTE)
            await socket.send_str("ping")
            with pytest.raises(TimeoutError):
                await socket.receive(timeout=0.2)
            assert not socket.closed


async def test_garbage_comes_before_the_message(standin: Standin) -> None:
    async with aiohttp.ClientSession() as session:
        address = f"{standin.base_url}/bybit/v5/public/linear"
        async with session.ws_connect(address) as socket:
            await socket.send_json({"op": "subscribe", "args": ["allLiquidation.BTCUSDT"]})
            assert (await socket.receive_json())["success"] is True
            standin.faults.add("socket_garbage", times=1)
            await standin.advance(30 * MINUTE)
            assert (await socket.receive()).data == '{"broken": '
            assert await socket.receive_json() == {"unknown": ["shape"]}
            assert (await socket.receive_json())["topic"] == "allLiquidation.BTCUSDT"


async def test_unknown_topics_are_refused_in_the_venue_s_words(standin: Standin) -> None:
    async with aiohttp.ClientSession(standin.base_url) as session:
        async with session.ws_connect("/bybit/v5/public/linear") as socket:
            await socket.send_json({"op": "subscribe", "args": ["allLiquidation.NOUSDT"]})
            assert (await socket.receive_json())["success"] is False
        async with session.ws_connect("/okx/ws/v5/public") as socket:
            await socket.send_json({"op": "subscribe", "args": [{"channel": "nothing"}]})
            assert (await socket.receive_json())["code"] == "60018"


async def test_a_ping_is_answered(standin: Standin) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{standin.base_url}/okx/ws/v5/public") as socket:
            await socket.send_str("ping")
            assert (await socket.receive()).data == "pong"
        async with session.ws_connect(f"{standin.base_url}/bybit/v5/public/linear") as socket:
            await socket.send_json({"op": "ping", "req_id": "7"})
            assert (await socket.receive_json())["ret_msg"] == "pong"


async def test_as_time_runs_messages_are_sent(standin: Standin) -> None:
    async with (
        aiohttp.ClientSession(standin.base_url) as session,
        session.ws_connect("/bybit/v5/public/linear") as socket,
    ):
        await socket.send_json({"op": "subscribe", "args": ["allLiquidation.BTCUSDT"]})
        await socket.receive_json()
        standin.run(speed=3_000)
        row = await socket.receive_json(timeout=5)
        standin.run(speed=0)
    assert row["data"][0]["s"] == "BTCUSDT"
