"""Realised liquidations as venues stream them: recorded while it runs, landed minute by minute.

Belongs here: keeping feeds alive, reading their messages, letting go of what was gathered at each
minute. Does not belong here: what the messages of a venue mean
(`sources.venues.declared`, ``stream``), where records are landed (`land` is given).

Messages are taken before ccxt reads them: ccxt keeps only the first of several orders in one
message of a venue, gives a waiting reader only the last of several messages, and passes the side
of a position on as if it were the side of an order.
"""

import asyncio
import importlib
import json
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from sources.checks import QuarantinedRow, quarantine
from sources.errors import SourceError, VenueRejected
from sources.records import SCHEMAS, Batch
from sources.venues.connection import Connection, close_exchange, open_exchange, translate_error
from sources.venues.declaration import Stream, Venue
from sources.venues.declared import find_venue
from sources.venues.instruments import Instrument, read_market
from sources.venues.payload import take_cell, to_number
from sources.venues.plausibility import TOLERATED_AHEAD_MS
from sources.venues.responses import closes_long, from_ms, to_ms

logger = logging.getLogger(__name__)

Land = Callable[[Batch], Awaitable[None]] | Callable[[Batch], None]

SOURCE = "ccxt.pro:watchLiquidations"
# Kept of each feed, so that weeks of trouble need no more memory than a day.
_OUTAGES_KEPT = 1000
_QUARANTINED_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Feed:
    """A venue's liquidations to be recorded.

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
class Patience:
    """How feeds are kept alive and what is kept of them.

    Parameters
    ----------
    landing_seconds : float
        Records are landed when the clock passes a multiple of this.
    first_delay_seconds, longest_delay_seconds : float
        Full jitter before reconnecting: a time drawn between 0 and the first delay, doubled with
        each failure in a row and cut at the longest.
    ping_seconds : float
        A connection that leaves two pings of this spacing unanswered is given up.
    silent_after_seconds : float
        A feed that brings no liquidation of any contract for this long is subscribed to anew:
        venues have been seen to accept a subscription and send nothing.
    check_seconds : float
        How often the above is looked at.
    most_rows : int
        Records a feed holds at most while they cannot be landed; the oldest go first.
    """

    landing_seconds: float = 60.0
    first_delay_seconds: float = 1.0
    longest_delay_seconds: float = 60.0
    ping_seconds: float = 15.0
    silent_after_seconds: float = 900.0
    check_seconds: float = 0.5
    most_rows: int = 100_000


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which a feed was not listened to: liquidations within it are missing.

    Parameters
    ----------
    began_at : datetime
        When the loss was noticed.
    ended_at : datetime or None
        When the feed was back; None while it is away.
    reason : str
        What happened, without secrets.
    """

    began_at: datetime
    ended_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class FeedReport:
    """How a feed fares.

    Parameters
    ----------
    venue : str
        Whose it is.
    is_complete : bool
        Whether the venue sends every liquidation; False: a throttled feed, a lower bound.
    is_connected : bool
        Whether it is listened to.
    has_connected : bool
        Whether it ever was; nothing is known of a feed that never was.
    messages : int
        Messages with liquidations, of any contract.
    rows : int
        Records made of them.
    quarantined : int
        Rows and messages that could not be used.
    dropped : int
        Records lost because they could not be landed for too long.
    reconnects : int
        How often the connection was made anew.
    last_message_at : datetime or None
        When the last message came.
    outages : tuple of Outage
        The latest thousand.
    """

    venue: str
    is_complete: bool
    is_connected: bool = False
    has_connected: bool = False
    messages: int = 0
    rows: int = 0
    quarantined: int = 0
    dropped: int = 0
    reconnects: int = 0
    last_message_at: datetime | None = None
    outages: tuple[Outage, ...] = ()


