"""The stream stays connected through whatever breaks, and each trade is passed on once."""

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp import WSMsgType, web
from standin import DAY, MINUTE, PopulationParameters, Standin, synthetic_market

from sources.accounts.trade_stream import MOST_SUBSCRIPTIONS, StreamPolicy, TradeStream
from sources.retry import RetryPolicy

START = 1_772_323_200_000
RECONNECT = RetryPolicy(first_delay_seconds=0.01, longest_delay_seconds=0.02)
QUICK = StreamPolicy(RECONNECT, check_seconds=0.01, subscribe_seconds=0.0, connect_seconds=0.0)
BUYER, SELLER = "0x" + "ab" * 20, "0x" + "cd" * 20


def trade(number, coin="BTC"):
    return {
        "coin": coin, "side": "B", "px": "100", "sz": "1", "time": START, "hash": "0x0",
        "tid": number, "users": [BUYER, SELLER],
    }  # fmt: skip


class Clock:
    """A clock that the test sets."""

    def __init__(self):
        self.seconds = START / 1000

    def __call__(self):
        return datetime.fromtimestamp(self.seconds, tz=UTC)


class Venue:
    """A websocket that answers as a test tells it, and counts what it is sent."""

    def __init__(self):
        self.sent = Counter()
        self.subscribed = []
        self.connections = 0
        self.answers_pings = True
        self.sockets = []

    async def serve(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self.sockets.append(socket)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            received = json.loads(message.data)
            self.sent[received["method"]] += 1
            if "subscription" in received:
                self.subscribed.append((received["method"], received["subscription"]["coin"]))
        return socket

    async def send(self, *rows):
        await self.send_text(json.dumps({"channel": "trades", "data": rows}))

    async def send_text(self, text):
        await self.sockets[-1].send_str(text)


@pytest.fixture
async def venue(aiohttp_server_at):
    async with aiohttp_server_at() as one:
        yield one


@pytest.fixture
def aiohttp_server_at():
    @asynccontextmanager
    async def opened():
        venue = Venue()
        runner = web.ServerRunner(web.Server(venue.serve), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        venue.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/ws"
        try:
            yield venue
        finally:
            await runner.cleanup()

    return opened


@pytest.fixture
async def watch():
    """Return a starter of streams; they are stopped at the end."""
    stop, tasks = asyncio.Event(), []

    def started(url, coins=("BTC",), *, clock=None, policy=QUICK, sleep=asyncio.sleep):
        taken = []
        stream = TradeStream(
            url,
            coins if callable(coins) else lambda: coins,
            taken.extend,
            clock=clock or Clock(),
            sleep=sleep,
            policy=policy,
        )
        tasks.append(asyncio.create_task(stream.run(stop)))
        return stream, taken

    yield started
    stop.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 10)


async def until(is_so):
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.002)


async def test_trades_of_all_coins_are_passed_on_once(venue, watch):
    stream, taken = watch(venue.url, ("BTC", "ETH"))
    await until(lambda: len(venue.subscribed) == 2)
    assert not stream.report().is_connected
    await venue.send(trade(1), trade(2, "ETH"))
    await venue.send(trade(2, "ETH"), trade(2))
    await until(lambda: len(taken) == 3)
    assert [(one.coin, one.trade_id) for one in taken] == [("BTC", 1), ("ETH", 2), ("BTC", 2)]
    report = stream.report()
    assert (report.is_connected, report.has_connected, report.is_complete) == (True, True, True)
    assert (report.messages, report.rows, report.outages) == (2, 3, ())


async def test_coins_listed_later_are_added_and_those_gone_are_dropped(venue, watch):
    coins = ["BTC", "SOL"]
    watch(venue.url, lambda: coins)
    await until(lambda: len(venue.subscribed) == 2)
    coins[:] = ["BTC", "SOLANA"]
    await until(lambda: len(venue.subscribed) == 4)
    assert venue.subscribed[2:] == [("unsubscribe", "SOL"), ("subscribe", "SOLANA")]


async def test_no_more_coins_than_the_venue_allows(venue, watch, caplog):
    coins = [f"C{number}" for number in range(MOST_SUBSCRIPTIONS + 50)]
    watch(venue.url, coins)
    await until(lambda: len(venue.subscribed) == MOST_SUBSCRIPTIONS)
    await asyncio.sleep(0.05)
    assert len(venue.subscribed) == MOST_SUBSCRIPTIONS
    assert caplog.text.count("1050 coins, but 1000 subscriptions are allowed") == 1


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("{", 1), ("[" * 100_000, 1), ('{"channel":"trades","data":7}', 1), ("[]", 0), ("null", 0),
        ('{"channel":"trades","data":[{},null]}', 2), ('{"channel":"error","data":"no"}', 0),
    ],
)  # fmt: skip
async def test_a_malformed_message_is_counted_and_ends_nothing(venue, watch, text, refused):
    stream, taken = watch(venue.url)
    await until(lambda: venue.subscribed)
    await venue.send_text(text)
    await venue.send(trade(1))
    await until(lambda: taken)
    assert stream.report().quarantined == refused
    assert venue.connections == 1


