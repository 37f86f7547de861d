"""The state of the pipeline, from what is published, landed and on record; and what is wrong.

Belongs here: reading the published file, the landing folder and the records of runs. The warehouse
stays shut: status must work while something else is writing, or has died writing.
"""

import os
import shutil
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, TypeAdapter

from jobs.collect.scope import configured_universe
from jobs.collect.stream import REPORT_FILE, FeedReport
from jobs.read.query import published, published_file
from jobs.runs import Run, read_runs, runs_folder
from jobs.settings import Settings
from sources.errors import SourceError
from sources.user_files import read_json
from sources.venues.declared import VENUES
from warehouse.errors import WarehouseError
from warehouse.read import Reader

# Rounds are due every five minutes, publications every hour.
_ROUND_IS_LATE = timedelta(minutes=15)
_PUBLICATION_IS_LATE = timedelta(hours=2)
# An hour is built two minutes after it has ended, so the newest map is at most two hours old.
_MAP_IS_LATE = timedelta(hours=2, minutes=30)
_RECORDER_IS_LATE = timedelta(minutes=5)
_FILES_WAIT_TOO_LONG = timedelta(minutes=30)
# With less, an hour of a few assets does not fit beside its log of changes.
_LEAST_FREE_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class VenueStatus:
    """How one venue fares.

    Parameters
    ----------
    venue : str
        Its name.
    feeds : int
        Instruments times kinds that are followed.
    newest_bar_at, newest_open_interest_at : datetime or None
        The newest published.
    landed_at : datetime or None
        When a file of it last landed.
    missing : int
        Instants missing that can still be fetched.
    lost : int
        Instants missing for good.
    quarantined : int
        Rows and answers set aside in the last seven days.
    message : str or None
        What its last round said.
    """

    venue: str
    feeds: int
    newest_bar_at: datetime | None
    newest_open_interest_at: datetime | None
    landed_at: datetime | None
    missing: int
    lost: int
    quarantined: int
    message: str | None


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
    """How the pipeline fares.

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
        What is wrong, in words; empty where all is well.
    """

    published_at: datetime | None
    newest_map_at: datetime | None
    waiting_files: int
    venues: tuple[VenueStatus, ...]
    runs: tuple[RunStatus, ...]
    problems: tuple[str, ...]


def read_status(settings: Settings, *, now: datetime) -> Status:
    """Return how the pipeline fares at a time.

    Parameters
    ----------
    settings : Settings
        Where things are.
    now : datetime
        The time, UTC.
    """
    problems = _home_problems(settings.home)
    path = published_file(settings)
    published_at = _modified(path)
    landed = _landed(settings.landing)
    waiting = [at for ats in landed.values() for at in ats if published_at and at > published_at]
    told: dict[str, Any] = {}
    if published_at is None:
        problems.append("nothing is published yet: run `liqheat run`, or `liqheat demo` to try it")
    else:
        if now - published_at > _PUBLICATION_IS_LATE:
            problems.append(
                f"the published file is {_ago(now, published_at)} old: look at the last run of "
                "publish below, then run `liqheat run`"
            )
        try:
            with published(settings) as connection:
                told = _told(connection, now)
        except WarehouseError as exc:
            problems.append(f"the published file cannot be read: {exc}")
    if waiting and now - min(waiting) > _FILES_WAIT_TOO_LONG + _PUBLICATION_IS_LATE:
        problems.append(
            f"{len(waiting)} landing files came after the last publication, the first "
            f"{_ago(now, min(waiting))} ago: run `liqheat run`"
        )
    last = _last_runs(settings)
    runs = tuple(
        RunStatus(run.job, run.status, run.started_at, run.seconds, run.row_count, run.error)
        for run in last.values()
    )
    newest_map_at = told.get("newest_map_at")
    if newest_map_at is not None and now - newest_map_at > _MAP_IS_LATE:
        problems.append(
            f"the newest map is for {newest_map_at:%Y-%m-%d %H:%M}, "
            f"{_ago(now, newest_map_at)} ago: run `liqheat ingest` and `liqheat run`, or see "
            "below what stopped them"
        )
    problems += [
        f"the last {run.job} ended as {run.status} {_ago(now, run.started_at)} ago"
        + (f": {run.error}" if run.error else "")
        for run in runs
        if run.status in ("failed", "stopped")
    ]
    problems += [
        f"{held} is held back: `liqheat check` shows what fails, `liqheat quality` the reasons"
        for job, run in last.items()
        if job == "publish"
        for held in run.detail.get("held_back", [])
    ]
    messages = _messages(last)
    feeds: Mapping[str, tuple[Any, ...]] = {row[0]: row for row in told.get("feeds", [])}
    gaps: Mapping[str, tuple[Any, ...]] = {row[0]: row for row in told.get("gaps", [])}
    aside: Mapping[str, int] = dict(told.get("quarantined", []))
    venues = []
    for name in sorted(
        {*feeds, *(venue for venue in landed if venue in feeds or messages.get(venue))}
    ):
        row, gap = feeds.get(name), gaps.get(name)
        newest_landed = max(landed.get(name, []), default=None)
        one = VenueStatus(
            venue=name,
            feeds=row[1] if row else 0,
            newest_bar_at=row[2] if row else None,
            newest_open_interest_at=row[3] if row else None,
            landed_at=newest_landed,
            missing=gap[1] if gap else 0,
            lost=gap[2] if gap else 0,
            quarantined=aside.get(name, 0),
            message=messages.get(name),
        )
        venues.append(one)
        problems += _problems_of(one, now)
    problems += _never_reached(settings, last, feeds.keys() | landed.keys(), messages)
    problems += _recorder_problems(settings.home / REPORT_FILE, now)
    return Status(
        published_at=published_at,
        newest_map_at=newest_map_at,
        waiting_files=len(waiting),
        venues=tuple(venues),
        runs=runs,
        problems=tuple(problems),
    )


