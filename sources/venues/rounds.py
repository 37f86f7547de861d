"""A round: requests to several venues side by side, each venue within its own budget.

Belongs here: running requests, collecting batches, the outcome of each request. Does not belong
here: which requests to make (jobs know watermarks and gaps), calling one venue
(`sources.venues.client`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from sources.errors import RequestSkipped, SourceError, VenueRejected, VenueUnavailable
from sources.records import Batch
from sources.venues.client import VenueClient
from sources.venues.instruments import Instrument
from sources.venues.pacer import VenueReport
from sources.venues.plausibility import Observation
from sources.venues.request import Request, endpoints_of, specs_of, specs_of_call

logger = logging.getLogger(__name__)

Land = Callable[[Batch], Awaitable[None]] | Callable[[Batch], None]
Status = Literal["done", "unavailable", "rejected", "not_reached"]

# Rows of one kind and venue that are landed together: a round fits in one file, and a backfill that
# is killed repeats five to ten calls of a kind.
ROWS_PER_LANDING = 5_000


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """The outcome of one request.

    Parameters
    ----------
    request : Request
        The request.
    status : {'done', 'unavailable', 'rejected', 'not_reached'}
        ``not_reached``: the budget was spent, or the venue given up, before it was made.
    rows : int
        Records landed; some are, even for a request that failed on the way.
    message : str or None
        The error, without secrets.
    """

    request: Request
    status: Status
    rows: int = 0
    message: str | None = None


@dataclass(frozen=True, slots=True)
class RoundReport:
    """The outcome of a round.

    Parameters
    ----------
    venues : mapping of str to VenueReport
        Counters of each venue.
    outcomes : tuple of RequestOutcome
        One for each request.
    """

    venues: Mapping[str, VenueReport]
    outcomes: tuple[RequestOutcome, ...]


@dataclass(slots=True)
class _WaitingBatches:
    """Batches of one venue, landed when a kind has enough rows, and at the end."""

    land: Land
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    async def add(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self.tables.setdefault(batch.kind, []).append(batch.table)
            self.rows[batch.kind] = self.rows.get(batch.kind, 0) + batch.table.num_rows
            if self.rows[batch.kind] >= ROWS_PER_LANDING:
                await self.flush(batch.kind)

    async def flush(self, kind: str) -> None:
        tables = self.tables.pop(kind, [])
        self.rows.pop(kind, None)
        if tables:
            landed = self.land(Batch(kind, pa.concat_tables(tables).combine_chunks()))
            if landed is not None:
                # A budget that ends here must not lose what was fetched.
                landing = asyncio.ensure_future(landed)
                try:
                    await asyncio.shield(landing)
                except asyncio.CancelledError:
                    await landing
                    raise

    async def flush_all(self) -> None:
        for kind in list(self.tables):
            await self.flush(kind)


async def run_round(
    clients: Sequence[VenueClient],
    requests: Sequence[Request],
    land: Land,
    *,
    budget_seconds: float | None = None,
    previous: Mapping[str, Mapping[str, Observation]] | None = None,
) -> RoundReport:
    """Return the outcome of requests to venues side by side; records go to `land` on the way.

    A venue that is down or slow only costs its own requests. Requests to a venue are started in
    the order given, some at a time, so the most important should come first. Where one response
    serves several requests (open interest, liquidations and ratios of one endpoint), it is
    requested once.

    Parameters
    ----------
    clients : sequence of VenueClient
        Open clients, one for each venue.
    requests : sequence of Request
        Requests to make; those to a venue without a client raise `ValueError`.
    land : Callable
        Receives each batch, one at a time for each venue; may be asynchronous. Its errors end the
        round.
    budget_seconds : float, optional
        For each venue.
    previous : mapping of str to mapping, optional
        By venue and instrument: the last accepted open interest.
    """
    by_venue: dict[str, list[Request]] = {client.venue.name: [] for client in clients}
    for request in requests:
        if request.venue not in by_venue:
            raise ValueError(
                f"a request names {request.venue!r}, but clients are open for {', '.join(by_venue)}"
            )
        by_venue[request.venue].append(request)
    runs = [
        _VenueRun(
            client,
            by_venue[client.venue.name],
            _WaitingBatches(land),
            (previous or {}).get(client.venue.name, {}),
        )
        for client in clients
    ]
    try:
        async with asyncio.TaskGroup() as group:
            for run in runs:
                group.create_task(run.run(budget_seconds))
    except BaseExceptionGroup as exc:
        # What `land` raises says what to do; the group around it does not.
        raise _first_error(exc) from None
    outcomes = tuple(outcome for run in runs for outcome in run.all_outcomes())
    return RoundReport({client.venue.name: client.report() for client in clients}, outcomes)


def _first_error(exc: BaseException) -> BaseException:
    """Return the first error of a group, through groups within groups."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc


