"""Recording realised liquidations as venues stream them, until it is stopped.

Belongs here: which feeds to record, where their records land, their state for `liqheat status`.
Does not belong here: keeping feeds alive (`sources.recorder`).
"""

import asyncio
import json
import logging
import random
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

from jobs.collect.landing import land, landing_name
from jobs.collect.listings import list_contracts, open_clients
from jobs.collect.scope import Clock, Effort, Scope, configured_universe, venue_connections
from jobs.errors import NothingToDo
from jobs.settings import Settings
from sources.recorder import RecorderPolicy, StreamRequest, record
from sources.records import Batch
from sources.streaming import FeedReport
from sources.universe import Universe, choose_instruments
from sources.venues.connection import Connection
from sources.venues.declared import VENUES
from warehouse.durable_files import write_whole

__all__ = ["REPORT_FILE", "FeedReport", "record_liquidations", "write_report"]

logger = logging.getLogger(__name__)

REPORT_FILE = "recorder.json"
_LISTING_SECONDS = 60.0
_OUTAGES_REPORTED = 20


def record_liquidations(
    settings: Settings,
    *,
    clock: Clock,
    universe: Universe | None = None,
    seconds: float | None = None,
    seed: int = 0,
    policy: RecorderPolicy | None = None,
) -> tuple[FeedReport, ...]:
    """Record the liquidation feeds of the universe's venues and return a report of each.

    Ends on SIGINT or SIGTERM, after landing what it has, which needs no warehouse. The next load
    takes it in.

    Parameters
    ----------
    settings, clock
        As in `Scope`.
    universe : Universe, optional
        What to follow; by default the universe file's. Without named assets, all contracts of its
        venues are recorded.
    seconds : float, optional
        How long; by default until it is stopped.
    seed : int
        Seed of the random delays before reconnecting.
    policy : RecorderPolicy, optional
        How feeds are kept alive.

    Raises
    ------
    NothingToDo
        No venue of the universe has a feed.
    """
    universe = universe or configured_universe(settings)
    venues = [name for name in universe.venues if VENUES[name].stream is not None]
    if not venues:
        have = ", ".join(name for name, venue in VENUES.items() if venue.stream is not None)
        raise NothingToDo(
            f"none of {', '.join(universe.venues)} streams liquidations; "
            f"add one of {have} to {settings.universe_file}"
        )
    followed = universe.model_copy(update={"venues": tuple(venues)})
    scope = Scope(settings, clock, followed, Effort(_LISTING_SECONDS, seed=seed))
    return asyncio.run(_record(scope, seconds, policy))


async def _record(
    scope: Scope, seconds: float | None, policy: RecorderPolicy | None
) -> tuple[FeedReport, ...]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Outside the main thread there are no signals to wait for.
    with suppress(ValueError, NotImplementedError, RuntimeError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    if seconds is not None:
        loop.call_later(seconds, stop.set)
    settings, clock = scope.settings, scope.clock
    connections = venue_connections(settings, scope.universe.venues)
    chosen = await _chosen_contracts(scope, connections)

    def take(batch: Batch) -> None:
        land(batch, settings.landing, landing_name(batch, clock(), prefix="stream-"))

    return await record(
        [
            StreamRequest(name, chosen.get(name, ()), connections[name])
            for name in scope.universe.venues
        ],
        take,
        stop,
        clock=clock,
        rng=random.Random(scope.effort.seed),  # noqa: S311  (jitter)
        policy=policy,
        on_report=lambda reports: write_report(settings.home / REPORT_FILE, reports, clock()),
    )


async def _chosen_contracts(
    scope: Scope, connections: Mapping[str, Connection]
) -> dict[str, tuple[str, ...]]:
    """Return the contracts of each venue, where assets are named and the venue lists them."""
    if not scope.universe.assets:
        return {}
    async with open_clients(scope, connections) as clients:
        listed = await list_contracts(clients, scope.effort.budget_seconds)
    for venue, message in listed.failures.items():
        logger.warning("recording all contracts of %s: %s", venue, message)
    chosen: dict[str, tuple[str, ...]] = {}
    for one in choose_instruments(scope.universe, listed.listings()):
        chosen[one.venue] = (*chosen.get(one.venue, ()), one.instrument)
    return chosen


def write_report(path: Path, reports: Sequence[FeedReport], at: datetime) -> None:
    """Write the state of feeds with their last outages, whole or not at all."""
    feeds = [asdict(replace(one, outages=one.outages[-_OUTAGES_REPORTED:])) for one in reports]
    content = {"at": at.isoformat(), "feeds": feeds}
    write_whole(path, json.dumps(content, default=str, indent=1).encode())
