"""Several venues asked at once, each at its own cost: what came is landed, what failed is told.

Belongs here: running requests side by side under budgets, gathering batches, outcomes. Does not
belong here: which requests to make (jobs know watermarks and gaps), how one venue is asked
(`sources.venues.client`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from sources.errors import SourceError, VenueRejected, VenueUnavailable
from sources.records import Batch
from sources.venues.client import Request, VenueClient, readings_of, readings_of_call
from sources.venues.pacer import RequestSkipped, VenueReport
from sources.venues.plausibility import Observation

logger = logging.getLogger(__name__)

Land = Callable[[Batch], Awaitable[None]] | Callable[[Batch], None]
Status = Literal["done", "unavailable", "rejected", "not_reached"]

# Rows of one kind and venue that are landed together: a round's worth in one file, and a backfill
# that is killed asks again for five to ten answers of a kind.
ROWS_PER_LANDING = 5_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one request came to.

    Parameters
    ----------
    request : Request
        What was asked.
    status : {'done', 'unavailable', 'rejected', 'not_reached'}
        ``done``: answered to its end, even if with no rows. ``unavailable``: may work later.
        ``rejected``: never will. ``not_reached``: the budget ended, or the venue was given up,
        before it was through.
    rows : int
        Records that were landed of it; less than asked for where it failed on the way.
    message : str or None
        What went wrong, without secrets.
    """

    request: Request
    status: Status
    rows: int = 0
    message: str | None = None


@dataclass(frozen=True, slots=True)
class RoundReport:
    """What a round came to.

    Parameters
    ----------
    venues : mapping of str to VenueReport
        Counters of each venue.
    outcomes : tuple of Outcome
        One for each request.
    """

    venues: Mapping[str, VenueReport]
    outcomes: tuple[Outcome, ...]


