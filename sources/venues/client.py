"""One venue, asked for records: pages, spans, retries, and one call where one call serves all.

Belongs here: what to ask a venue for, in which pieces. Does not belong here: facts about venues
(`sources.venues.declared`), reading answers (`sources.venues.responses`), several venues at
once (`sources.venues.rounds`).
"""

import asyncio
import importlib
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

from sources.checks import QuarantinedRow, quarantine
from sources.errors import VenueRejected, VenueUnavailable
from sources.records import Batch
from sources.venues.brackets import read_brackets, read_described_brackets, read_prices
from sources.venues.connection import (
    Connection,
    Listener,
    close_exchange,
    open_exchange,
    scrub,
    translate_error,
)
from sources.venues.declaration import (
    Candles,
    DescribedBrackets,
    Endpoint,
    GrowingMargins,
    OpenInterest,
    Product,
    PublishedBrackets,
    StepBrackets,
    Venue,
)
from sources.venues.declared import find_venue
from sources.venues.instruments import Instrument, instrument_batch, read_market
from sources.venues.pacer import Pacer, Patience, Sleep, VenueReport
from sources.venues.pagination import Span, bounds, cut_spans, fill, placeholders, turn_pages
from sources.venues.payload import MalformedResponse, find_rows
from sources.venues.plausibility import AuditLog, Observation
from sources.venues.responses import (
    Closes,
    Context,
    Page,
    Reading,
    from_ms,
    read_page,
    to_ms,
)

logger = logging.getLogger(__name__)

RequestKind = Literal[
    "instrument",
    "ohlcv",
    "mark_ohlc",
    "open_interest_now",
    "open_interest",
    "funding_rate",
    "long_short_ratio",
    "leverage_bracket",
    "realised_liquidation",
]
"""What can be asked for. All but ``open_interest_now``, which gives ``open_interest`` as it stands
instead of its history, are record kinds."""

SPAN_KINDS: tuple[RequestKind, ...] = (
    "ohlcv",
    "mark_ohlc",
    "open_interest",
    "funding_rate",
    "long_short_ratio",
    "realised_liquidation",
)
"""Kinds asked for over a span of time, of one instrument."""