async def record(
    feeds: Sequence[Feed],
    land: Land,
    stop: asyncio.Event,
    *,
    clock: Callable[[], datetime],
    rng: random.Random,
    patience: Patience | None = None,
    on_report: Callable[[tuple[FeedReport, ...]], None] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[FeedReport, ...]:
    """Record liquidations until told to stop, and return how the feeds fared.

    A feed that fails is connected anew, for as long as it takes; the others go on. Nothing is
    landed where nothing came, so a dead feed fills no disk. What was gathered is landed each
    minute, on stopping and on being cancelled; where landing raises `OSError` (a full disk) it is
    kept and tried again.

    Parameters
    ----------
    feeds : sequence of Feed
        What to record.
    land : Callable
        Takes each batch; may be asynchronous.
    stop : asyncio.Event
        Set it to end the recording.
    clock : Callable
        Tells the time, UTC.
    rng : random.Random
        For the jitter before reconnecting.
    patience : Patience, optional
        How feeds are kept alive.
    on_report : Callable, optional
        Takes the reports after each landing.
    monotonic : Callable
        A clock that only measures durations [seconds].

    Raises
    ------
    VenueRejected
        Where a venue has no stream, or lists none of the instruments.
    """
    patience = patience or Patience()
    tapes = [_Tape(feed, clock, rng, patience, monotonic) for feed in feeds]

    async def let_go() -> None:
        for tape in tapes:
            await tape.let_go(land)
        if on_report is not None:
            on_report(tuple(tape.report() for tape in tapes))

    async def keep_landing() -> None:
        period = _period(clock(), patience)
        while not stop.is_set():
            await _wait(stop, patience.check_seconds)
            if (now_period := _period(clock(), patience)) != period:
                period = now_period
                await let_go()

    try:
        async with asyncio.TaskGroup() as group:
            for tape in tapes:
                group.create_task(tape.run(stop))
            group.create_task(keep_landing())
    finally:
        await let_go()
    return tuple(tape.report() for tape in tapes)


def _period(now: datetime, patience: Patience) -> int:
    return int(now.timestamp() // patience.landing_seconds)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


class _SilentFeed(OSError):
    """A feed that is connected and brings nothing."""


class _Capturing:
    """Put before a ccxt class: messages go to the tape, and nonsense does not end the reading."""

    taken: Callable[[object], None]
    garbled: Callable[[object, BaseException], None]

    def handle_liquidation(self, client: object, message: object) -> None:  # noqa: ARG002 (ccxt's)
        self.taken(message)

    def handle_message(self, client: object, message: object) -> None:
        above: Any = super()
        try:
            above.handle_message(client, message)
        except (LookupError, TypeError, ValueError, AttributeError) as exc:
            self.garbled(message, exc)


class _Tape:
    """One feed: its connection, and what has been gathered and not yet landed."""

    def __init__(
        self,
        feed: Feed,
        clock: Callable[[], datetime],
        rng: random.Random,
        patience: Patience,
        monotonic: Callable[[], float],
    ) -> None:
        self._venue, self._stream = _find_stream(feed.venue)
        self._feed = feed
        self._clock = clock
        self._rng = rng
        self._patience = patience
        self._monotonic = monotonic
        self._rows: deque[dict[str, object]] = deque()
        self._refused: deque[QuarantinedRow] = deque(maxlen=_QUARANTINED_WAITING)
        self._outages: deque[Outage] = deque(maxlen=_OUTAGES_KEPT)
        self._instruments: dict[str, Instrument] = {}
        self._is_connected = self._has_connected = False
        self._messages = self._made = self._quarantined = self._dropped = self._reconnects = 0
        self._last_message_at: datetime | None = None
        self._heard_at = monotonic()
        self._is_landing_failing = False

    def report(self) -> FeedReport:
        return FeedReport(
            venue=self._venue.name,
            is_complete=self._stream.is_complete,
            is_connected=self._is_connected,
            has_connected=self._has_connected,
            messages=self._messages,
            rows=self._made,
            quarantined=self._quarantined,
            dropped=self._dropped,
            reconnects=self._reconnects,
            last_message_at=self._last_message_at,
            outages=tuple(self._outages),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the feed alive until told to stop."""
        library = importlib.import_module("ccxt.async_support")
        aiohttp = importlib.import_module("aiohttp")
        expected = (
            library.BaseError,
            aiohttp.ClientError,
            SourceError,
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
        )
        failures = 0
        while not stop.is_set():
            heard_before = self._messages
            try:
                await self._listen(stop)
            except expected as exc:
                what = f"{self._venue.name} liquidations"
                error: Exception = exc
                if not isinstance(exc, SourceError):
                    error = translate_error(exc, what, self._feed.connection.secrets)
                failures = 0 if self._messages > heard_before else failures + 1
                self._lose(str(error), failures)
                ceiling = min(
                    self._patience.first_delay_seconds * 2 ** min(failures, 16),
                    self._patience.longest_delay_seconds,
                )
                await _wait(stop, self._rng.uniform(0.0, ceiling))
                self._reconnects += 1
        self._is_connected = False

    def _lose(self, reason: str, failures: int) -> None:
        self._is_connected = False
        if not self._outages or self._outages[-1].ended_at is not None:
            self._outages.append(Outage(self._clock(), None, reason))
        # A feed that stays away for days is worth a line now and then, not a line each time.
        if failures < 3 or failures % 100 == 0:
            logger.warning("%s (failure %d in a row)", reason, failures)

    def _find_again(self) -> None:
        self._is_connected = self._has_connected = True
        if self._outages and self._outages[-1].ended_at is None:
            last = self._outages.pop()
            self._outages.append(Outage(last.began_at, self._clock(), last.reason))
            logger.info("%s: liquidations are heard again", self._venue.name)

    async def _listen(self, stop: asyncio.Event) -> None:
        """Listen until told to stop; raise when the feed is lost."""
        exchange = open_exchange(
            self._venue, self._feed.connection, is_streaming=True, extra=_Capturing
        )
        exchange.taken, exchange.garbled = self._take, self._refuse_message
        exchange.streaming = {
            **exchange.streaming,
            "keepAlive": round(self._patience.ping_seconds * 1000),
        }
        try:
            await exchange.load_markets()
            self._instruments = self._choose(exchange.markets.values())
            symbols = [one.instrument for one in self._instruments.values() if one.is_active]
            self._heard_at = self._monotonic()
            if self._stream.is_per_instrument:
                watching = [_forever(exchange.watch_liquidations, symbol) for symbol in symbols]
            else:
                watching = [_forever(exchange.watch_liquidations_for_symbols, None)]
            watching.append(self._watch_over(exchange, stop))
            await _first_to_end(watching)
        finally:
            await close_exchange(exchange)

    def _choose(self, markets: Sequence[Mapping[str, Any]]) -> dict[str, Instrument]:
        """Return the instruments to record, by the venue's own name."""
        read = [read_market(self._venue, market) for market in markets]
        known = {one.instrument: one for one in read if isinstance(one, Instrument)}
        wanted = self._feed.instruments or tuple(known)
        chosen = {known[name].market_id: known[name] for name in wanted if name in known}
        if not chosen:
            raise VenueRejected(
                f"{self._venue.name}: none of the instruments to record is listed "
                f"({', '.join(wanted[:5])}); compare the universe with the instrument records"
            )
        return chosen

    async def _watch_over(self, exchange: Any, stop: asyncio.Event) -> None:  # noqa: ANN401 (ccxt)
        """Notice that the feed is up, or has gone silent; end when told to stop."""
        while not stop.is_set():
            await _wait(stop, self._patience.check_seconds)
            clients = list(exchange.clients.values())
            if not self._is_connected and clients and all(one.isConnected for one in clients):
                self._find_again()
            silence = self._monotonic() - self._heard_at
            if silence > self._patience.silent_after_seconds:
                raise _SilentFeed(f"no liquidation for {silence:.0f} s; subscribing anew")

    def _take(self, message: object) -> None:
        """Read one message of liquidations."""
        now = self._clock()
        self._messages += 1
        self._last_message_at = now
        self._heard_at = self._monotonic()
        orders = _find_orders(message, self._stream)
        if orders is None:
            self._refuse(
                QuarantinedRow("the message has no orders where they are told", _text(message))
            )
            return
        seen: dict[tuple[object, object, str], int] = {}
        for number, order in enumerate(orders, start=1):
            name = take_cell(order, self._stream.columns["id"])
            instrument = self._instruments.get(str(name))
            if instrument is None:
                continue
            read = _read_order(order, self._stream, instrument, now)
            if isinstance(read, str):
                self._refuse(
                    QuarantinedRow(read, _text(order), number, None, instrument.instrument)
                )
                continue
            # Orders of one message that look alike are several orders.
            amount = take_cell(order, self._stream.columns["amount"])
            key = f"{take_cell(order, self._stream.columns['price'])}:{amount}"
            alike = (read["instrument"], read["period_start_at"], key)
            seen[alike] = seen.get(alike, 0) + 1
            read["order_key"] = key if seen[alike] == 1 else f"{key}:{seen[alike]}"
            self._rows.append(read)
            self._made += 1
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        while len(self._rows) > self._patience.most_rows:
            self._rows.popleft()
            self._dropped += 1

    def _refuse_message(self, message: object, exc: BaseException) -> None:
        self._refuse(
            QuarantinedRow(f"the message makes no sense ({type(exc).__name__})", _text(message))
        )

    def _refuse(self, row: QuarantinedRow) -> None:
        self._quarantined += 1
        self._refused.append(row)

    async def let_go(self, land: Land) -> None:
        """Land what has been gathered; keep it where the disk refuses, or where this is ended."""
        rows, self._rows = self._rows, deque()
        refused, self._refused = self._refused, deque(maxlen=_QUARANTINED_WAITING)
        try:
            if rows:
                schema = SCHEMAS["realised_liquidation"]
                table = pa.Table.from_pylist(list(rows), schema=schema)
                await _land(land, Batch("realised_liquidation", table))
                rows.clear()
            if refused:
                batch = quarantine(
                    list(refused),
                    kind="realised_liquidation",
                    venue=self._venue.name,
                    input_name=f"{self._venue.name} liquidations",
                    source=SOURCE,
                    ingested_at=self._clock(),
                )
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
        raise VenueRejected(f"{name} streams no liquidations; leave it out of the feeds")
    return venue, venue.stream


async def _forever(watch: Callable[[Any], Awaitable[object]], what: object) -> None:
    while True:
        await watch(what)


async def _first_to_end(waiting: Sequence[Any]) -> None:
    """Wait for the first to end, raise what it raised, and end the others."""
    tasks = [asyncio.ensure_future(one) for one in waiting]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _find_orders(message: object, stream: Stream) -> list[object] | None:
    """Return the orders a message tells, each with the fields of its row; None where none are."""
    here: Any = message
    for step in stream.rows:
        here = here.get(step) if isinstance(here, Mapping) else None
    rows = [here] if isinstance(here, Mapping) else here
    if not isinstance(rows, list):
        return None
    if stream.details_key is None:
        return rows
    orders: list[object] = []
    for row in rows:
        details = row.get(stream.details_key) if isinstance(row, Mapping) else None
        if not isinstance(details, list):
            return None
        orders.extend({**row, **one} if isinstance(one, Mapping) else one for one in details)
    return orders


def _read_order(
    order: object, stream: Stream, instrument: Instrument, now: datetime
) -> dict[str, object] | str:
    """Return the record of an order, or what is wrong with it."""
    at = to_number(take_cell(order, stream.columns["time"]))
    price = to_number(take_cell(order, stream.columns["price"]))
    amount = to_number(take_cell(order, stream.columns["amount"]))
    is_long = closes_long(order, stream.sides)
    if at is None or price is None or amount is None:
        return "time, price or amount is missing or no number"
    if price <= 0 or amount <= 0:
        return "price or amount not above 0"
    if abs(at - to_ms(now)) > 24 * 3_600_000 or at > to_ms(now) + TOLERATED_AHEAD_MS:
        return "the time is not of today"
    if is_long is None:
        return "no side, or an unknown one"
    is_linear = instrument.contract_kind == "linear"
    unit = stream.amount_unit_linear if is_linear else stream.amount_unit_inverse
    quantity = amount * instrument.quantity_factor(unit)
    asset_price = price / instrument.base_multiplier
    return {
        "venue": instrument.venue,
        "instrument": instrument.instrument,
        "period_start_at": from_ms(int(at)),
        "period_seconds": 0,
        "side": "long" if is_long else "short",
        "price": asset_price,
        "liquidated_quantity": quantity,
        "liquidated_usd": quantity * asset_price if is_linear else quantity,
        "is_complete_feed": stream.is_complete,
        "order_key": "",
        "source": SOURCE,
        "ingested_at": now,
    }


def _text(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