def _told(connection: Reader, now: datetime) -> dict[str, Any]:
    def rows(sql: str, *values: object) -> list[tuple[Any, ...]]:
        return connection.execute(sql, list(values)).fetchall()

    newest = rows("select max(as_of) from marts.market_context_hourly")
    return {
        "newest_map_at": newest[0][0],
        "feeds": rows(
            "select venue, count(*), max(newest_at) filter (where kind = 'ohlcv'), "
            "max(newest_at) filter (where kind = 'open_interest') from marts.data_feeds "
            "where expected_until_at is null group by venue"
        ),
        "gaps": rows(
            "select venue, sum(missing_count) filter (where not is_lost)::bigint, "
            "sum(missing_count) filter (where is_lost)::bigint from marts.data_gaps group by venue"
        ),
        "quarantined": rows(
            "select venue, count(*) from quality.quarantine "
            "where ingested_at >= ? and venue is not null group by venue",
            now - timedelta(days=7),
        ),
    }


def _last_runs(settings: Settings) -> dict[str, Run]:
    """Return the last run of each job, newest first."""
    last: dict[str, Run] = {}
    for run in reversed(read_runs(runs_folder(settings))):
        last.setdefault(run.job, run)
    return last


def _last_round(last: Mapping[str, Run]) -> Run | None:
    rounds = [run for job, run in last.items() if job in ("ingest", "backfill") and run.detail]
    return rounds[0] if rounds else None


def _messages(last: Mapping[str, Run]) -> dict[str, str]:
    one = _last_round(last)
    venues = one.detail.get("venues", {}) if one is not None else {}
    return {name: said["messages"][0] for name, said in venues.items() if said.get("messages")}


def _never_reached(
    settings: Settings, last: Mapping[str, Run], known: Set[str], messages: Mapping[str, str]
) -> list[str]:
    """Return a problem for each venue that is followed and has never delivered anything."""
    one = _last_round(last)
    asked = {} if one is None else one.detail.get("venues", {})
    # A round also asks for sentiment and spot prices.
    venues = tuple(name for name in asked if name in VENUES)
    if settings.universe_file.exists():
        try:
            venues = configured_universe(settings).venues
        except SourceError as exc:
            return [str(exc)]
    return [
        f"{venue}: never reached"
        + (f": {messages[venue]}" if venue in messages else ", run `liqheat ingest`")
        for venue in venues
        if venue not in known
    ]


def _problems_of(one: VenueStatus, now: datetime) -> list[str]:
    problems = []
    if one.landed_at is None or now - one.landed_at > _ROUND_IS_LATE:
        since = "" if one.landed_at is None else f" for {_ago(now, one.landed_at)}"
        problems.append(f"{one.venue}: nothing has landed{since}; is `liqheat schedule` running?")
    if one.missing:
        problems.append(
            f"{one.venue}: {one.missing:,} instants are missing that can still be fetched; the "
            "next rounds ask for them, `liqheat backfill` does so at once"
        )
    if one.message is not None:
        problems.append(f"{one.venue}: the last round said: {one.message}")
    return problems


def _home_problems(home: Path) -> list[str]:
    """Return what keeps runs from doing their work, and from recording that they could not."""
    if not home.exists():
        return []
    if not os.access(home, os.W_OK):
        return [f"{home} cannot be written: runs fail without a record; let it be written again"]
    free = shutil.disk_usage(home).free
    if free < _LEAST_FREE_BYTES:
        return [
            f"{home}: {free / 1e6:.0f} MB free on the disk: runs fail, perhaps without a record; "
            "make room"
        ]
    return []


@dataclass(frozen=True, slots=True)
class _RecorderReport:
    """What the recorder last wrote: when, and how each feed fares."""

    at: AwareDatetime
    feeds: tuple[FeedReport, ...]


_RECORDER_REPORT = TypeAdapter(_RecorderReport)


def _recorder_problems(path: Path, now: datetime) -> list[str]:
    if not path.exists():
        return []
    try:
        report = _RECORDER_REPORT.validate_python(read_json(path))
    except (SourceError, ValueError):
        return [f"{path} is not what the recorder writes: delete it, it is written again"]
    if now - report.at > _RECORDER_IS_LATE:
        return [
            f"the recorder of liquidations last reported {_ago(now, report.at)} ago: what streamed "
            "since then is lost; run `liqheat record`"
        ]
    problems = []
    for feed in report.feeds:
        if not feed.is_connected:
            why = f": {feed.outages[-1].reason}" if feed.outages else ""
            problems.append(f"{feed.venue}: the liquidation feed is not connected{why}")
        if feed.dropped:
            problems.append(
                f"{feed.venue}: {feed.dropped:,} liquidations were lost because they could "
                "not be landed: make room on the disk"
            )
    return problems


def _modified(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    except FileNotFoundError:
        return None


def _landed(landing: Path) -> dict[str, list[datetime]]:
    """Return when files of each venue landed; the name begins with the venue."""
    found: dict[str, list[datetime]] = {}
    for path in landing.glob("*/*.parquet"):
        at = _modified(path)
        if at is not None:
            venue = path.name.removeprefix("stream-").partition("-")[0]
            found.setdefault(venue, []).append(at)
    return found


def _ago(now: datetime, then: datetime) -> str:
    minutes = max(int((now - then).total_seconds() // 60), 0)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2 * 24 * 60 else f"{minutes // 60 // 24} days"
