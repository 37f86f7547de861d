"""Realised liquidations from the venues' streams: recorded while it runs, landed every minute.

Belongs here: keeping streams connected, reading their messages, landing records. Does not belong
here: the layout of a venue's messages (`sources.venues.declared`, ``stream``), where records are
landed (`land` is an argument).

Messages are taken before ccxt reads them: ccxt keeps only the first of several orders in one
message of a venue, gives a waiting reader only the last of several messages, and passes on the side
of a position as if it were the side of an order.
"""

import asyncio
import json
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sources.checks import Provenance, QuarantinedRow, make_batches, quarantine
from sources.errors import SourceError, VenueRejected
from sources.records import Batch
from sources.retry import RetryPolicy
from sources.streaming import ConnectionLog, FeedReport, first_to_end
from sources.venues.connection import (
    Connection,
    close_exchange,
    expected_errors,
    open_exchange,
    translate_error,
)
from sources.venues.declaration import Stream, Venue
from sources.venues.declared import find_venue
from sources.venues.instruments import Instrument, read_market
from sources.venues.liquidations import KIND, Fault, find_stream_orders, read_stream_record
from sources.venues.payload import take_cell

logger = logging.getLogger(__name__)

Land = Callable[[Batch], Awaitable[None]] | Callable[[Batch], None]

SOURCE = "ccxt.pro:watchLiquidations"
# Kept for each stream, so that weeks of trouble need no more memory than a day.
_QUARANTINED_WAITING = 1000
_RECONNECT = RetryPolicy(first_delay_seconds=1.0, longest_delay_seconds=60.0)


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """A venue's liquidations to record.

    Parameters
    ----------
    venue : str
        A declared venue with a stream.
    instruments : tuple of str
        Instruments to record; empty: all of the declared products.
    connection : Connection
        How to reach the venue.
    """

    venue: str
    instruments: tuple[str, ...] = ()
    connection: Connection = field(default_factory=Connection)


@dataclass(frozen=True, slots=True)
class RecorderPolicy:
    """How streams are kept connected, and how much is kept in memory.

    Parameters
    ----------
    landing_seconds : float
        Records are landed when the clock passes a multiple of this.
    reconnect : RetryPolicy
        Delays before reconnecting; it is tried for as long as it takes.
    ping_seconds : float
        A connection that leaves two pings of this spacing unanswered is closed.
    silent_after_seconds : float
        A stream without a liquidation of any contract for this long is subscribed again: venues
        have been seen to accept a subscription and send nothing.
    check_seconds : float
        How often the above is checked.
    most_rows : int
        Most records of a stream in memory while they cannot be landed; the oldest are dropped.
    """

    landing_seconds: float = 60.0
    reconnect: RetryPolicy = _RECONNECT
    ping_seconds: float = 15.0
    silent_after_seconds: float = 900.0
    check_seconds: float = 0.5
    most_rows: int = 100_000


async def record(
    streams: Sequence[StreamRequest],
    land: Land,
    stop: asyncio.Event,
    *,
    clock: Callable[[], datetime],
    rng: random.Random,
    policy: RecorderPolicy | None = None,
    on_report: Callable[[tuple[FeedReport, ...]], None] | None = None,
) -> tuple[FeedReport, ...]:
    """Record liquidations until stopped, and return the final state of the streams.

    A stream that fails is reconnected for as long as it takes; the others continue. Nothing is
    landed without records, so a dead stream fills no disk. Records are landed each minute, on
    stopping and on cancellation; where landing raises `OSError` (a full disk) they are kept and
    landed later.

    Parameters
    ----------
    streams : sequence of StreamRequest
        The streams to record.
    land : Callable
        Receives each batch; may be asynchronous.
    stop : asyncio.Event
        Set it to end the recording.
    clock : Callable
        Returns the time, UTC.
    rng : random.Random
        For the jitter before reconnecting.
    policy : RecorderPolicy, optional
        How streams are kept connected.
    on_report : Callable, optional
        Receives the reports after each landing.

    Raises
    ------
    VenueRejected
        Where a venue has no stream.
    """
    policy = policy or RecorderPolicy()
    recorders = [_StreamRecorder(stream, clock, rng, policy) for stream in streams]

    def reports() -> tuple[FeedReport, ...]:
        return tuple(recorder.report() for recorder in recorders)

    async def land_all() -> None:
        for recorder in recorders:
            await recorder.land_waiting(land)
        if on_report is not None:
            on_report(reports())

    async def land_each_period() -> None:
        period = _period(clock(), policy)
        while not stop.is_set():
            await _wait(stop, policy.check_seconds)
            if (current := _period(clock(), policy)) != period:
                period = current
                await land_all()

    try:
        async with asyncio.TaskGroup() as group:
            for recorder in recorders:
                group.create_task(recorder.run(stop))
            group.create_task(land_each_period())
    finally:
        await land_all()
    return reports()


