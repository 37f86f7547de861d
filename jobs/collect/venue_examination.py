"""The examination of one venue: small requests of each kind, compared with its declaration.

Belongs here: the order of requests, the outcome of each. Does not belong here: what a response must
look like (`sources.venues.conformance`). Nothing is stored, and no warehouse is needed.
"""

import json
import random
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from jobs.collect.counted_sides import examine_sides, figures_in_lots
from jobs.collect.doctor_report import ExaminedResponse, Exchange, Status
from jobs.collect.scope import Clock, Effort
from jobs.progress import Progress
from sources.errors import RequestSkipped, VenueRejected, VenueUnavailable
from sources.venues.client import VenueClient
from sources.venues.conformance import Examination, examine, examine_clock, examine_described
from sources.venues.connection import Connection, HttpResponse
from sources.venues.declaration import Product
from sources.venues.declared_endpoints import (
    DeclaredEndpoint,
    Difference,
    choose_sample,
    declared_endpoints,
)
from sources.venues.instruments import Instrument
from sources.venues.payload import MalformedResponse, to_ms
from sources.venues.responses import ResponseContext
from sources.venues.session import Response
from sources.venues.unit_conformance import compare_kinds

_MOST_BODY = 600
_MOST_NOTES = 10
_FEWEST_FIGURES = 40
# The largest assets have every kind of response.
_ASSETS = ("BTC", "ETH", "SOL")
# Not the venue's own refusal: it cannot be reached from here, whatever is declared.
_BARRED = frozenset({401, 403, 407, 451})
# What reading may raise over a response nobody expected, or over an impossible declaration.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
_RATE_WORDS = ("limit", "used-weight", "order-count")


