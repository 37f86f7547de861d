"""The client of one venue: requests become calls, and responses become records.

Belongs here: which calls a request needs. Does not belong here: facts about venues
(`sources.venues.declared`), making one call (`sources.venues.session`), reading responses
(`sources.venues.page_reader`), several venues at once (`sources.venues.rounds`).
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sources.checks import QuarantinedRow, quarantine
from sources.errors import VenueRejected, VenueUnavailable
from sources.records import Batch
from sources.redaction import redact
from sources.venues.brackets import read_brackets, read_described_brackets, read_prices
from sources.venues.declaration import OpenInterest, Product, ResponseSpec
from sources.venues.endpoints import Endpoint
from sources.venues.instruments import Instrument, instrument_batch, read_market
from sources.venues.margin_specs import (
    DescribedBrackets,
    GrowingMargins,
    PublishedBrackets,
    StepBrackets,
)
from sources.venues.page_reader import Page, read_page
from sources.venues.pagination import PageRequest, Span, cut_spans, turn_pages
from sources.venues.payload import MalformedResponse, to_ms
from sources.venues.plausibility import Observation
from sources.venues.request import Request, endpoints_of, specs_of, specs_of_call
from sources.venues.responses import ResponseContext
from sources.venues.session import VenueSession

logger = logging.getLogger(__name__)

Batches = AsyncIterator[list[Batch]]


class VenueClient(VenueSession):
    """Fetches records from one venue; parameters as for `VenueSession`."""

    _instruments: dict[str, Instrument] | None = None
    _listed_at: datetime | None = None
    _refused_markets: Sequence[Batch] = ()

    async def known_instruments(self) -> Mapping[str, Instrument]:
        """Return the contracts of the declared products by unified symbol, listed once."""
        async with self._listing:
            if self._instruments is None:
                self._instruments = await self._list_markets()
                self._listed_at = self._clock()
            return self._instruments

    async def instruments(self) -> list[Batch]:
        """Return the records of all contracts of the declared products."""
        known = await self.known_instruments()
        batch = instrument_batch(
            known.values(),
            source=f"ccxt:{self.venue.markets_method}",
            observed_at=self._listed_at or self._clock(),
        )
        return self._counted([batch, *self._refused_markets])

    async def fetch(
        self, request: Request, previous: Mapping[str, Observation] | None = None
    ) -> Batches:
        """Yield the records of a request piece by piece, oldest first where it has a span.

        Pieces are valid even if a later one fails.

        Parameters
        ----------
        request : Request
            What to fetch.
        previous : mapping of str to Observation, optional
            Last accepted open interest by instrument, against which jumps are judged.

        Raises
        ------
        VenueUnavailable
            When the venue does not respond with data, within its retries and budget.
        VenueRejected
            When it refuses, does not list the instrument, or does not publish this kind.
        """
        if request.kind == "instrument":
            yield await self.instruments()
            return
        known = await self.known_instruments()
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
            # A malformed response is kept for whoever investigates it.
            received = getattr(exc.__cause__, "received", None)
            if received is not None:
                row = QuarantinedRow(str(exc), redact(received, self._connection.secrets))
                kind = "open_interest" if request.kind == "open_interest_now" else request.kind
                origin = self.context((), "id", str(exc)).provenance(kind, "ccxt")
                yield self._counted(quarantine([row], origin))
            raise

    def _counted(self, batches: Sequence[Batch]) -> list[Batch]:
        for batch in batches:
            counter = "quarantined" if batch.kind == "quarantine" else "rows"
            self._pacer.counts[counter] += batch.table.num_rows
        return [batch for batch in batches if batch.table.num_rows]

    def _require(self, known: Mapping[str, Instrument], name: str) -> Instrument:
        if name not in known:
            raise VenueRejected(
                f"{self.venue.name}: {name} is not listed as a declared perpetual; it may have "
                "been delisted: compare the universe with the newest instrument records"
            )
        return known[name]

    def _unpublished(self, kind: str, instrument: Instrument) -> VenueRejected:
        return VenueRejected(
            f"{self.venue.name} does not publish {kind} of {instrument.contract_kind} contracts; "
            f"leave it out for {instrument.instrument} (see the venue in sources/venues/declared/)"
        )

    async def _list_markets(self) -> dict[str, Instrument]:
        what = f"{self.venue.name} {self.venue.markets_method}"
        list_markets = getattr(self._exchange, self.venue.markets_method)

        async def fetch_markets() -> object:
            markets = await list_markets()
            if not isinstance(markets, list) or not markets:
                raise MalformedResponse("no markets are listed")
            return markets

        markets: Any = await self.call(fetch_markets, what)
        found: dict[str, Instrument] = {}
        refused: list[QuarantinedRow] = []
        for number, market in enumerate(markets, start=1):
            read = read_market(self.venue, market)
            if isinstance(read, Instrument):
                found[read.instrument] = read
                if read.lot_fault is not None:
                    received = json.dumps(market.get("precision"), default=str)
                    fault = (read.lot_fault, received, number, "lot_quantity", read.instrument)
                    refused.append(QuarantinedRow(*fault))
            elif read is not None:
                received = json.dumps(market.get("info"), default=str)
                refused.append(QuarantinedRow(read, received, number))
        if not found:
            raise VenueUnavailable(
                f"{what}: none of {len(markets)} markets is a declared perpetual; the listing may "
                "have changed, see the venue in sources/venues/declared/"
            ) from MalformedResponse("no market is a declared perpetual")
        source = f"ccxt:{self.venue.markets_method}"
        origin = self.context((), "id", what).provenance("instrument", source)
        self._refused_markets = quarantine(refused, origin)
        logger.info("%s: %d instruments listed", self.venue.name, len(found))
        return found

    async def _fetch_open_interest_now(
        self, chosen: Sequence[Instrument], previous: Mapping[str, Observation]
    ) -> Batches:
        for product, members in _by_product(chosen):
            spec = product.open_interest_now
            if spec is None:
                raise self._unpublished("current open interest", members[0])
            read = partial(_read_snapshot, spec, previous)
            async for batches in self._fetch_groups(spec.endpoint, members, read):
                yield batches

    async def _fetch_groups(
        self,
        endpoint: Endpoint,
        members: Sequence[Instrument],
        read: Callable[[object, ResponseContext], list[Batch]],
    ) -> Batches:
        """Yield the batches of an endpoint without a span, called once for each group."""

        async def fetch_group(group: Sequence[Instrument]) -> list[Batch]:
            response = await self.request(endpoint, group)
            return read(response.payload, response.context)

        groups = _group_for_calls(endpoint, members)
        tasks = [asyncio.ensure_future(fetch_group(group)) for group in groups]
        # A failed call must not cost the others: its error is raised when they are done.
        errors: list[VenueRejected | VenueUnavailable] = []
        try:
            for task in tasks:
                try:
                    yield await task
                except (VenueRejected, VenueUnavailable) as exc:
                    errors.append(exc)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if errors:
            raise errors[0]

    async def _fetch_brackets(self, chosen: Sequence[Instrument]) -> Batches:
        for product, every in _by_product(chosen):
            members, spec = list(every), product.brackets
            if spec is None:
                raise self._unpublished("margin brackets", members[0])
            if isinstance(spec, GrowingMargins):
                members = [one for one in members if one.asset in spec.growth]
                if not members:
                    continue
            prices = await self._mark_prices(product, spec, members)
            if isinstance(spec, StepBrackets | GrowingMargins):
                context = self.context(members, "instrument_key", self.venue.markets_method)
                yield read_described_brackets(spec, members, context, prices)
                continue
            read = partial(read_brackets, spec, price_of=prices)
            async for batches in self._fetch_groups(spec.endpoint, members, read):
                yield batches

    async def _mark_prices(
        self,
        product: Product,
        spec: PublishedBrackets | DescribedBrackets,
        members: Sequence[Instrument],
    ) -> dict[str, float]:
        endpoint = product.mark_price
        if endpoint is None or not members[0].units.needs_price(spec.notional_unit):
            return {}
        prices: dict[str, float] = {}
        for group in _group_for_calls(endpoint, members):
            response = await self.request(endpoint, group)
            prices |= read_prices(endpoint, response.payload, response.context)
        return prices

    async def _fetch_span(
        self,
        request: Request,
        chosen: Sequence[Instrument],
        previous: Mapping[str, Observation],
    ) -> Batches:
        if len(chosen) != 1 or request.start is None or request.end is None:
            raise ValueError(
                f"{request.kind} is requested for one instrument over a span; got {request}"
            )
        instrument = chosen[0]
        specs = specs_of(instrument.product, request.kind)
        if not specs:
            raise self._unpublished(request.kind, instrument)
        wanted = (to_ms(request.start), to_ms(request.end))
        latest = dict(previous)
        called: list[Endpoint] = []
        errors: list[VenueRejected | VenueUnavailable] = []
        for endpoints in map(endpoints_of, specs):
            # Ratios in one response are read from it together.
            if any(one.is_same_call(other) for one in endpoints for other in called):
                continue
            called.extend(endpoints)
            shared = specs_of_call(instrument.product, endpoints[0])
            shifts = [_shift_ms(spec) for spec, _ in shared]
            spans = cut_spans(
                endpoints, wanted[0] - max(shifts), wanted[1] - min(shifts), to_ms(self._clock())
            )
            try:
                for span in spans:
                    async for batches in self._page_through(span, instrument, wanted, latest):
                        _update_latest(latest, batches)
                        yield batches
            except (VenueRejected, VenueUnavailable) as exc:
                # One measure that is not available must not cost the others.
                errors.append(exc)
        if errors:
            raise errors[0]

    async def _page_through(
        self,
        span: Span,
        instrument: Instrument,
        wanted_ms: tuple[int, int],
        latest: Mapping[str, Observation],
    ) -> Batches:
        """Yield the pages of one endpoint over one span, with all records they contain."""
        readers: list[tuple[ResponseSpec, Endpoint, ResponseContext]] = []
        for spec, endpoint in specs_of_call(instrument.product, span.endpoint):
            context = self.context([instrument], endpoint.id_key, "")
            context.previous = latest
            # Specs of one response may shift its labels differently.
            shift = _shift_ms(spec)
            context.first_ms = max(span.first_ms, wanted_ms[0] - shift)
            context.end_ms = min(span.end_ms, wanted_ms[1] - shift)
            readers.append((spec, endpoint, context))

        async def turn(page: PageRequest) -> list[Page]:
            response = await self.request(span.endpoint, [instrument], page)
            pages = []
            for spec, endpoint, context in readers:
                context.now, context.input_name = response.context.now, response.what
                pages.append(read_page(spec, endpoint, response.payload, context))
            return pages

        async for pages in turn_pages(span, turn, to_ms(self._clock())):
            yield [batch for page in pages for batch in page.batches]


def _read_snapshot(
    spec: OpenInterest,
    previous: Mapping[str, Observation],
    payload: object,
    context: ResponseContext,
) -> list[Batch]:
    context.previous = previous
    return read_page(spec, spec.endpoint, payload, context).batches


def _shift_ms(spec: ResponseSpec) -> int:
    """Return by how much the instant of a record lies after its label [ms]."""
    return 1000 * int(getattr(spec, "label_shift_seconds", 0))


def _by_product(chosen: Sequence[Instrument]) -> list[tuple[Product, list[Instrument]]]:
    groups: dict[int, tuple[Product, list[Instrument]]] = {}
    for one in chosen:
        groups.setdefault(id(one.product), (one.product, []))[1].append(one)
    return list(groups.values())


def _group_for_calls(endpoint: Endpoint, members: Sequence[Instrument]) -> list[list[Instrument]]:
    """Return the instruments of each call that an endpoint needs."""
    groups: dict[str, list[Instrument]] = {}
    for one in members:
        key = {"instrument": one.instrument, "coin": one.coin, "product": ""}[endpoint.per]
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _update_latest(latest: dict[str, Observation], batches: Sequence[Batch]) -> None:
    """Set the newest open interest of each batch as what the next is compared with."""
    for batch in batches:
        if batch.kind == "open_interest" and batch.table.num_rows:
            last = batch.table.slice(batch.table.num_rows - 1).to_pylist()[0]
            latest[last["instrument"]] = Observation(
                last["observed_at"], last["open_interest_quantity"]
            )
