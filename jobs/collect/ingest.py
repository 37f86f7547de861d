"""Rounds of collection from venues: once for all that is missing, or again until a span is filled.

Belongs here: the steps of a round in their order: receive, read the warehouse, fetch, settle, send.
Does not belong here: any of the steps (`jobs.collect` lists their modules).

The warehouse is open before and after, never during requests: a round that is killed or finds the
warehouse busy has landed what it received, and the next one loads it.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from jobs.collect.fetch import RoundResult, fetch_round
from jobs.collect.receive_landing import receive_landing
from jobs.collect.round_report import IngestReport
from jobs.collect.scope import Clock, Effort, Scope, configured_universe
from jobs.collect.send_landing import send_landing
from jobs.collect.settle import settle_round
from jobs.collect.warehouse_state import WarehouseState, read_warehouse_state
from jobs.errors import AllVenuesFailed
from jobs.runs import Run, run_file
from jobs.settings import Settings
from sources.universe import Universe
from warehouse.errors import WarehouseBusy

logger = logging.getLogger(__name__)

_ROUND = Effort()
_BACKFILL_ROUND = Effort(budget_seconds=600.0)


def ingest(
    settings: Settings,
    *,
    clock: Clock,
    universe: Universe | None = None,
    effort: Effort = _ROUND,
    has_backoff: bool = True,
) -> IngestReport:
    """Request all that is missing from venues, load it and return the report.

    Parameters
    ----------
    settings, clock, effort, has_backoff
        As in `Scope`.
    universe : Universe, optional
        What to follow; by default the universe file's.

    Raises
    ------
    AllVenuesFailed
        No venue answered anything.
    InputRejected
        The universe file cannot be used.
    """
    with run_file(settings, "ingest") as run:
        universe = universe or configured_universe(settings)
        scope = Scope(settings, clock, universe, effort, has_backoff=has_backoff)
        received = receive_landing(settings, at=clock(), own_venues=universe.venues)
        try:
            known = read_warehouse_state(scope)
        except WarehouseBusy as exc:
            logger.warning("requesting the last hour without the ledger: %s", exc)
            known = WarehouseState(is_blind=True)
        report = _settle_and_send(scope, known, asyncio.run(fetch_round(scope, known)), run)
        return replace(report, transfer=received or report.transfer)


def backfill(
    settings: Settings,
    *,
    clock: Clock,
    start: datetime,
    end: datetime | None = None,
    universe: Universe | None = None,
    effort: Effort = _BACKFILL_ROUND,
    on_round: Callable[[IngestReport], None] = lambda _: None,
) -> IngestReport:
    """Request what is missing of a span until nothing more comes; return the last round's report.

    It may be stopped at any time: what is loaded is no longer missing, so the next run continues.

    Parameters
    ----------
    settings, clock, universe
        As for `ingest`.
    start, end : datetime
        Instants wanted, UTC; the end is now where not given.
    effort : Effort
        As for `ingest`. What has landed is loaded each time the budget is spent.
    on_round : callable
        Takes each round's report.

    Raises
    ------
    AllVenuesFailed
        No venue answered anything.
    """
    universe = universe or configured_universe(settings)
    is_first = True
    while True:
        with run_file(settings, "backfill") as run:
            now = clock()
            span = (start, min(end or now, now))
            scope = Scope(settings, clock, universe, effort, span, has_backoff=False)
            known = read_warehouse_state(scope)
            report = _settle_and_send(scope, known, asyncio.run(fetch_round(scope, known)), run)
        on_round(report)
        # A round that brings nothing new ends it: venues do not have what is left.
        has_stalled = not is_first and report.row_count == 0
        if report.undone_count == 0 or report.loaded is None or has_stalled:
            return report
        is_first = False


def _settle_and_send(
    scope: Scope, known: WarehouseState, result: RoundResult, run: Run
) -> IngestReport:
    """Settle a round, then send what has landed, where the home is a collector.

    Raises
    ------
    AllVenuesFailed
        No venue answered anything; what landed before is sent all the same.
    """
    try:
        report = settle_round(scope, known, result, run)
    except AllVenuesFailed:
        send_landing(scope.settings, at=scope.clock())
        raise
    return replace(report, transfer=send_landing(scope.settings, at=scope.clock()))