@dataclass(slots=True)
class _VenueRun:
    """The requests of a round to one venue, and their outcomes by number."""

    client: VenueClient
    requests: Sequence[Request]
    waiting: _WaitingBatches
    previous: Mapping[str, Observation]
    outcomes: dict[int, RequestOutcome] = field(default_factory=dict)
    served_by: dict[int, int] = field(default_factory=dict)

    async def run(self, budget_seconds: float | None) -> None:
        self.client.allow(budget_seconds)
        if not self.requests:
            return
        name = self.client.venue.name
        try:
            async with asyncio.timeout(budget_seconds):
                await self._make_requests()
        except TimeoutError:
            logger.warning("%s: the budget of %s s is spent", name, budget_seconds)
        finally:
            # Also where the round is cancelled: what was fetched may not be available again.
            await self.waiting.flush_all()
        report = self.client.report()
        logger.info(
            "%s: %d calls, %d records, %d quarantined, %d repeated, %.1f s",
            name,
            report.calls,
            report.rows,
            report.quarantined,
            report.retries,
            report.seconds,
        )

    def all_outcomes(self) -> list[RequestOutcome]:
        """Return the outcome of each request; one that another served shares its status."""
        spent = f"{self.client.venue.name}: the time budget was spent; the next run continues"
        found = []
        for number, request in enumerate(self.requests):
            own = self.outcomes.get(number)
            server = self.outcomes.get(self.served_by.get(number, number))
            if own is None and server is not None:
                own = RequestOutcome(request, server.status, 0, server.message)
            found.append(own or RequestOutcome(request, "not_reached", message=spent))
        return found

    async def _make_requests(self) -> None:
        try:
            known = await self.client.known_instruments()
        except SourceError as exc:
            # Without a list of contracts no request can be made.
            status: Status = "unavailable" if isinstance(exc, VenueUnavailable) else "rejected"
            for number, request in enumerate(self.requests):
                self.outcomes[number] = RequestOutcome(request, status, message=str(exc))
            return
        self.served_by = _find_servers(self.requests, known)
        own = [number for number, server in self.served_by.items() if server == number]
        queue = iter(own)

        async def work() -> None:
            for number in queue:
                self.outcomes[number] = await self._make_request(self.requests[number])

        # The client keeps the venue's rate limits; this only bounds how many are started.
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.client.concurrency, len(own))):
                group.create_task(work())

    async def _make_request(self, request: Request) -> RequestOutcome:
        rows = 0
        try:
            async for batches in self.client.fetch(request, self.previous):
                rows += sum(batch.table.num_rows for batch in batches if batch.kind != "quarantine")
                await self.waiting.add(batches)
        except RequestSkipped as exc:
            return RequestOutcome(request, "not_reached", rows, str(exc))
        except VenueUnavailable as exc:
            return RequestOutcome(request, "unavailable", rows, str(exc))
        except VenueRejected as exc:
            return RequestOutcome(request, "rejected", rows, str(exc))
        return RequestOutcome(request, "done", rows)


def _find_servers(requests: Sequence[Request], known: Mapping[str, Instrument]) -> dict[int, int]:
    """Return, for each request, the number of the one whose responses serve it: mostly itself."""
    served_by = {number: number for number in range(len(requests))}
    first_of: dict[tuple[str, object, object, object], int] = {}
    for number, request in enumerate(requests):
        instrument = known.get(request.instruments[0]) if len(request.instruments) == 1 else None
        if instrument is None or request.start is None:
            continue
        for spec in specs_of(instrument.product, request.kind)[:1]:
            endpoint = endpoints_of(spec)[0]
            if len(specs_of_call(instrument.product, endpoint)) < 2:
                continue
            key = (instrument.instrument, endpoint.method, request.start, request.end)
            served_by[number] = first_of.setdefault(key, number)
    return served_by
