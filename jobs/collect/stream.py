"""Recording realised liquidations as venues stream them, until told to stop.

Belongs here: which feeds, where their records land, how they fare for `liqheat status`. Does not
belong here: keeping feeds alive (`sources.recorder`).
"""

import asyncio
import json
import logging
import random
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from jobs.collect.landing import land, landing_name, write_whole
from jobs.collect.scope import configured_universe, venue_connections
from jobs.errors import NothingToDo
from jobs.settings import Settings
from sources.errors import SourceError
from sources.recorder import Feed, FeedReport, Patience, record
from sources.records import Batch
from sources.universe import Listing, Universe, choose_instruments
from sources.venues.client import VenueClient
from sources.venues.connection import Connection
from sources.venues.declared import VENUES

__all__ = ["REPORT_FILE", "FeedReport", "record_liquidations", "write_report"]

logger = logging.getLogger(__name__)

REPORT_FILE = "recorder.json"


def record_liquidations(
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    universe: Universe | None = None,
    seconds: float | None = None,
    seed: int = 0,
    patience: Patience | None = None,
) -> tuple[FeedReport, ...]:
    """Record the liquidation feeds of the universe's venues and return how they fared.

    Ends on SIGINT or SIGTERM, after landing what it has; landing needs no warehouse. The next
    load takes in what has landed.

    Parameters
    ----------
    settings : Settings
        Where things are, and how venues are reached.
    clock : callable
        Tells the time, UTC.
    universe : Universe, optional
        What is followed; by default what the universe file says. Without named assets all
        contracts of its venues are recorded.
    seconds : float, optional
        How long; by default until told to stop.
    seed : int
        For the jitter before reconnecting.
    patience : Patience, optional
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
    return asyncio.run(_record(settings, clock, universe, venues, seconds, seed, patience))


async def _record(
    settings: Settings,
    clock: Callable[[], datetime],
    universe: Universe,
    venues: Sequence[str],
    seconds: float | None,
    seed: int,
    patience: Patience | None,
) -> tuple[FeedReport, ...]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Outside the main thread there are no signals to wait for.
    with suppress(ValueError, NotImplementedError, RuntimeError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    if seconds is not None:
        loop.call_later(seconds, stop.set)
    connections = venue_connections(settings, venues)
    chosen = await _chosen(universe, venues, connections, clock, seed)
    feeds = [Feed(name, chosen.get(name, ()), connections[name]) for name in venues]

    def take(batch: Batch) -> None:
        land(batch, settings.landing, landing_name(batch, clock(), prefix="stream-"))

    return await record(
        feeds,
        take,
        stop,
        clock=clock,
        rng=random.Random(seed),  # noqa: S311  (jitter)
        patience=patience,
        on_report=lambda reports: write_report(settings.home / REPORT_FILE, reports, clock()),
    )


async def _chosen(
    universe: Universe,
    venues: Sequence[str],
    connections: dict[str, Connection],
    clock: Callable[[], datetime],
    seed: int,
) -> dict[str, tuple[str, ...]]:
    """Return the instruments of each venue, where assets are named and the venue lists them."""
    if not universe.assets:
        return {}
    listings: list[Listing] = []
    async with AsyncExitStack() as stack:
        for name in venues:
            client = await stack.enter_async_context(
                VenueClient(
                    name,
                    clock=clock,
                    rng=random.Random(seed),  # noqa: S311  (jitter)
                    connection=connections[name],
                )
            )
            client.allow(60.0)
            try:
                known = await client.known_instruments()
            except SourceError as exc:
                logger.warning("recording all contracts of %s: %s", name, exc)
                continue
            listings += [
                Listing(name, instrument, one.asset, one.is_active)
                for instrument, one in known.items()
            ]
    chosen: dict[str, tuple[str, ...]] = {}
    for one in choose_instruments(universe, listings):
        chosen[one.venue] = (*chosen.get(one.venue, ()), one.instrument)
    return chosen


def write_report(path: Path, reports: Sequence[FeedReport], at: datetime) -> None:
    """Write how feeds fare, whole or not at all."""
    feeds = [asdict(report) for report in reports]
    for feed in feeds:
        feed["outages"] = feed["outages"][-20:]
    said = {"at": at.isoformat(), "feeds": feeds}
    write_whole(path, json.dumps(said, default=str, indent=1).encode())