@dataclass(frozen=True, slots=True)
class Request:
    """Something to ask a venue for.

    Parameters
    ----------
    venue : str
        Which venue.
    kind : RequestKind
        What.
    instruments : tuple of str
        Of which instruments; of exactly one for kinds with a span, of none for ``instrument``.
    start, end : datetime or None
        Instants of the records wanted, from start up to, not including, end; None for kinds
        without a span.
    """

    venue: str
    kind: RequestKind
    instruments: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One answer of an endpoint, to be read.

    Parameters
    ----------
    what : str
        The request in words.
    params : mapping of str to object
        Its parameters.
    answer : object
        Decoded JSON, with rows where they are declared.
    context : Context
        Who was asked for what, and when.
    """

    what: str
    params: Mapping[str, object]
    answer: object
    context: Context


class VenueClient:
    """Asks one venue; use as ``async with``.

    Every method gives a list of batches: the records of its kind, ``quarantine`` where rows were
    refused, and records of other kinds that the same answers carry.

    Parameters
    ----------
    venue : Venue or str
        A declaration, or the name of one.
    clock : Callable
        Tells the time, UTC: what is finished, when an answer came.
    rng : random.Random
        For the jitter between tries.
    connection : Connection
        How to reach the venue.
    patience : Patience
        How stubbornly to ask.
    sleep, monotonic : Callable
        Waiting, and a clock that only measures durations [seconds].
    listener : Callable, optional
        Takes every HTTP answer as it came.
    """

    def __init__(
        self,
        venue: Venue | str,
        *,
        clock: Callable[[], datetime],
        rng: random.Random,
        connection: Connection | None = None,
        patience: Patience | None = None,
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        listener: Listener | None = None,
    ) -> None:
        self._listener = listener
        self.venue = find_venue(venue) if isinstance(venue, str) else venue
        self._clock = clock
        self._connection = connection or Connection()
        self._patience = patience or Patience()
        self._pacer = Pacer(
            self.venue.name, self._patience, self.venue.rate_limits, rng, sleep, monotonic
        )
        self._exchange: Any = None
        self._expected: tuple[type[BaseException], ...] = ()
        self._instruments: dict[str, Instrument] | None = None
        self._listed_at: datetime | None = None
        self._refused_markets: list[Batch] = []
        self._listing = asyncio.Lock()
        self._closes = Closes()
        self._audit = AuditLog()

    async def __aenter__(self) -> Self:
        """Open the connection pool; nothing is asked yet."""
        self._exchange = open_exchange(self.venue, self._connection, listener=self._listener)
        aiohttp = importlib.import_module("aiohttp")
        library = importlib.import_module("ccxt.async_support")
        # Beside its own errors ccxt raises whatever Python does over an answer it did not expect.
        self._expected = (
            library.BaseError,
            aiohttp.ClientError,
            OSError,
            TimeoutError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection pool."""
        await close_exchange(self._exchange)
        self._exchange = None

    def allow(self, seconds: float | None) -> None:
        """Set the budget from now on [seconds]; what does not fit raises `VenueUnavailable`."""
        self._pacer.allow(seconds)

    @property
    def concurrency(self) -> int:
        """Return how many requests are worth having under way at once."""
        return self._patience.concurrency

    def report(self) -> VenueReport:
        """Return what asking came to so far."""
        return self._pacer.counts.report(self.venue.name, self._audit.summary())

    async def instruments(self) -> list[Batch]:
        """Return all contracts the venue lists, of the declared products.

        They are asked for once in a client's life, which is meant to be one run.
        """
        known = await self._list_instruments()
        batch = instrument_batch(
            known.values(),
            source=f"ccxt:{self.venue.markets_method}",
            observed_at=self._listed_at or self._clock(),
        )
        return self._counted([batch, *self._refused_markets])

    async def known_instruments(self) -> Mapping[str, Instrument]:
        """Return the listed contracts by unified symbol, asking once."""
        return await self._list_instruments()

    async def ohlcv(self, instrument: str, start: datetime, end: datetime) -> list[Batch]:
        """Return finished bars of trades that open within [start, end)."""
        return await self._collect("ohlcv", (instrument,), start, end)

    async def mark_ohlc(self, instrument: str, start: datetime, end: datetime) -> list[Batch]:
        """Return finished bars of the mark price that open within [start, end)."""
        return await self._collect("mark_ohlc", (instrument,), start, end)

    async def open_interest_now(
        self,
        instruments: Sequence[str],
        previous: Mapping[str, Observation] | None = None,
    ) -> list[Batch]:
        """Return open interest as it stands, in one call where the venue can."""
        return await self._collect(
            "open_interest_now", tuple(instruments), None, None, previous=previous
        )

    async def open_interest_history(
        self,
        instrument: str,
        start: datetime,
        end: datetime,
        previous: Mapping[str, Observation] | None = None,
    ) -> list[Batch]:
        """Return open interest as it stood at the instants within [start, end)."""
        return await self._collect("open_interest", (instrument,), start, end, previous=previous)

    async def funding(self, instrument: str, start: datetime, end: datetime) -> list[Batch]:
        """Return funding paid within [start, end)."""
        return await self._collect("funding_rate", (instrument,), start, end)

    async def long_short_ratio(
        self, instrument: str, start: datetime, end: datetime
    ) -> list[Batch]:
        """Return the long/short ratios of the instants within [start, end)."""
        return await self._collect("long_short_ratio", (instrument,), start, end)

    async def liquidations(self, instrument: str, start: datetime, end: datetime) -> list[Batch]:
        """Return realised liquidations within [start, end), as REST tells them."""
        return await self._collect("realised_liquidation", (instrument,), start, end)

    async def brackets(self, instruments: Sequence[str]) -> list[Batch]:
        """Return the margin brackets that hold now."""
        return await self._collect("leverage_bracket", tuple(instruments), None, None)

    async def server_time(self) -> int | None:
        """Return the venue's clock [ms since 1970], None where it has no endpoint for it."""
        if not self._exchange.has.get("fetchTime"):
            return None
        what = f"{self.venue.name} fetch_time"

        async def request() -> object:
            told = await self._exchange.fetch_time()
            if not isinstance(told, int):
                raise MalformedResponse("the answer has no time")
            return told

        told: Any = await self._pacer.call(
            request, what, lambda exc: self._explain(exc, what), self._expected
        )
        return int(told)

    async def answer(
        self,
        endpoint: Endpoint,
        members: Sequence[Instrument],
        first_ms: int | None = None,
        last_ms: int | None = None,
        limit: int = 1,
        page: int = 1,
    ) -> Response:
        """Return the answer of an endpoint to one call.

        Parameters
        ----------
        endpoint : Endpoint
            The endpoint.
        members : sequence of Instrument
            Of which instruments; where the endpoint is called for each, of one.
        first_ms, last_ms : int, optional
            First and last label wanted [ms], for endpoints with a span.
        limit, page : int
            Rows asked for, and number of the page, where the endpoint takes them.

        Raises
        ------
        VenueUnavailable
            When the venue does not answer, or not with rows where they are declared.
        VenueRejected
            When it refuses.
        """
        what = self._name(endpoint, members, first_ms, last_ms)
        values = placeholders(self.venue, members[0])
        if first_ms is not None and last_ms is not None:
            values |= bounds(endpoint, first_ms, last_ms) | {"limit": limit, "page": page}
        params = fill(endpoint.params, values)
        answer = await self._call(endpoint, params, what)
        return Response(what, params, answer, self._context(endpoint, members, what, {}))

    async def _collect(
        self,
        kind: RequestKind,
        instruments: tuple[str, ...],
        start: datetime | None,
        end: datetime | None,
        previous: Mapping[str, Observation] | None = None,
    ) -> list[Batch]:
        request = Request(self.venue.name, kind, instruments, start, end)
        return [batch async for part in self.fetch(request, previous) for batch in part]

    async def fetch(
        self, request: Request, previous: Mapping[str, Observation] | None = None
    ) -> AsyncIterator[list[Batch]]:
        """Yield what is asked for piece by piece, oldest first where it has a span.

        What was yielded stands even if a later piece fails.

        Parameters
        ----------
        request : Request
            What is asked for.
        previous : mapping of str to Observation, optional
            Last accepted open interest by instrument, against which jumps are judged.

        Raises
        ------
        VenueUnavailable
            When the venue does not answer, or not with data, within patience and budget.
        VenueRejected
            When it refuses, does not list the instrument, or tells nothing of this kind.
        """
        if request.kind == "instrument":
            yield await self.instruments()
            return
        known = await self._list_instruments()
        chosen = [self._require(known, name) for name in request.instruments]
        if request.kind == "leverage_bracket":
            pieces = self._fetch_brackets(chosen)
        elif request.kind == "open_interest_now":
            pieces = self._fetch_open_interest_now(chosen, previous or {})
        else:
            pieces = self._fetch_span(request, chosen, previous or {})
        try:
            async for batches in pieces:
                yield self._counted(batches)
        except VenueUnavailable as exc:
            # An answer that was no answer is kept for whoever looks into it.
            received = getattr(exc.__cause__, "received", None)
            if received is not None:
                row = QuarantinedRow(str(exc), scrub(received, self._connection.secrets))
                kind = "open_interest" if request.kind == "open_interest_now" else request.kind
                yield self._counted([self._quarantine([row], kind, str(exc), "ccxt")])
            raise

    def _counted(self, batches: list[Batch]) -> list[Batch]:
        for batch in batches:
            if batch.kind == "quarantine":
                self._pacer.counts.quarantined += batch.table.num_rows
            else:
                self._pacer.counts.rows += batch.table.num_rows
        return [batch for batch in batches if batch.table.num_rows]

    def _require(self, known: Mapping[str, Instrument], name: str) -> Instrument:
        if name not in known:
            raise VenueRejected(
                f"{self.venue.name}: {name} is not listed as a declared perpetual; it may have "
                "been delisted: compare the universe with the newest instrument records"
            )
        return known[name]

    def _no_such_kind(self, kind: str, instrument: Instrument) -> VenueRejected:
        return VenueRejected(
            f"{self.venue.name} tells no {kind} of {instrument.contract_kind} contracts; leave it "
            f"out for {instrument.instrument} (sources/venues/declared/)"
        )

    async def _list_instruments(self) -> dict[str, Instrument]:
        async with self._listing:
            if self._instruments is None:
                self._instruments = await self._ask_for_markets()
                self._listed_at = self._clock()
            return self._instruments

    async def _ask_for_markets(self) -> dict[str, Instrument]:
        what = f"{self.venue.name} {self.venue.markets_method}"
        list_markets = getattr(self._exchange, self.venue.markets_method)

        async def request() -> object:
            markets = await list_markets()
            if not isinstance(markets, list) or not markets:
                raise MalformedResponse("no markets are listed")
            return markets

        markets: Any = await self._pacer.call(
            request, what, lambda exc: self._explain(exc, what), self._expected
        )
        found: dict[str, Instrument] = {}
        refused: list[QuarantinedRow] = []
        for number, market in enumerate(markets, start=1):
            read = read_market(self.venue, market)
            if isinstance(read, Instrument):
                found[read.instrument] = read
                if read.lot_fault is not None:
                    received = json.dumps(market.get("precision"), default=str)
                    refused.append(
                        QuarantinedRow(
                            read.lot_fault, received, number, "lot_quantity", read.instrument
                        )
                    )
            elif read is not None:
                received = json.dumps(market.get("info"), default=str)
                refused.append(QuarantinedRow(read, received, number))
        if not found:
            raise VenueUnavailable(
                f"{what}: none of {len(markets)} markets is a declared perpetual; the listing may "
                "have changed, see sources/venues/declared/"
            ) from MalformedResponse("no market is a declared perpetual")
        if refused:
            self._refused_markets = [
                self._quarantine(refused, "instrument", what, f"ccxt:{self.venue.markets_method}")
            ]
        logger.info("%s: %d instruments listed", self.venue.name, len(found))
        return found

    def _quarantine(
        self, rows: Sequence[QuarantinedRow], kind: str, input_name: str, source: str
    ) -> Batch:
        return quarantine(
            rows,
            kind=kind,
            venue=self.venue.name,
            input_name=input_name,
            source=source,
            ingested_at=self._clock(),
        )

    def _explain(self, exc: BaseException, what: str) -> VenueUnavailable | VenueRejected:
        return translate_error(exc, what, self._connection.secrets)

    async def _call(self, endpoint: Endpoint, params: Mapping[str, object], what: str) -> object:
        """Return the answer of an endpoint, which has rows where they are declared."""
        if endpoint.needs_key and not self._connection.has_key:
            raise VenueRejected(
                f"{what}: this is told only with an API key; set the key and secret of "
                f"{self.venue.name} in the environment, or leave it out"
            )
        call_method = getattr(self._exchange, endpoint.method)

        async def request() -> object:
            answer = await call_method(dict(params))
            try:
                find_rows(answer, endpoint)
            except MalformedResponse as exc:
                exc.received = json.dumps(answer, default=str)
                raise
            return answer

        return await self._pacer.call(
            request, what, lambda exc: self._explain(exc, what), self._expected, endpoint
        )

    async def _fetch_open_interest_now(
        self, chosen: Sequence[Instrument], previous: Mapping[str, Observation]
    ) -> AsyncIterator[list[Batch]]:
        for product, members in _by_product(chosen):
            reading = product.open_interest_now
            if reading is None:
                raise self._no_such_kind("open interest as it stands", members[0])
            read = partial(_read_snapshot, reading)
            async for batches in self._ask_many(reading.endpoint, members, read, previous):
                yield batches

    async def _ask_many(
        self,
        endpoint: Endpoint,
        members: Sequence[Instrument],
        read: Callable[[object, Context], list[Batch]],
        previous: Mapping[str, Observation] | None = None,
    ) -> AsyncIterator[list[Batch]]:
        """Yield the batches of an endpoint without a span, called as often as it must be."""
        groups = _group_for_calls(endpoint, members)

        async def one(group: Sequence[Instrument]) -> list[Batch]:
            answered = await self.answer(endpoint, group)
            answered.context.previous = previous or {}
            return read(answered.answer, answered.context)

        tasks = [asyncio.ensure_future(one(group)) for group in groups]
        try:
            # What one call fails on must not cost the others: it is raised when they are through.
            errors: list[VenueRejected | VenueUnavailable] = []
            for task in tasks:
                try:
                    yield await task
                except (VenueRejected, VenueUnavailable) as exc:
                    errors.append(exc)
            if errors:
                raise errors[0]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch_brackets(self, chosen: Sequence[Instrument]) -> AsyncIterator[list[Batch]]:
        for product, every in _by_product(chosen):
            members, reading = list(every), product.brackets
            if reading is None:
                raise self._no_such_kind("margin brackets", members[0])
            if isinstance(reading, GrowingMargins):
                members = [one for one in members if one.asset in reading.growth]
                if not members:
                    continue
            prices = await self._mark_prices(product, reading, members)
            if isinstance(reading, StepBrackets | GrowingMargins):
                context = self._context_of(members, "instrument_key", self.venue.markets_method)
                yield read_described_brackets(reading, members, context, prices)
                continue
            read = partial(read_brackets, reading, price_of=prices)
            async for batches in self._ask_many(reading.endpoint, members, read):
                yield batches

    async def _mark_prices(
        self,
        product: Product,
        reading: PublishedBrackets | DescribedBrackets,
        members: Sequence[Instrument],
    ) -> dict[str, float]:
        unit = reading.notional_unit
        is_priced = unit == "usd" or (unit == "contracts" and product.contract_kind == "inverse")
        if is_priced or product.mark_price is None:
            return {}
        endpoint = product.mark_price
        prices: dict[str, float] = {}
        for group in _group_for_calls(endpoint, members):
            answered = await self.answer(endpoint, group)
            prices |= read_prices(endpoint, answered.answer, answered.context)
        return prices

    async def _fetch_span(
        self,
        request: Request,
        chosen: Sequence[Instrument],
        previous: Mapping[str, Observation],
    ) -> AsyncIterator[list[Batch]]:
        if len(chosen) != 1 or request.start is None or request.end is None:
            raise ValueError(
                f"{request.kind} is asked for of one instrument over a span; got {request}"
            )
        instrument = chosen[0]
        wanted = readings_of(instrument.product, request.kind)
        if not wanted:
            raise self._no_such_kind(request.kind, instrument)
        standing = dict(previous)
        asked: list[Endpoint] = []
        errors: list[VenueRejected | VenueUnavailable] = []
        for _, endpoints in wanted:
            # Ratios told by one answer are read from it together.
            if any(endpoint.is_same_call(other) for endpoint in endpoints for other in asked):
                continue
            asked.extend(endpoints)
            shifts = [
                _shift_ms(one) for one, _ in readings_of_call(instrument.product, endpoints[0])
            ]
            start_ms, end_ms = to_ms(request.start), to_ms(request.end)
            spans = cut_spans(
                endpoints, start_ms - max(shifts), end_ms - min(shifts), to_ms(self._clock())
            )
            try:
                for span in spans:
                    async for batches in self._page_through(
                        span, instrument, (start_ms, end_ms), standing
                    ):
                        _remember(batches, standing)
                        yield batches
            except (VenueRejected, VenueUnavailable) as exc:
                # One measure that is not told must not cost the others.
                errors.append(exc)
        if errors:
            raise errors[0]

    async def _page_through(
        self,
        span: Span,
        instrument: Instrument,
        wanted_ms: tuple[int, int],
        standing: Mapping[str, Observation],
    ) -> AsyncIterator[list[Batch]]:
        """Yield the pages of one endpoint over one span, and all that is read from them."""
        readings: list[tuple[Reading, Endpoint, Context]] = []
        for reading, endpoint in readings_of_call(instrument.product, span.endpoint):
            context = self._context(endpoint, [instrument], "", standing)
            # Readings of one answer may move its labels differently.
            shift = _shift_ms(reading)
            context.first_ms = max(span.first_ms, wanted_ms[0] - shift)
            context.end_ms = min(span.end_ms, wanted_ms[1] - shift)
            readings.append((reading, endpoint, context))

        async def turn(first_ms: int, last_ms: int, limit: int, page: int) -> list[Page]:
            answered = await self.answer(
                span.endpoint, [instrument], first_ms, last_ms, limit, page
            )
            pages = []
            for reading, endpoint, context in readings:
                context.now, context.input_name = answered.context.now, answered.what
                pages.append(read_page(reading, endpoint, answered.answer, context))
            return pages

        async for pages in turn_pages(span, turn, to_ms(self._clock())):
            yield [batch for page in pages for batch in page.batches]

    def _context(
        self,
        endpoint: Endpoint,
        members: Sequence[Instrument],
        what: str,
        previous: Mapping[str, Observation],
    ) -> Context:
        context = self._context_of(members, endpoint.id_key, what)
        context.previous = previous
        return context

    def _context_of(self, members: Sequence[Instrument], id_key: str, what: str) -> Context:
        return Context(
            venue=self.venue.name,
            instruments={str(one.market.get(id_key, one.market_id)): one for one in members},
            now=self._clock(),
            input_name=what,
            closes=self._closes,
            audit=self._audit,
        )

    def _name(
        self,
        endpoint: Endpoint,
        members: Sequence[Instrument],
        first_ms: int | None = None,
        last_ms: int | None = None,
    ) -> str:
        """Return a request in words, for messages and quarantine."""
        whom = members[0].instrument if len(members) == 1 else f"{len(members)} instruments"
        if first_ms is None or last_ms is None:
            return f"{self.venue.name} {endpoint.method} {whom}"
        return (
            f"{self.venue.name} {endpoint.method} {whom} {from_ms(first_ms):%Y-%m-%dT%H:%M:%SZ} to "
            f"{from_ms(last_ms):%Y-%m-%dT%H:%M:%SZ}"
        )


