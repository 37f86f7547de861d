"""The end of a round: load what has landed, bring the ledger up to date, report.

Belongs here: what the warehouse learns from a round. Does not belong here: loading a file
(`warehouse.load`), the tables of the ledger (`warehouse.feed_ledger`).
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from duckdb import DuckDBPyConnection

from jobs.collect.fetch import RoundResult
from jobs.collect.round_report import IngestReport, VenueOutcome, summarise_venue
from jobs.collect.scope import Scope
from jobs.collect.warehouse_state import RECENT, WarehouseState
from jobs.errors import AllVenuesFailed
from jobs.runs import Run, recorded_run
from jobs.writer import open_writer
from sources.venues.request import Request
from sources.venues.rounds import RequestOutcome
from warehouse.errors import WarehouseBusy
from warehouse.feed_ledger import GRACE, AnsweredRequest, note_answers, refresh_gaps, write_feeds
from warehouse.load import load_landing_files

logger = logging.getLogger(__name__)


def settle_round(
    scope: Scope, known: WarehouseState, result: RoundResult, run: Run
) -> IngestReport:
    """Load what has landed, update the ledger of feeds, record the run and return the report.

    Raises
    ------
    AllVenuesFailed
        No venue answered anything.
    """
    venues = _summarise_venues(result)
    report = IngestReport(
        venues={**venues, **result.reference},
        listed=tuple(f"{one.venue}:{one.instrument}" for one in result.change.listed),
        delisted=tuple(f"{one.venue}:{one.instrument}" for one in result.change.delisted),
        row_count=result.row_count,
        undone_count=sum(one.status != "done" for one in result.outcomes),
    )
    run.row_count = result.row_count
    run.detail = report.detail()

    settings, wait_seconds = scope.settings, scope.effort.wait_seconds
    try:
        with (
            open_writer(settings, wait_seconds=wait_seconds) as connection,
            recorded_run(connection, run),
        ):
            loaded = load_landing_files(
                connection, settings.landing, run_id=run.run_id, loaded_at=scope.clock()
            )
            run.detail = replace(report, loaded=loaded).detail()
            _update_ledger(scope, connection, known, result)
            _require_an_answer(venues)
    except WarehouseBusy as exc:
        logger.warning("the next run loads what has landed: %s", exc)
        return report
    for name, one in report.venues.items():
        for message in one.messages:
            logger.warning("%s: %s", name, message.removeprefix(f"{name}: "))
    return replace(report, loaded=loaded)


def _summarise_venues(result: RoundResult) -> dict[str, VenueOutcome]:
    outcomes: dict[str, list[RequestOutcome]] = defaultdict(list)
    for outcome in result.outcomes:
        outcomes[outcome.request.venue].append(outcome)
    instruments: dict[str, set[str]] = defaultdict(set)
    for one in result.followed:
        instruments[one.feed.venue].add(one.feed.instrument)
    return {
        name: summarise_venue(
            report, outcomes[name], len(instruments[name]), result.failures.get(name)
        )
        for name, report in result.reports.items()
    }


def _require_an_answer(venues: Mapping[str, VenueOutcome]) -> None:
    if venues and all(one.has_failed for one in venues.values()):
        first = next(message for one in venues.values() for message in one.messages)
        raise AllVenuesFailed(
            f"none of {', '.join(venues)} answered; the first error: {first}. Check the network, "
            "then run `liqheat ingest` again: it requests what is missing"
        )


def _update_ledger(
    scope: Scope, connection: DuckDBPyConnection, known: WarehouseState, result: RoundResult
) -> None:
    now = scope.clock()
    if not known.is_blind:
        feeds = [one.feed for one in result.followed]
        write_feeds(connection, feeds, venues=result.listed_venues, at=now)
    periods = {one.feed.key: one.feed.period_seconds for one in result.followed}

    def is_regular(request: Request) -> bool:
        return periods.get((request.venue, request.instruments[0], request.kind), 0) > 0

    # Irregular feeds have no gaps; they request a day again instead.
    starts = [
        one.request.start
        for one in result.outcomes
        if one.request.start is not None and is_regular(one.request)
    ]
    start = min([now - RECENT, *starts, *([scope.span[0]] if scope.span else [])])
    refresh_gaps(connection, start, now - GRACE, checked_at=now)
    regular: list[AnsweredRequest] = []
    irregular: list[AnsweredRequest] = []
    for outcome in result.outcomes:
        request = outcome.request
        if outcome.status != "done" or request.start is None or request.end is None:
            continue
        answer = AnsweredRequest(
            request.venue, request.instruments[0], request.kind, request.start, request.end, now
        )
        (regular if is_regular(request) else irregular).append(answer)
    note_answers(connection, _joined(regular), irregular)


def _joined(answers: Iterable[AnsweredRequest]) -> list[AnsweredRequest]:
    """Return answers, adjoining ones of a feed made one: long spans are requested in pieces."""
    joined: list[AnsweredRequest] = []
    ordered = sorted(
        answers, key=lambda one: (one.venue, one.instrument, one.kind, one.asked_from_at)
    )
    for one in ordered:
        last = joined[-1] if joined else None
        if (
            last is not None
            and (last.venue, last.instrument, last.kind) == (one.venue, one.instrument, one.kind)
            and one.asked_from_at <= last.asked_to_at
        ):
            joined[-1] = replace(last, asked_to_at=max(last.asked_to_at, one.asked_to_at))
        else:
            joined.append(one)
    return joined
