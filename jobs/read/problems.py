"""What is wrong with an installation, in sentences that say what to do about it.

Belongs here: judging what `jobs.read.status` has read. Does not belong here: reading what is
published, or running anything.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, TypeAdapter

from jobs.collect.scope import configured_universe
from jobs.collect.stream import FeedReport
from jobs.one_cause import by_cause, listed
from jobs.report_file import read_report
from jobs.runs import Run
from jobs.settings import Settings
from sources.errors import InputRejected, SourceError
from sources.venues.declared import VENUES

# Rounds are due every five minutes, publications every hour.
_ROUND_IS_LATE = timedelta(minutes=15)
_PUBLICATION_IS_LATE = timedelta(hours=2)
# An hour is built two minutes after it has ended, so the newest map is at most two hours old.
MAP_IS_LATE = timedelta(hours=2, minutes=30)
_RECORDER_IS_LATE = timedelta(minutes=5)
_FILES_WAIT_TOO_LONG = timedelta(minutes=30)
# With less, an hour of a few assets does not fit beside its write-ahead log.
_LEAST_FREE_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class VenueStatus:
    """How fresh and complete one venue is.

    Parameters
    ----------
    venue : str
        Its name.
    feeds : int
        Instruments times kinds that are followed.
    newest_bar_at, newest_open_interest_at : datetime or None
        Of the newest published rows.
    landed_at : datetime or None
        When one of its files last landed.
    missing, lost : int or None
        Instants missing that can still be fetched, and for good; 0 of a venue without gaps, None
        where all its gaps are of the other sort.
    quarantined : int
        Rows and responses set aside in the last seven days.
    message : str or None
        First message of its last round.
    """

    venue: str
    feeds: int = 0
    newest_bar_at: datetime | None = None
    newest_open_interest_at: datetime | None = None
    landed_at: datetime | None = None
    missing: int | None = 0
    lost: int | None = 0
    quarantined: int = 0
    message: str | None = None


def of_home(home: Path) -> list[str]:
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


def of_publication(published_at: datetime | None, now: datetime) -> list[str]:
    """Return whether the published file is missing or old."""
    if published_at is None:
        return ["nothing is published yet: run `liqheat run`, or `liqheat demo` to try it"]
    if now - published_at > _PUBLICATION_IS_LATE:
        return [
            f"the published file is {ago(now, published_at)} old: look at the last run of "
            "publish below, then run `liqheat run`"
        ]
    return []


def of_waiting_files(waiting: Sequence[datetime], now: datetime) -> list[str]:
    """Return whether files that landed after the publication have waited too long."""
    if not waiting or now - min(waiting) <= _FILES_WAIT_TOO_LONG + _PUBLICATION_IS_LATE:
        return []
    return [
        f"{len(waiting)} landing files came after the last publication, the first "
        f"{ago(now, min(waiting))} ago: run `liqheat run`"
    ]


def of_newest_map(newest_map_at: datetime | None, now: datetime) -> list[str]:
    """Return whether the newest map is old."""
    if newest_map_at is None or now - newest_map_at <= MAP_IS_LATE:
        return []
    return [
        f"the newest map is for {newest_map_at:%Y-%m-%d %H:%M}, "
        f"{ago(now, newest_map_at)} ago: run `liqheat ingest` and `liqheat run`, or see "
        "below what stopped them"
    ]


def of_runs(last: Mapping[str, Run], now: datetime) -> Iterator[str]:
    """Yield the last runs that failed, then the assets that the last publication held back."""
    for run in last.values():
        if run.status in ("failed", "stopped"):
            reason = f": {run.error}" if run.error else ""
            yield f"the last {run.job} ended as {run.status} {ago(now, run.started_at)} ago{reason}"
    for held in last["publish"].detail.get("held_back", []) if "publish" in last else []:
        yield (
            f"{held} is held back: `liqheat check` shows what fails, `liqheat quality` the reasons"
        )


def of_venues(venues: Sequence[VenueStatus], now: datetime) -> Iterator[str]:
    """Yield what is wrong with venues; where it is one thing with several, they share a line."""
    # Counts and ages are each venue's own: only venues with the same ones share a line.
    same: dict[str, list[str]] = {}
    for one in venues:
        for problem in _of_venue(one, now):
            same.setdefault(problem, []).append(one.venue)
    said = [(one.venue, one.message) for one in venues if one.message is not None]
    for problem, names in same.items():
        yield f"{listed(names)}: {problem}"
    for names, message in by_cause(said):
        yield f"{listed(names)}: the last round said: {message}"


def _of_venue(venue: VenueStatus, now: datetime) -> Iterator[str]:
    """Yield what is wrong with one venue."""
    if venue.landed_at is None or now - venue.landed_at > _ROUND_IS_LATE:
        since = "" if venue.landed_at is None else f" for {ago(now, venue.landed_at)}"
        yield f"nothing has landed{since}; is `liqheat schedule` running?"
    if venue.missing:
        yield (
            f"{venue.missing:,} instants are missing that can still be fetched; the "
            "next rounds ask for them, `liqheat backfill` does so at once"
        )


def of_unreached_venues(
    settings: Settings, last_round: Run | None, known: Set[str], messages: Mapping[str, str]
) -> list[str]:
    """Return the venues that are followed and have never delivered anything."""
    asked = {} if last_round is None else last_round.detail.get("venues", {})
    # A round also requests sentiment and spot prices.
    venues = tuple(name for name in asked if name in VENUES)
    if settings.universe_file.exists():
        try:
            venues = configured_universe(settings).venues
        except SourceError as exc:
            return [str(exc)]
    reasons = [
        (venue, f"never reached: {messages[venue]}")
        if venue in messages
        else (venue, "never reached, run `liqheat ingest`")
        for venue in venues
        if venue not in known
    ]
    return [f"{listed(names)}: {reason}" for names, reason in by_cause(reasons)]


@dataclass(frozen=True, slots=True)
class _RecorderReport:
    """The last report of the recorder."""

    at: AwareDatetime
    feeds: tuple[FeedReport, ...]


_RECORDER_REPORT = TypeAdapter(_RecorderReport)


def of_recorder(path: Path, now: datetime) -> list[str]:
    """Return what is wrong with the recorder of liquidations, by its last report."""
    try:
        report = read_report(
            path,
            _RECORDER_REPORT,
            "is not a report of the recorder: delete it, the recorder writes it again",
        )
    except InputRejected as exc:
        return [str(exc)]
    if report is None:
        return []
    if now - report.at > _RECORDER_IS_LATE:
        return [
            f"the recorder of liquidations last reported {ago(now, report.at)} ago: what streamed "
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


def ago(now: datetime, then: datetime) -> str:
    """Return the time between two instants in words: 5 min, 3 h, 2 days."""
    minutes = max(int((now - then).total_seconds() // 60), 0)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2 * 24 * 60 else f"{minutes // 60 // 24} days"