def readings_of(product: Product, kind: RequestKind) -> list[tuple[Reading, tuple[Endpoint, ...]]]:
    """Return what of a product is read for a kind with a span, each with its endpoints."""
    if kind in ("ohlcv", "mark_ohlc"):
        candles: Candles | None = getattr(product, kind)
        return [] if candles is None else [(candles, candles.endpoints)]
    single: Mapping[str, Reading | None] = {
        "open_interest": product.open_interest_history,
        "funding_rate": product.funding,
        "realised_liquidation": product.liquidations,
    }
    found: list[Reading] = []
    if kind == "long_short_ratio":
        found.extend(product.ratios)
    elif (one := single.get(kind)) is not None:
        found.append(one)
    return [(reading, (_ask_of(reading),)) for reading in found]


def readings_of_call(product: Product, endpoint: Endpoint) -> list[tuple[Reading, Endpoint]]:
    """Return all that is read from the answers to one call."""
    found: list[tuple[Reading, Endpoint]] = []
    for kind in SPAN_KINDS:
        for reading, endpoints in readings_of(product, kind):
            found.extend((reading, one) for one in endpoints if one.is_same_call(endpoint))
    return found


def history_reach(venue: str, kind: RequestKind, contract_kind: str) -> timedelta | None:
    """Return how far back a venue tells a kind; zero where it tells none, None without bound.

    What is older cannot be fetched any more.

    Examples
    --------
    >>> history_reach("binance", "open_interest", "linear").days
    29
    >>> history_reach("bybit", "ohlcv", "linear") is None
    True
    >>> history_reach("hyperliquid", "open_interest", "linear")
    datetime.timedelta(0)
    """
    products = (p for p in find_venue(venue).products if p.contract_kind == contract_kind)
    endpoints = [
        endpoint for p in products for _, several in readings_of(p, kind) for endpoint in several
    ]
    if not endpoints:
        return timedelta(0)
    reaches = [endpoint.reach for endpoint in endpoints]
    bounded = [reach for reach in reaches if reach is not None]
    return None if len(bounded) < len(reaches) else max(bounded)