@dataclass(slots=True)
class _Gathering:
    """Batches of one venue, landed when a kind has enough rows, and at the end."""

    land: Land
    waiting: dict[str, list[pa.Table]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    async def add(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self.waiting.setdefault(batch.kind, []).append(batch.table)
            self.rows[batch.kind] = self.rows.get(batch.kind, 0) + batch.table.num_rows
            if self.rows[batch.kind] >= ROWS_PER_LANDING:
                await self.flush(batch.kind)

    async def flush(self, kind: str) -> None:
        tables = self.waiting.pop(kind, [])
        self.rows.pop(kind, None)
        if tables:
            landed = self.land(Batch(kind, pa.concat_tables(tables).combine_chunks()))
            if landed is not None:
                # A budget that ends now must not cost what has been fetched.
                landing = asyncio.ensure_future(landed)
                try:
                    await asyncio.shield(landing)
                except asyncio.CancelledError:
                    await landing
                    raise

    async def flush_all(self) -> None:
        for kind in list(self.waiting):
            await self.flush(kind)


async def run_round(
    clients: Sequence[VenueClient],
    requests: Sequence[Request],
    land: Land,
    *,
    budget_seconds: float | None = None,
    previous: Mapping[str, Mapping[str, Observation]] | None = None,
) -> RoundReport:
    """Return what asking venues side by side came to; records go to `land` on the way.

    A venue that is down or slow costs its own requests only. Requests of a venue are begun in the
    order given, some at a time, so what matters most comes first. Where one answer serves several
    requests (open interest, liquidations and ratios of one endpoint), it is asked for once.

    Parameters
    ----------
    clients : sequence of VenueClient
        Open clients, one for each venue.
    requests : sequence of Request
        What to ask; those of a venue without a client raise `ValueError`.
    land : Callable
        Takes each batch, one at a time for each venue; may be asynchronous. What it raises ends
        the round.
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
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                _ask_venue(
                    client,
                    by_venue[client.venue.name],
                    land,
                    budget_seconds,
                    (previous or {}).get(client.venue.name, {}),
                )
            )
            for client in clients
        ]
    outcomes = tuple(outcome for task in tasks for outcome in task.result())
    return RoundReport({client.venue.name: client.report() for client in clients}, outcomes)


async def _ask_venue(
    client: VenueClient,
    requests: Sequence[Request],
    land: Land,
    budget_seconds: float | None,
    previous: Mapping[str, Observation],
) -> list[Outcome]:
    client.allow(budget_seconds)
    gathering = _Gathering(land)
    outcomes: dict[int, Outcome] = {}
    if not requests:
        return []
    served_by: dict[int, int] = {}

    async def ask_all() -> None:
        served_by.update(await _requests_served_by(client, requests, outcomes))
        own = [number for number in range(len(requests)) if served_by.get(number) == number]
        queue = iter(own)

        async def worker() -> None:
            for number in queue:
                outcomes[number] = await _ask(client, requests[number], gathering, previous)

        # The venue's pace is kept within the client; this only bounds how much is begun.
        async with asyncio.TaskGroup() as group:
            for _ in range(min(client.concurrency, len(own))):
                group.create_task(worker())

    try:
        async with asyncio.timeout(budget_seconds):
            await ask_all()
    except TimeoutError:
        logger.warning("%s: the budget of %s s is spent", client.venue.name, budget_seconds)
    finally:
        # Also where the round is cancelled: what has been fetched may not be had again.
        await gathering.flush_all()
    for number, request in enumerate(requests):
        server = served_by.get(number, number)
        if number not in outcomes and server in outcomes:
            other = outcomes[server]
            outcomes[number] = Outcome(request, other.status, 0, other.message)
    report = client.report()
    logger.info(
        "%s: %d calls, %d records, %d quarantined, %d repeated, %.1f s",
        client.venue.name,
        report.asked,
        report.rows,
        report.quarantined,
        report.retries,
        report.seconds,
    )
    return [
        outcomes.get(
            number,
            Outcome(
                request,
                "not_reached",
                message=f"{client.venue.name}: the time budget was spent; the next run goes on",
            ),
        )
        for number, request in enumerate(requests)
    ]


async def _ask(
    client: VenueClient,
    request: Request,
    gathering: _Gathering,
    previous: Mapping[str, Observation],
) -> Outcome:
    rows = 0
    try:
        async for batches in client.fetch(request, previous):
            rows += sum(batch.table.num_rows for batch in batches if batch.kind != "quarantine")
            await gathering.add(batches)
    except RequestSkipped as exc:
        return Outcome(request, "not_reached", rows, str(exc))
    except VenueUnavailable as exc:
        return Outcome(request, "unavailable", rows, str(exc))
    except VenueRejected as exc:
        return Outcome(request, "rejected", rows, str(exc))
    return Outcome(request, "done", rows)


async def _requests_served_by(
    client: VenueClient, requests: Sequence[Request], outcomes: dict[int, Outcome]
) -> dict[int, int]:
    """Return, for each request, the number of the one whose answers serve it: itself, mostly.

    Where the venue's contracts cannot be listed, nothing can be asked: every outcome says so.
    """
    try:
        known = await client.known_instruments()
    except SourceError as exc:
        status: Status = "unavailable" if isinstance(exc, VenueUnavailable) else "rejected"
        for number, request in enumerate(requests):
            outcomes[number] = Outcome(request, status, message=str(exc))
        return {}
    served_by = {number: number for number in range(len(requests))}
    first_of: dict[tuple[str, object, object, object], int] = {}
    for number, request in enumerate(requests):
        instrument = known.get(request.instruments[0]) if len(request.instruments) == 1 else None
        if instrument is None or request.start is None:
            continue
        for _, endpoints in readings_of(instrument.product, request.kind)[:1]:
            if len(readings_of_call(instrument.product, endpoints[0])) < 2:
                continue
            key = (instrument.instrument, endpoints[0].method, request.start, request.end)
            served_by[number] = first_of.setdefault(key, number)
    return served_by
