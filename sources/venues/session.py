"""Calls to one venue: the exchange, its pacer, and what every response is read with.

Belongs here: one call from its endpoint to its payload. Does not belong here: which calls a request
needs (`sources.venues.client`), when they are made (`sources.venues.pacer`).
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sources.errors import VenueRejected
from sources.venues.connection import (
    Connection,
    Listener,
    close_exchange,
    expected_errors,
    open_exchange,
    translate_error,
)
from sources.venues.declaration import Venue
from sources.venues.declared import find_venue
from sources.venues.endpoints import Endpoint
from sources.venues.instruments import Instrument
from sources.venues.pacer import Pacer, RequestPolicy, SharedWeight, Timing, VenueReport
from sources.venues.pagination import PageRequest, bounds, fill, placeholders
from sources.venues.payload import MalformedResponse, find_rows, from_ms
from sources.venues.plausibility import AuditLog
from sources.venues.responses import LatestCloses, ResponseContext


@dataclass(frozen=True, slots=True)
class Response:
    """One response of an endpoint, to be read.

    Parameters
    ----------
    what : str
        The request in words.
    params : mapping of str to object
        Its parameters.
    payload : object
        Decoded JSON, with rows at the declared path.
    context : ResponseContext
        What was requested, and when.
    """

    what: str
    params: Mapping[str, object]
    payload: object
    context: ResponseContext


class VenueSession:
    """Calls the endpoints of one venue; use as ``async with``.

    Parameters
    ----------
    venue : Venue or str
        A declaration, or the name of one.
    clock : Callable
        Returns the time, UTC: which rows are final, when a response was received.
    rng : random.Random
        For the jitter between retries.
    connection : Connection
        How to reach the venue.
    policy : RequestPolicy
        Retries, concurrency and giving up.
    timing : Timing
        How to wait and measure durations.
    listener : Callable, optional
        Receives every HTTP response.
    """

    def __init__(
        self,
        venue: Venue | str,
        *,
        clock: Callable[[], datetime],
        rng: random.Random,
        connection: Connection | None = None,
        policy: RequestPolicy | None = None,
        timing: Timing | None = None,
        listener: Listener | None = None,
    ) -> None:
        self.venue = find_venue(venue) if isinstance(venue, str) else venue
        self._clock = clock
        self._connection = connection or Connection()
        self._listener = listener
        self._policy = policy or RequestPolicy()
        self._pacer = Pacer(
            self.venue.name,
            self._policy,
            self.venue.rate_limits,
            rng,
            timing,
            self._connection.shared_budget,
        )
        self._exchange: Any = None
        self._expected: tuple[type[BaseException], ...] = ()
        self._closes = LatestCloses()
        self._audit = AuditLog()
        self._listing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Open the connection pool; nothing is called yet."""
        self._exchange = open_exchange(self.venue, self._connection, listener=self._listener)
        self._expected = expected_errors()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection pool."""
        await close_exchange(self._exchange)
        if self._connection.shared_budget is not None:
            self._connection.shared_budget.close()
        self._exchange = None

    def allow(self, seconds: float | None) -> None:
        """Set the budget from now on [seconds]; calls beyond it raise `RequestSkipped`."""
        self._pacer.allow(seconds)

    @property
    def concurrency(self) -> int:
        """Return how many requests may be in flight at once."""
        return self._policy.concurrency

    def report(self) -> VenueReport:
        """Return the counters so far."""
        return self._pacer.report(self._audit.summary())

    async def server_time(self) -> int | None:
        """Return the venue's clock [ms since 1970], None where it has no endpoint for it."""
        if not self._exchange.has.get("fetchTime"):
            return None

        async def fetch_time() -> object:
            server_ms = await self._exchange.fetch_time()
            if not isinstance(server_ms, int):
                raise MalformedResponse("the response has no time")
            return server_ms

        server_ms: Any = await self.call(fetch_time, f"{self.venue.name} fetch_time")
        return int(server_ms)

    async def request(
        self, endpoint: Endpoint, members: Sequence[Instrument], page: PageRequest | None = None
    ) -> Response:
        """Return the response of an endpoint to one call.

        Parameters
        ----------
        endpoint : Endpoint
            The endpoint.
        members : sequence of Instrument
            The instruments; exactly one where the endpoint is called for each.
        page : PageRequest, optional
            The rows, for endpoints with a span.

        Raises
        ------
        VenueUnavailable
            When the venue does not respond, or without rows at the declared path.
        VenueRejected
            When it refuses.
        """
        what = self._describe(endpoint, members, page)
        if endpoint.needs_key and not self._connection.has_key:
            raise VenueRejected(
                f"{what}: this endpoint needs an API key; set the key and secret of "
                f"{self.venue.name} in the environment, or leave it out"
            )
        values = placeholders(self.venue, members[0])
        if page is not None:
            values |= bounds(endpoint, page.first_ms, page.last_ms)
            values |= {"limit": page.limit, "page": page.page}
        params = fill(endpoint.params, values)
        call_method = getattr(self._exchange, endpoint.method)

        async def call() -> object:
            payload = await call_method(dict(params))
            try:
                find_rows(payload, endpoint)
            except MalformedResponse as exc:
                exc.received = json.dumps(payload, default=str)
                raise
            return payload

        weight = endpoint.weight or self.venue.call_weight
        most = endpoint.limit if page is None else page.limit
        payload = await self.call(
            call,
            what,
            endpoint.rate_group,
            SharedWeight(
                weight.of(most), lambda payload: weight.of(len(find_rows(payload, endpoint)))
            ),
        )
        return Response(what, params, payload, self.context(members, endpoint.id_key, what))

    async def call(
        self,
        call: Callable[[], Awaitable[object]],
        what: str,
        rate_group: str | None = None,
        weight: SharedWeight | None = None,
    ) -> object:
        """Return what a call returns, with ccxt's errors translated, paced and retried."""
        each = self.venue.call_weight.each
        weight = weight or SharedWeight(each, lambda _: each)

        async def translated() -> object:
            try:
                return await call()
            except self._expected as exc:
                raise translate_error(exc, what, self._connection.secrets) from exc

        return await self._pacer.call(translated, what, rate_group, weight)

    def context(self, members: Sequence[Instrument], id_key: str, what: str) -> ResponseContext:
        """Return what responses of some instruments are read with."""
        return ResponseContext(
            venue=self.venue.name,
            instruments={str(one.market.get(id_key, one.market_id)): one for one in members},
            now=self._clock(),
            input_name=what,
            closes=self._closes,
            audit=self._audit,
        )

    def _describe(
        self, endpoint: Endpoint, members: Sequence[Instrument], page: PageRequest | None
    ) -> str:
        """Return a request in words, for messages and quarantine."""
        names = members[0].instrument if len(members) == 1 else f"{len(members)} instruments"
        what = f"{self.venue.name} {endpoint.method} {names}"
        if page is None:
            return what
        first, last = from_ms(page.first_ms), from_ms(page.last_ms)
        return f"{what} {first:%Y-%m-%dT%H:%M:%SZ} to {last:%Y-%m-%dT%H:%M:%SZ}"
