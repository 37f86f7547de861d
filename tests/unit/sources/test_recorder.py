"""Liquidations are recorded as they come, with their true side, through whatever breaks."""

import asyncio
import dataclasses
import datetime as dt
import random
from collections import Counter
from collections.abc import AsyncIterator

import pyarrow as pa
import pytest
from standin import MINUTE, Faults, MarketData, Standin
from workbench.streams import START, busy_market

from sources.errors import VenueRejected
from sources.recorder import RecorderPolicy, StreamRequest, _StreamRecorder, record
from sources.retry import RetryPolicy
from sources.venues.connection import Connection

RECONNECT = RetryPolicy(first_delay_seconds=0.01, longest_delay_seconds=0.05)
QUICK = RecorderPolicy(check_seconds=0.01, reconnect=RECONNECT)
BTC, PEPE = "BTC/USDT:USDT", "1000PEPE/USDT:USDT"


def instant(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, tz=dt.UTC)


@pytest.fixture(scope="module")
def market() -> MarketData:
    return busy_market({"BTC": 70_000.0, "PEPE": 4e-6})


@pytest.fixture
async def standin(market: MarketData) -> AsyncIterator[Standin]:
    async with Standin(market, now=START, faults=Faults(seed=1), enforce_limits=False) as one:
        yield one


@pytest.fixture(autouse=True)
def taken(monkeypatch) -> Counter[str]:
    """Count the messages that have reached the recorder, by venue."""
    counts: Counter[str] = Counter()
    take = _StreamRecorder._take

    def counting(tape, message):
        take(tape, message)
        counts[tape.report().venue] += 1

    monkeypatch.setattr(_StreamRecorder, "_take", counting)
    return counts


class Recording:
    """A recording under way, and what it has landed."""

    def __init__(self, standin, venues, policy=QUICK, **settings):
        self.standin = standin
        self.landed = []
        self.reports = ()
        self.stop = asyncio.Event()
        connection = settings.pop("connection", Connection(standin.base_url, timeout_seconds=2.0))
        instruments = settings.pop("instruments", ())
        self.task = asyncio.create_task(
            record(
                [StreamRequest(venue, instruments, connection) for venue in venues],
                settings.pop("land", self.landed.append),
                self.stop,
                clock=lambda: instant(standin.now),
                rng=random.Random(0),  # noqa: S311 (jitter)
                policy=policy,
                on_report=lambda reports: setattr(self, "reports", reports),
                **settings,
            )
        )

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def until(self, condition, seconds=8.0):
        async with asyncio.timeout(seconds):
            while not condition():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.01)

    async def heard(self, taken, venue):
        """Wait until everything the venue has sent has arrived."""
        await self.until(lambda: taken[venue] >= self.standin.frames_sent[venue] > 0)

    async def subscribed(self, count):
        await self.until(lambda: self.standin.subscriptions >= count)

    async def end(self):
        self.stop.set()
        async with asyncio.timeout(8):
            return await self.task

    def rows(self, kind="realised_liquidation"):
        tables = [batch.table for batch in self.landed if batch.kind == kind]
        return pa.concat_tables(tables).to_pylist() if tables else []


def happened(market, venue, symbol, minutes, after=0):
    return list(
        market.get(venue, symbol).liquidations(START + after * MINUTE, START + minutes * MINUTE)
    )