def _read_snapshot(reading: OpenInterest, answer: object, context: Context) -> list[Batch]:
    return read_page(reading, reading.endpoint, answer, context).batches


def _shift_ms(reading: Reading) -> int:
    """Return by how much the instant of a record lies after its label [ms]."""
    return 1000 * int(getattr(reading, "label_shift_seconds", 0))


def _ask_of(reading: Reading) -> Endpoint:
    if isinstance(reading, Candles):
        raise TypeError("candles have several endpoints")
    return reading.endpoint


def _by_product(chosen: Sequence[Instrument]) -> list[tuple[Product, list[Instrument]]]:
    groups: dict[int, tuple[Product, list[Instrument]]] = {}
    for one in chosen:
        groups.setdefault(id(one.product), (one.product, []))[1].append(one)
    return list(groups.values())


def _group_for_calls(endpoint: Endpoint, members: Sequence[Instrument]) -> list[list[Instrument]]:
    """Return the instruments of each call an endpoint needs."""
    groups: dict[str, list[Instrument]] = {}
    for one in members:
        key = {"instrument": one.instrument, "coin": one.coin, "product": ""}[endpoint.per]
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _remember(batches: Sequence[Batch], standing: dict[str, Observation]) -> None:
    """Take the newest open interest of each batch as what the next is held against."""
    for batch in batches:
        if batch.kind == "open_interest" and batch.table.num_rows:
            last = batch.table.slice(batch.table.num_rows - 1).to_pylist()[0]
            standing[last["instrument"]] = Observation(
                last["observed_at"], last["open_interest_quantity"]
            )