async def connected(venue, watch):
    """Return the clock, the stream and what it took, after a first trade."""
    clock = Clock()
    stream, taken = watch(venue.url, clock=clock)
    await until(lambda: venue.subscribed)
    await venue.send(trade(1))
    await until(lambda: taken)
    return clock, stream, taken


async def test_a_connection_that_is_cut_is_opened_again_and_the_outage_is_kept(venue, watch):
    clock, stream, taken = await connected(venue, watch)
    clock.seconds += 5
    venue.sockets[-1]._req.transport.abort()
    await until(lambda: len(venue.subscribed) == 2)
    clock.seconds += 7
    await venue.send(trade(1), trade(2))
    await until(lambda: len(taken) == 2)
    (outage,) = stream.report().outages
    assert (outage.ended_at - outage.began_at).total_seconds() == 7
    assert stream.report().reconnects == 1
    assert stream.report().is_connected


async def test_a_silent_connection_is_opened_again_though_it_answers_pings(venue, watch):
    clock, stream, _ = await connected(venue, watch)
    clock.seconds += 21
    await until(lambda: venue.sent["ping"] == 1)
    await venue.send_text('{"channel":"pong"}')
    clock.seconds += 40
    await until(lambda: venue.connections == 2)
    assert "no trade for 61 s" in stream.report().outages[0].reason


async def test_a_clock_that_is_set_back_ends_nothing(venue, watch):
    clock = Clock()
    _, taken = watch(venue.url, clock=clock)
    await until(lambda: venue.subscribed)
    clock.seconds -= 86_400
    await venue.send(trade(1))
    await until(lambda: taken)
    await asyncio.sleep(0.05)
    assert venue.connections == 1


async def test_a_venue_out_of_reach_is_tried_ever_more_rarely_and_stopping_waits_for_nothing(
    watch, caplog
):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        await asyncio.sleep(0 if len(slept) < 40 else 3600)

    policy = StreamPolicy(connect_seconds=2.0)
    stream, _ = watch("http://127.0.0.1:9/ws", policy=policy, sleep=sleep)
    await until(lambda: len(slept) == 40)
    assert all(2.0 <= seconds <= 60 for seconds in slept)
    assert max(slept) > 20
    assert len(caplog.records) <= 3
    assert "check the network" in caplog.text
    assert not stream.report().has_connected


async def test_addresses_are_in_no_message(venue, watch, caplog):
    stream, taken = watch(venue.url)
    await until(lambda: venue.subscribed)
    await venue.send(trade(1), {"users": [BUYER]})
    await until(lambda: taken)
    venue.sockets[-1]._req.transport.abort()
    await until(lambda: venue.connections == 2)
    assert "0x" not in caplog.text + str(stream.report())


async def test_through_faults_every_trade_of_the_market_comes_once(watch):
    market = synthetic_market(
        start=START - DAY, end=START + DAY, venues=("hyperliquid",), assets={"BTC": 70_000.0}
    )
    few = PopulationParameters(accounts=120, trades_per_second=2.0)
    async with Standin(market, now=START, accounts=few) as standin:

        def clock():
            return datetime.fromtimestamp(standin.now / 1000, tz=UTC)

        url = f"{standin.base_url}/hyperliquid/ws"
        stream, taken = watch(url, ("BTC", "xyz:GOLD"), clock=clock)
        await until(lambda: standin.subscriptions == 2)
        await standin.advance(MINUTE // 2)
        await until(lambda: taken)
        before = len(taken)
        standin.faults.add("socket_garbage", endpoint="socket", times=1)
        await standin.advance(MINUTE // 2)
        await until(lambda: len(taken) > before)
        assert stream.report().quarantined == 1

        async def reconnected(times):
            # By then only the new connection has subscriptions, and a fault can fall on no other.
            await until(lambda: stream.report().reconnects == times)
            await until(lambda: standin.subscriptions == 2 and stream.report().is_connected)

        # Steps shorter than the silence that ends a connection: none is lost but by its fault.
        standin.faults.add("socket_cut", endpoint="socket", times=1)
        await standin.advance(MINUTE // 2)
        await reconnected(1)
        silence = standin.faults.add("socket_silence", endpoint="socket", times=1)
        await standin.advance(MINUTE // 2)
        assert silence.hits == 1
        await standin.advance(MINUTE)
        await reconnected(2)
        after = len(taken)
        await standin.advance(MINUTE // 2)
        await until(lambda: len(taken) > after)
        assert len({(one.coin, one.at, one.trade_id) for one in taken}) == len(taken) > before
        assert {one.coin for one in taken} == {"BTC", "xyz:GOLD"}
        assert {one.buyer for one in taken} <= set(standin.population.addresses)
        assert len(stream.report().outages) == 2