@pytest.mark.parametrize(
    ("venue", "subscriptions", "is_complete"),
    [("binance", 1, False), ("bybit", 3, True), ("okx", 1, False)],
)
async def test_what_is_recorded_is_what_the_venue_sent(
    venue, subscriptions, is_complete, standin, market, taken
):
    async with Recording(standin, [venue]) as recording:
        await recording.subscribed(subscriptions)
        await standin.advance(20 * MINUTE)
        await recording.heard(taken, venue)
        (report,) = await recording.end()
    rows = recording.rows()
    assert report.rows == len(rows) > 20
    assert (report.is_complete, report.dropped, report.reconnects) == (is_complete, 0, 0)
    assert {row["is_complete_feed"] for row in rows} == {is_complete}
    for symbol in (BTC, PEPE):
        name = symbol if venue != "okx" else symbol.removeprefix("1000")
        actual = [row for row in rows if row["instrument"] == name]
        real = happened(market, venue, name, 20)
        sides = {(at, "long" if is_long else "short") for at, is_long, _, _ in real}
        assert {
            (round(row["period_start_at"].timestamp() * 1000), row["side"]) for row in actual
        } <= sides
        by_time = {at: (price, quantity) for at, _, price, quantity in real}
        for row in actual:
            price, quantity = by_time[round(row["period_start_at"].timestamp() * 1000)]
            assert row["liquidated_quantity"] == pytest.approx(quantity, rel=1e-6)
            assert row["price"] == pytest.approx(price, rel=0.02)
            assert row["liquidated_usd"] == pytest.approx(row["price"] * quantity, rel=1e-6)
        if is_complete:
            assert len(actual) == len(real)
        keys = [(row["period_start_at"], row["side"], row["order_key"]) for row in actual]
        assert len(set(keys)) == len(keys)


async def test_inverse_contracts_are_in_usd(standin, market, taken):
    async with Recording(standin, ["bybit"], instruments=("BTC/USD:BTC",)) as recording:
        await recording.subscribed(1)
        await standin.advance(10 * MINUTE)
        await recording.heard(taken, "bybit")
        await recording.end()
    rows, real = recording.rows(), happened(market, "bybit", "BTC/USD:BTC", 10)
    assert {row["instrument"] for row in rows} == {"BTC/USD:BTC"}
    assert sum(row["liquidated_quantity"] for row in rows) == pytest.approx(
        sum(quantity for _, _, _, quantity in real)
    )
    assert all(row["liquidated_usd"] == row["liquidated_quantity"] for row in rows)


async def test_records_are_landed_by_the_minute_of_the_clock_and_none_where_none_came(
    standin, taken
):
    async with Recording(standin, ["bybit"]) as recording:
        await recording.subscribed(3)
        for _ in range(5):
            await standin.advance(MINUTE)
            await recording.heard(taken, "bybit")
            await asyncio.sleep(0.1)
        filled = [batch.table.num_rows for batch in recording.landed]
        assert 2 <= len(filled) <= 5
        assert all(filled)


async def test_a_cut_connection_is_opened_again_and_the_outage_recorded(standin, market, taken):
    async with Recording(standin, ["bybit"]) as recording:
        await recording.subscribed(3)
        await standin.advance(5 * MINUTE)
        await recording.heard(taken, "bybit")
        cut = standin.faults.add("socket_cut", endpoint="socket", venue="bybit", times=1)
        await standin.advance(MINUTE)
        assert cut.hits == 1
        await recording.until(lambda: recording.standin.subscriptions < 3)
        await recording.subscribed(3)
        await standin.advance(5 * MINUTE)
        await recording.heard(taken, "bybit")
        (report,) = await recording.end()
    assert report.reconnects >= 1
    assert report.outages[0].ended_at is not None
    assert report.outages[0].began_at <= report.outages[0].ended_at
    before = happened(market, "bybit", BTC, 5)
    actual = {row["period_start_at"] for row in recording.rows() if row["instrument"] == BTC}
    # What had come before the cut is kept.
    assert {instant(at) for at, *_ in before} <= actual
    assert any(at > instant(START + 6 * MINUTE) for at in actual)


async def test_a_feed_that_falls_silent_is_subscribed_to_anew(standin):
    policy = dataclasses.replace(QUICK, silent_after_seconds=0.5)
    async with Recording(standin, ["okx"], policy) as recording:
        await recording.subscribed(1)
        await asyncio.sleep(2.0)
        (report,) = await recording.end()
    assert report.reconnects >= 2
    assert any("no liquidation for" in outage.reason for outage in report.outages)