def _period(now: datetime, policy: RecorderPolicy) -> int:
    return int(now.timestamp() // policy.landing_seconds)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait for some seconds, or until stopped."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


class _SilentStream(OSError):
    """A stream is connected and sends nothing."""


class _MessageTap:
    """Put before a ccxt class: messages go to the recorder, and malformed ones end nothing."""

    on_message: Callable[[object], None]
    on_malformed: Callable[[object, BaseException], None]

    def handle_liquidation(self, client: object, message: object) -> None:  # noqa: ARG002 (ccxt's)
        self.on_message(message)

    def handle_message(self, client: object, message: object) -> None:
        above: Any = super()
        try:
            above.handle_message(client, message)
        except (LookupError, TypeError, ValueError, AttributeError) as exc:
            self.on_malformed(message, exc)


class _StreamRecorder:
    """One stream: its connection, and the records that are not landed yet."""

    def __init__(
        self,
        request: StreamRequest,
        clock: Callable[[], datetime],
        rng: random.Random,
        policy: RecorderPolicy,
    ) -> None:
        self._venue, self._stream = _find_stream(request.venue)
        self._request = request
        self._clock = clock
        self._rng = rng
        self._policy = policy
        self._rows: deque[dict[str, object]] = deque()
        self._refused: deque[QuarantinedRow] = deque(maxlen=_QUARANTINED_WAITING)
        name = f"{self._venue.name}: the liquidation stream"
        self._connection = ConnectionLog(name, clock, logger)
        self._instruments: dict[str, Instrument] = {}
        self._counts: Counter[str] = Counter()
        self._last_message_at: datetime | None = None
        self._received_at = time.monotonic()
        self._is_landing_failing = False

    def report(self) -> FeedReport:
        return FeedReport(
            venue=self._venue.name,
            is_complete=self._stream.is_complete,
            is_connected=self._connection.is_connected,
            has_connected=self._connection.has_connected,
            last_message_at=self._last_message_at,
            outages=tuple(self._connection.outages),
            **self._counts,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the stream connected until stopped."""
        expected: tuple[type[BaseException], ...] = (*expected_errors(), SourceError)
        failures = 0
        while not stop.is_set():
            messages_before = self._counts["messages"]
            try:
                await self._listen(stop)
            except expected as exc:
                error = exc
                if not isinstance(exc, SourceError):
                    what = f"{self._venue.name} liquidations"
                    error = translate_error(exc, what, self._request.connection.secrets)
                failures = 0 if self._counts["messages"] > messages_before else failures + 1
                self._connection.note_lost(str(error), failures)
                await _wait(stop, self._policy.reconnect.delay(failures + 1, self._rng))
                self._counts["reconnects"] += 1
        self._connection.is_connected = False

    async def _listen(self, stop: asyncio.Event) -> None:
        """Listen until stopped; raise when the stream is lost."""
        exchange = open_exchange(
            self._venue, self._request.connection, is_streaming=True, extra=_MessageTap
        )
        exchange.on_message, exchange.on_malformed = self._take, self._refuse_malformed
        exchange.streaming = {
            **exchange.streaming,
            "keepAlive": round(self._policy.ping_seconds * 1000),
        }
        try:
            await exchange.load_markets()
            self._instruments = self._choose(exchange.markets.values())
            symbols = [one.instrument for one in self._instruments.values() if one.is_active]
            self._received_at = time.monotonic()
            if self._stream.is_per_instrument:
                watching = [_forever(exchange.watch_liquidations, symbol) for symbol in symbols]
            else:
                watching = [_forever(exchange.watch_liquidations_for_symbols, None)]
            watching.append(self._watch_over(exchange, stop))
            await first_to_end(*watching)
        finally:
            await close_exchange(exchange)

    def _choose(self, markets: Sequence[Mapping[str, Any]]) -> dict[str, Instrument]:
        """Return the instruments to record, by the venue's own name."""
        read = [read_market(self._venue, market) for market in markets]
        known = {one.instrument: one for one in read if isinstance(one, Instrument)}
        wanted = self._request.instruments or tuple(known)
        chosen = {known[name].market_id: known[name] for name in wanted if name in known}
        if not chosen:
            raise VenueRejected(
                f"{self._venue.name}: none of the instruments to record is listed "
                f"({', '.join(wanted[:5])}); compare the universe with the instrument records"
            )
        return chosen

    async def _watch_over(self, exchange: Any, stop: asyncio.Event) -> None:  # noqa: ANN401 (ccxt)
        """Notice that the stream is up, or has gone silent; end when stopped."""
        while not stop.is_set():
            await _wait(stop, self._policy.check_seconds)
            clients = list(exchange.clients.values())
            if clients and all(one.isConnected for one in clients):
                self._connection.note_connected()
            silence = time.monotonic() - self._received_at
            if silence > self._policy.silent_after_seconds:
                raise _SilentStream(f"no liquidation for {silence:.0f} s; subscribing again")

    def _take(self, message: object) -> None:
        """Read one message of liquidations."""
        now = self._clock()
        self._counts["messages"] += 1
        self._last_message_at = now
        self._received_at = time.monotonic()
        orders = find_stream_orders(message, self._stream)
        if orders is None:
            self._refuse(QuarantinedRow("no orders at the declared path", _text(message)))
            return
        alike: Counter[tuple[object, ...]] = Counter()
        columns = self._stream.columns
        for number, order in enumerate(orders, start=1):
            instrument = self._instruments.get(str(take_cell(order, columns["id"])))
            if instrument is None:
                continue
            record = read_stream_record(order, self._stream, instrument, now)
            if isinstance(record, Fault):
                name = instrument.instrument
                fault = QuarantinedRow(record.reason, _text(order), number, record.cell, name)
                self._refuse(fault)
                continue
            # Orders of one message that look alike are several orders.
            key = f"{take_cell(order, columns['price'])}:{take_cell(order, columns['amount'])}"
            same = (instrument.instrument, record["period_start_at"], key)
            alike[same] += 1
            record["order_key"] = key if alike[same] == 1 else f"{key}:{alike[same]}"
            self._rows.append(record)
            self._counts["rows"] += 1
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        while len(self._rows) > self._policy.most_rows:
            self._rows.popleft()
            self._counts["dropped"] += 1

    def _refuse_malformed(self, message: object, exc: BaseException) -> None:
        reason = f"the message is malformed ({type(exc).__name__})"
        self._refuse(QuarantinedRow(reason, _text(message)))

    def _refuse(self, row: QuarantinedRow) -> None:
        self._counts["quarantined"] += 1
        self._refused.append(row)

    async def land_waiting(self, land: Land) -> None:
        """Land the records in memory; keep them where the disk refuses, or on cancellation."""
        rows, self._rows = self._rows, deque()
        refused, self._refused = self._refused, deque(maxlen=_QUARANTINED_WAITING)
        origin = Provenance(
            kind=KIND,
            venue=self._venue.name,
            input_name=f"{self._venue.name} liquidations",
            source=SOURCE,
            ingested_at=self._clock(),
        )
        try:
            if rows:
                columns: dict[str, object] = {"is_complete_feed": self._stream.is_complete}
                columns |= {name: [row[name] for row in rows] for name in rows[0]}
                for batch in make_batches(origin, len(rows), columns):
                    await _land(land, batch)
                rows.clear()
            for batch in quarantine(list(refused), origin):
                await _land(land, batch)
            refused.clear()
            self._is_landing_failing = False
        except OSError:
            if not self._is_landing_failing:
                logger.exception("%s: liquidations cannot be landed, kept", self._venue.name)
            self._is_landing_failing = True
        finally:
            rows.extend(self._rows)
            self._rows = rows
            self._drop_oldest()
            refused.extend(self._refused)
            self._refused = refused


async def _land(land: Land, batch: Batch) -> None:
    landed = land(batch)
    if landed is not None:
        await landed


def _find_stream(name: str) -> tuple[Venue, Stream]:
    venue = find_venue(name)
    if venue.stream is None:
        raise VenueRejected(f"{name} streams no liquidations; leave it out of the streams")
    return venue, venue.stream


async def _forever(watch: Callable[[Any], Awaitable[object]], symbol: str | None) -> None:
    while True:
        await watch(symbol)


def _text(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
