"""One round over venues: list contracts, plan requests, send them, land what is new.

Belongs here: the order of a round while the warehouse is closed. Does not belong here: what to
request (`jobs.collect.plan`), requests to one venue (`sources.venues`), loading
(`jobs.collect.settle`).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from jobs.collect.followed_feeds import FollowedFeed, followed_feeds
from jobs.collect.listings import choose_contracts, land_contracts, list_contracts, open_clients
from jobs.collect.new_rows import NewRowLander
from jobs.collect.plan import bracket_requests, clip_requests, plan_requests
from jobs.collect.reference_data import fetch_reference_data
from jobs.collect.round_report import VenueOutcome
from jobs.collect.scope import Scope, venue_connections
from jobs.collect.warehouse_state import WarehouseState
from jobs.instants import HOUR
from jobs.writer import open_writer
from sources.universe import Change
from sources.venues.pacer import VenueReport
from sources.venues.rounds import RequestOutcome, run_round
from warehouse.errors import WarehouseBusy
from warehouse.feed_ledger import read_feeds, read_gaps, refresh_gaps, write_feeds

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What a round achieved, apart from the files it landed.

    Parameters
    ----------
    reports : mapping of str to VenueReport
        Counts of each venue.
    outcomes : tuple of RequestOutcome
        One for each request.
    followed : tuple of FollowedFeed
        Feeds followed from now on.
    listed_venues : tuple of str
        Venues that listed their contracts.
    failures : mapping of str to str
        Why others did not.
    change : Change
        Contracts that started or stopped trading.
    reference : mapping of str to VenueOutcome
        RequestOutcome of each source that is no venue.
    row_count : int
        Records landed.
    """

    reports: Mapping[str, VenueReport]
    outcomes: tuple[RequestOutcome, ...]
    followed: tuple[FollowedFeed, ...]
    listed_venues: tuple[str, ...]
    failures: Mapping[str, str]
    change: Change
    reference: Mapping[str, VenueOutcome]
    row_count: int


async def fetch_round(scope: Scope, known: WarehouseState) -> RoundResult:
    """Request what is missing of what is followed, land it and return what came of it.

    Parameters
    ----------
    scope : Scope
        What to collect.
    known : WarehouseState
        What the warehouse has.
    """
    lander = NewRowLander(scope.settings.landing, known, scope.clock())
    connections = venue_connections(scope.settings, scope.universe.venues)
    budget = scope.effort.budget_seconds
    async with open_clients(scope, connections) as clients:
        listed = await list_contracts(clients, budget)
        usable = [client for client in clients if client.venue.name in listed.instruments]
        contracts = await choose_contracts(scope, usable, listed, known)
        change = await land_contracts(usable, listed, known, scope.clock, lander)
        now = scope.clock()
        history = _history(scope, known, now)
        followed = [
            feed for one in contracts for feed in followed_feeds(one, now=now, history=history)
        ]
        venues = tuple(listed.instruments)
        planned = _with_new_feeds(scope, known, followed, venues, now)
        requests = plan_requests(
            followed,
            planned.feeds,
            planned.gaps,
            now=now,
            has_backoff=scope.has_backoff,
            is_thorough=scope.is_thorough,
        )
        if scope.span is not None:
            requests = clip_requests(requests, scope.span)
        else:
            requests += bracket_requests(contracts, connections, known.brackets, now)
        reference = asyncio.create_task(
            fetch_reference_data(scope.settings, known, now, history, lander)
        )
        try:
            report = await run_round(
                usable, requests, lander, budget_seconds=budget, previous=known.interest
            )
            reference_outcomes = await reference
        finally:
            reference.cancel()
        return RoundResult(
            reports={client.venue.name: client.report() for client in clients},
            outcomes=report.outcomes,
            followed=tuple(followed),
            listed_venues=venues,
            failures=listed.failures,
            change=change,
            reference=reference_outcomes,
            row_count=lander.row_count,
        )


def _history(scope: Scope, known: WarehouseState, now: datetime) -> timedelta:
    """Return how far back to request what is followed for the first time."""
    history = HOUR if known.is_blind else timedelta(days=scope.settings.history_days)
    return history if scope.span is None else max(history, now - scope.span[0])


def _with_new_feeds(
    scope: Scope,
    known: WarehouseState,
    followed: Sequence[FollowedFeed],
    venues: Sequence[str],
    now: datetime,
) -> WarehouseState:
    """Return what is known, after comparing feeds that are new with raw.

    They are stored before anything is requested: the round after one that was killed continues
    there, and a rebuilt warehouse requests nothing it already has. While the warehouse is busy all
    of it is requested, and the end of the round stores the feeds.
    """
    if known.is_blind or all(one.feed.key in known.feeds for one in followed):
        return known
    feeds = [one.feed for one in followed]
    try:
        with open_writer(scope.settings) as connection:
            write_feeds(connection, feeds, venues=venues, at=now)
            start = min(feed.expected_from_at for feed in feeds)
            refresh_gaps(connection, start, now, checked_at=now)
            return replace(known, feeds=read_feeds(connection), gaps=read_gaps(connection))
    except WarehouseBusy as exc:
        logger.warning("new feeds are stored at the end of the round: %s", exc)
        return known