async def test_a_dead_pipe_is_noticed_by_its_missing_pongs(standin, taken):
    policy = dataclasses.replace(QUICK, ping_seconds=0.1)
    silence = standin.faults.add("socket_silence", endpoint="socket", venue="binance", times=1)
    async with Recording(standin, ["binance"], policy) as recording:
        # The first connection answers nothing, not even the subscription.
        await recording.subscribed(1)
        await standin.advance(2 * MINUTE)
        await recording.heard(taken, "binance")
        (report,) = await recording.end()
    assert silence.hits == 1, standin.counts
    assert report.reconnects >= 1
    assert report.rows > 0


async def test_garbage_on_the_line_costs_no_record_that_follows(standin):
    standin.faults.add("socket_garbage", endpoint="socket", venue="okx", times=3)
    policy = dataclasses.replace(QUICK, ping_seconds=0.3)
    async with Recording(standin, ["okx"], policy) as recording:
        await recording.subscribed(1)
        for _ in range(12):
            await standin.advance(MINUTE)
            await asyncio.sleep(0.15)
        (report,) = await recording.end()
    assert report.rows > 10


async def test_a_venue_that_is_down_costs_only_its_own_feed(standin, taken):
    standin.faults.add("server_error", venue="okx")
    async with Recording(standin, ["okx", "bybit"]) as recording:
        await recording.subscribed(3)
        await standin.advance(5 * MINUTE)
        await recording.heard(taken, "bybit")
        reports = {one.venue: one for one in await recording.end()}
    assert reports["bybit"].rows > 0
    assert reports["okx"].rows == 0
    assert reports["okx"].outages[0].ended_at is None
    assert "okx liquidations" in reports["okx"].outages[0].reason


async def test_records_that_cannot_be_landed_are_kept_up_to_a_bound(standin):
    refusals = 0
    landed = []

    def land(batch):
        nonlocal refusals
        if refusals < 3:
            refusals += 1
            raise OSError(28, "No space left on device")
        landed.append(batch)

    async with Recording(standin, ["bybit"], land=land) as recording:
        await recording.subscribed(3)
        for _ in range(6):
            await standin.advance(MINUTE)
            await asyncio.sleep(0.1)
        (report,) = await recording.end()
    assert refusals == 3
    assert sum(batch.table.num_rows for batch in landed) == report.rows > 0
    assert report.dropped == 0


async def test_memory_is_bounded_the_oldest_go_first(standin, taken):
    policy = RecorderPolicy(check_seconds=0.01, reconnect=RECONNECT, most_rows=5)

    def land(batch):
        raise OSError("read-only file system")

    async with Recording(standin, ["bybit"], policy, land=land) as recording:
        await recording.subscribed(3)
        await standin.advance(10 * MINUTE)
        await recording.heard(taken, "bybit")
        (report,) = await recording.end()
    assert report.dropped == report.rows - 5 > 0


async def test_what_was_gathered_is_landed_when_the_recording_is_cancelled(standin, taken):
    async with Recording(standin, ["bybit"]) as recording:
        await recording.subscribed(3)
        await standin.advance(MINUTE - 1)
        await recording.heard(taken, "bybit")
        recording.task.cancel()
        await asyncio.gather(recording.task, return_exceptions=True)
    assert recording.rows()


async def test_feeds_that_cannot_be_are_refused_at_once(standin):
    async with Recording(standin, ["gate"]) as recording:
        with pytest.raises(VenueRejected, match="gate streams no liquidations"):
            await recording.task


async def test_unknown_instruments_are_named_in_the_outage(standin):
    async with Recording(standin, ["okx"], instruments=("NOPE/USDT:USDT",)) as recording:
        await asyncio.sleep(0.5)
        (report,) = await recording.end()
    assert "none of the instruments to record is listed" in report.outages[0].reason
