"""The state of the pipeline, from what is published, landed and on record.

Belongs here: reading the published file, the landing folder and the records of runs. The warehouse
stays shut: status must work while something else is writing, or has died writing. What is wrong
with that state is in ``problems``.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobs.collect.stream import REPORT_FILE
from jobs.collect.transfer_report import TransferReport
from jobs.positions.collector_report import CollectorReport
from jobs.read import problems
from jobs.read.collector_status import read_collector
from jobs.read.problems import VenueStatus
from jobs.read.query import open_reader, published_file
from jobs.read.transfers import read_transfer
from jobs.runs import Run, read_runs, runs_folder
from jobs.settings import Settings
from warehouse.errors import WarehouseError
from warehouse.queries import named_query
from warehouse.read import Reader

_QUARANTINE_DAYS = 7


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The last run of one job, as in ``jobs.runs.Run``."""

    job: str
    status: str
    started_at: datetime
    seconds: float | None
    rows: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the pipeline.

    Parameters
    ----------
    published_at : datetime or None
        When the readers' file was written.
    newest_map_at : datetime or None
        The newest hour in it.
    waiting_files : int
        Landing files that came after it.
    venues : tuple of VenueStatus
        By name.
    runs : tuple of RunStatus
        The last of each job, newest first.
    problems : tuple of str
        What is wrong and what to do; empty where all is well.
    collector : CollectorReport or None
        The last report of the collector of positions; None where it never ran.
    transfer : TransferReport or None
        The last transfer through the shared landing; None where there was none.
    """

    published_at: datetime | None
    newest_map_at: datetime | None
    waiting_files: int
    venues: tuple[VenueStatus, ...]
    runs: tuple[RunStatus, ...]
    problems: tuple[str, ...]
    collector: CollectorReport | None = None
    transfer: TransferReport | None = None


@dataclass(frozen=True, slots=True)
class _Published:
    """What the published file says; empty where there is none or it cannot be read."""

    newest_map_at: datetime | None = None
    venues: Mapping[str, VenueStatus] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_status(settings: Settings, *, now: datetime) -> Status:
    """Return the state of the pipeline at a time.

    Parameters
    ----------
    settings : Settings
        Where things are.
    now : datetime
        The time, UTC.
    """
    published_at = _modified(published_file(settings))
    if published_at is None:
        return _status(settings, _Published(), None, now)
    try:
        with open_reader(settings) as reader:
            return status_of(reader, settings, now=now)
    except WarehouseError as exc:
        return _status(settings, _unreadable(exc), published_at, now)


def status_of(reader: Reader, settings: Settings, *, now: datetime) -> Status:
    """Return the state of the pipeline at a time, what is published through an open reader.

    Parameters
    ----------
    reader : Reader
        The published file.
    settings, now
        As in ``read_status``.
    """
    try:
        published = _read_published(reader, now)
    except WarehouseError as exc:
        published = _unreadable(exc)
    return _status(settings, published, _modified(published_file(settings)), now)


def _status(
    settings: Settings, published: _Published, published_at: datetime | None, now: datetime
) -> Status:
    transfer, transfer_problems = read_transfer(settings, now)
    landed = _landed(settings.landing)
    is_collector = settings.send_to is not None
    if is_collector and transfer is not None:
        # What was sent has left the landing folder.
        for venue, at in transfer.cards[0].newest.items():
            landed[venue].append(at)
    waiting = [at for ats in landed.values() for at in ats if published_at and at > published_at]
    last = _last_runs(settings)
    last_round = next(
        (run for job, run in last.items() if job in ("ingest", "backfill") and run.detail), None
    )
    messages = _messages(last_round)
    collector, collector_problems = read_collector(settings, now)
    followed = {name for name, counts in published.venues.items() if counts.feeds}
    venues = tuple(
        replace(
            published.venues.get(name, VenueStatus(name)),
            landed_at=max(landed.get(name, []), default=None),
            message=messages.get(name),
        )
        for name in sorted(followed | {name for name in landed if messages.get(name)})
    )
    return Status(
        published_at=published_at,
        newest_map_at=published.newest_map_at,
        waiting_files=len(waiting),
        venues=venues,
        runs=tuple(
            RunStatus(run.job, run.status, run.started_at, run.seconds, run.row_count, run.error)
            for run in last.values()
        ),
        problems=_without_contained(
            *problems.of_home(settings.home),
            # A collector need not publish anything.
            *(() if is_collector else problems.of_publication(published_at, now)),
            *published.problems,
            *problems.of_waiting_files(waiting, now),
            *problems.of_newest_map(published.newest_map_at, now),
            *problems.of_runs(last, now),
            *problems.of_venues(venues, now),
            *problems.of_unreached_venues(settings, last_round, followed | landed.keys(), messages),
            *problems.of_recorder(settings.home / REPORT_FILE, now),
            *collector_problems,
            *transfer_problems,
        ),
        collector=collector,
        transfer=transfer,
    )


def _without_contained(*found: str) -> tuple[str, ...]:
    """Return problems without those that another one quotes, as a failed run does its cause."""
    return tuple(
        one
        for one in dict.fromkeys(found)
        if not any(one != other and one in other for other in found)
    )


def _unreadable(error: WarehouseError) -> _Published:
    return _Published(problems=(f"the published file cannot be read: {error}",))


def _read_published(reader: Reader, now: datetime) -> _Published:
    newest = reader.execute("select max(as_of) from marts.market_context_hourly").fetchall()
    since = now - timedelta(days=_QUARANTINE_DAYS)
    reader.execute(named_query("venue_status"), {"since": since})
    columns, rows = reader.columns, list(reader.rows())
    venues = (VenueStatus(**dict(zip(columns, row, strict=True))) for row in rows)
    return _Published(newest[0][0], {one.venue: one for one in venues})


def _last_runs(settings: Settings) -> dict[str, Run]:
    """Return the last run of each job, newest first."""
    last: dict[str, Run] = {}
    for run in reversed(read_runs(runs_folder(settings))):
        last.setdefault(run.job, run)
    return last


def _messages(last_round: Run | None) -> dict[str, str]:
    """Return the first message of each venue in a round."""
    venues = {} if last_round is None else last_round.detail.get("venues", {})
    return {name: said["messages"][0] for name, said in venues.items() if said.get("messages")}


def _modified(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    except FileNotFoundError:
        return None


def _landed(landing: Path) -> dict[str, list[datetime]]:
    """Return when files of each venue landed; a file's name begins with the venue."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for path in landing.glob("*/*.parquet"):
        at = _modified(path)
        if at is not None:
            found[path.name.removeprefix("stream-").partition("-")[0]].append(at)
    return found