@dataclass(slots=True)
class VenueExaminer:
    """Examines one venue, one request after the other.

    Parameters
    ----------
    name : str
        The venue.
    connection : Connection
        How to reach it.
    clock : callable
        Returns the time, UTC.
    effort : Effort
        Time and retries.
    progress : callable
        Takes venue, kind and share done.

    Attributes
    ----------
    rate_limits : dict of str to str
        The last value of each header about limits.
    """

    name: str
    connection: Connection
    clock: Clock
    effort: Effort
    progress: Progress
    rate_limits: dict[str, str] = field(default_factory=dict)
    _client: VenueClient = field(init=False)
    _examined: list[ExaminedResponse] = field(default_factory=list)
    _listed: dict[str, Instrument] = field(default_factory=dict)
    # Mark prices by instrument [USD per asset unit].
    _prices: dict[str, float] = field(default_factory=dict)
    _received: list[HttpResponse] = field(default_factory=list)
    _is_over: bool = False
    # The same request serves several kinds.
    _responses: dict[str, tuple[Response, tuple[HttpResponse, ...]]] = field(default_factory=dict)
    _latest: dict[str, Response] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the client; nothing is requested yet."""
        self._client = VenueClient(
            self.name,
            clock=self.clock,
            rng=random.Random(self.name),  # noqa: S311  (jitter)
            connection=self.connection,
            policy=self.effort.policy,
            listener=self._receive,
        )

    async def examine(self) -> list[ExaminedResponse]:
        """Return the result for each response of the venue."""
        venue, place = self._client.venue, f'VENUES["{self.name}"]'
        async with self._client as client:
            client.allow(self.effort.budget_seconds)
            self.progress(self.name, "instruments", 0.0)
            listing = self._examine_instruments(place)
            done = await self._attempt("instruments", None, f"{place}.markets_method", listing)
            if done is not None:
                await self._attempt("clock", None, place, self._examine_clock())
                figures: list[dict[str, Any]] = []
                for number, product in enumerate(venue.products):
                    chosen = choose_contract(product, self._listed.values())
                    if chosen is not None:
                        figures += await self._examine_product(chosen, number / len(venue.products))
                sides = examine_sides(venue, self._listed, figures)
                self._examined += [sides] if sides is not None else []
        self.progress(self.name, "done", 1.0)
        return self._examined

    def _receive(self, answer: HttpResponse) -> None:
        self._received.append(answer)
        for name, value in answer.headers.items():
            if any(word in name for word in _RATE_WORDS):
                self.rate_limits[name] = value

    async def _attempt(
        self, kind: str, instrument: str | None, place: str, work: Awaitable[Examination]
    ) -> Examination | None:
        """Record the outcome of work; return it where there was a response."""
        reason: str | None = None
        done: Examination | None = None
        differences: tuple[Difference, ...] = ()
        try:
            done = await work
        except RequestSkipped as exc:
            self._is_over = True
            reason = f"{exc}. Nothing after it was requested either"
        except (VenueUnavailable, VenueRejected) as exc:
            differences = _contradictions(exc, place)
            reason = str(exc)
        except _UNREADABLE as exc:
            words = f"the response cannot be read by it ({type(exc).__name__}: {exc})"
            differences = (Difference("response", words, "a response that fits", place),)
        else:
            differences = done.differences
        judged: Status = "not checked" if done is None else "fits"
        self._examined.append(
            ExaminedResponse(
                venue=self.name,
                kind=kind,
                instrument=instrument,
                declaration=place,
                status="differs" if differences else judged,
                reason=reason,
                rows=0 if done is None else done.rows,
                differences=differences,
                notes=() if done is None else done.notes,
                exchanges=tuple(
                    Exchange(
                        f"{one.method} {one.url}",
                        one.sent,
                        one.status,
                        one.body[:_MOST_BODY],
                    )
                    for one in self._received
                ),
            )
        )
        self._received.clear()
        return done

    async def _examine_instruments(self, place: str) -> Examination:
        batches = await self._client.instruments()
        self._listed.update(await self._client.known_instruments())
        differences = [
            Difference(
                "market",
                f"no active {product.contract_kind} perpetual in {'/'.join(product.quotes)} "
                "is listed",
                f"{product.contract_kind} contracts",
                f"{place}.products[{number}].quotes",
            )
            for number, product in enumerate(self._client.venue.products)
            if choose_contract(product, self._listed.values()) is None
        ]
        notes = [
            f"{row['instrument'] or 'a market'}: {row['reason']}"
            for one in batches
            if one.kind == "quarantine"
            for row in one.table.to_pylist()
        ]
        return Examination(len(self._listed), tuple(differences), tuple(notes[:_MOST_NOTES]))

    async def _examine_clock(self) -> Examination:
        sent_ms = to_ms(self.clock())
        server_ms = await self._client.server_time()
        received_ms = to_ms(self.clock())
        if server_ms is None:
            return Examination(0, notes=("the venue has no endpoint for its time",))
        return Examination(1, tuple(examine_clock(server_ms, sent_ms, received_ms, self.name)))

    async def _examine_product(self, chosen: Instrument, share: float) -> list[dict[str, Any]]:
        """Examine all that is declared of a product; return figures that show sides."""
        venue = self._client.venue
        first: dict[str, DeclaredEndpoint] = {}
        records: dict[str, list[dict[str, Any]]] = defaultdict(list)
        endpoints = list(declared_endpoints(venue, chosen.product))
        # Brackets come last: mark prices requested before value some of them.
        for at, declared in enumerate(endpoints):
            done_share = share + at / len(endpoints) / len(venue.products)
            self.progress(self.name, f"{declared.name} {chosen.instrument}", done_share)
            done = await self._examine_endpoint(declared, chosen)
            if declared.newer is not None:
                continue
            first.setdefault(declared.kind, declared)
            if done is None:
                continue
            self._prices |= done.prices or {}
            if done.differences:
                # Wrong records are compared with no other kind.
                continue
            kind = "open_interest" if declared.kind == "open_interest_now" else declared.kind
            for batch in done.batches:
                records[declared.kind] += batch.table.to_pylist() if batch.kind == kind else []
        for kind, difference in compare_kinds(first, records):
            self._add(first[kind], chosen, difference)
        history = records["open_interest"]
        if len(history) >= _FEWEST_FIGURES or "open_interest_now" not in first:
            return history
        now = first["open_interest_now"]
        return figures_in_lots(now, self._latest.get(now.place), chosen.product, self._listed)

    async def _examine_endpoint(
        self, declared: DeclaredEndpoint, chosen: Instrument
    ) -> Examination | None:
        if self._is_over:
            return None
        endpoint = declared.endpoint
        if endpoint is not None and endpoint.needs_key and not self.connection.has_key:
            variable = f"LIQHEAT_KEYS__{self.name.upper()}__API_KEY"
            self._examined.append(
                ExaminedResponse(
                    self.name,
                    declared.name,
                    chosen.instrument,
                    declared.place,
                    "left out",
                    f"needs an API key: set {variable} and __SECRET",
                )
            )
            return None
        work = self._examine_response(declared, chosen)
        return await self._attempt(declared.name, chosen.instrument, declared.path, work)

    async def _examine_response(
        self, declared: DeclaredEndpoint, chosen: Instrument
    ) -> Examination:
        endpoint = declared.endpoint
        if endpoint is None:
            members = {chosen.market_id: chosen}
            context = ResponseContext(self.name, members, self.clock(), declared.place)
            return examine_described(declared, chosen, context, self._prices)
        sample = choose_sample(declared, to_ms(self.clock()))
        key = json.dumps([endpoint.method, dict(endpoint.params), sample], default=str)
        key += chosen.instrument
        if key not in self._responses:
            response = await self._client.request(endpoint, [chosen], sample)
            self._responses[key] = response, tuple(self._received)
        response, self._received[:] = self._responses[key]
        self._latest[declared.place] = response
        instruments = {str(chosen.market.get(endpoint.id_key, chosen.market_id)): chosen}
        context = replace(response.context, instruments=instruments, seen=set())
        return examine(declared, response.payload, context, sample, self._prices)

    def _add(self, declared: DeclaredEndpoint, chosen: Instrument, difference: Difference) -> None:
        """Add a difference to the result for an endpoint."""
        for number, one in enumerate(self._examined):
            if (one.declaration, one.instrument) == (declared.path, chosen.instrument):
                differences = (*one.differences, difference)
                self._examined[number] = replace(one, status="differs", differences=differences)


def choose_contract(product: Product, listed: Iterable[Instrument]) -> Instrument | None:
    """Return the contract of a product that represents all; None where none is listed."""
    members = [one for one in listed if one.product is product and one.is_active]

    def rank(one: Instrument) -> tuple[int, int, str]:
        known = _ASSETS.index(one.asset) if one.asset in _ASSETS else len(_ASSETS)
        return known, product.quotes.index(one.quote), one.instrument

    return min(members, key=rank, default=None)


def _contradictions(exc: VenueUnavailable | VenueRejected, place: str) -> tuple[Difference, ...]:
    """Return how an error contradicts a declaration; empty where there was no response to judge."""
    is_endpoint = ".products[" in place
    cause = exc.__cause__
    if isinstance(cause, MalformedResponse):
        mend = f"{place}.rows" if is_endpoint else place
        return (Difference("rows", str(cause), "rows where the declaration says", mend),)
    if isinstance(exc, VenueRejected) and getattr(cause, "http_status", None) not in _BARRED:
        mend = f"{place}.params" if is_endpoint else place
        return (Difference("request", str(exc), "a request the venue takes", mend),)
    return ()
