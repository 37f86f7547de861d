"""The panel *health*: how fresh the data is, what is missing, what ran, and what is wrong.

Belongs here: the state of the pipeline as ``liqheat status`` has it, what is missing of one asset,
and what failed checks hold back. Does not belong here: judging that state
(``jobs.read.problems``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.read.collector_status import collector_line
from jobs.read.figures import plural
from jobs.read.problems import VenueStatus, ago
from jobs.read.query import named_rows_if_published
from jobs.read.status import RunStatus, status_of
from web.panels.panel_input import PanelInput, utc

_KINDS = {
    "ohlcv": "bars",
    "mark_ohlc": "mark prices",
    "open_interest": "open interest",
    "long_short_ratio": "long/short ratio",
    "realised_liquidation": "liquidations",
}
"""Kinds of records in words."""


@dataclass(frozen=True, slots=True)
class VenueFreshness:
    """How fresh and complete one venue is."""

    venue: str
    feeds: str
    newest_bar: str
    newest_open_interest: str
    missing: str
    lost: str
    set_aside: str


@dataclass(frozen=True, slots=True)
class GapLine:
    """What is missing of one feed of the asset."""

    venue: str
    kind: str
    missing: str
    span: str
    what: str


@dataclass(frozen=True, slots=True)
class RunLine:
    """The last run of one job."""

    job: str
    status: str
    started: str
    took: str
    rows: str
    error: str
    is_bad: bool


@dataclass(frozen=True, slots=True)
class HealthPanel:
    """What the panel shows.

    Parameters
    ----------
    asset : str
        The asset.
    published, newest_map : str
        When the file was published, and up to when its maps reach, with their age.
    problems : tuple of str
        What is wrong and what to do; empty where nothing is.
    venues : tuple of VenueFreshness
        By name.
    venues_missing : str
        Why there are none.
    gaps : tuple of GapLine
        What is missing of the asset, the largest first.
    held_back : tuple of str
        What failed checks hold back, in sentences.
    runs : tuple of RunLine
        The last of each job, newest first.
    collector : str
        The collector of positions in a line.
    """

    asset: str
    published: str
    newest_map: str
    problems: tuple[str, ...]
    venues: tuple[VenueFreshness, ...]
    venues_missing: str
    gaps: tuple[GapLine, ...]
    held_back: tuple[str, ...]
    runs: tuple[RunLine, ...]
    collector: str


def read_health(given: PanelInput) -> HealthPanel:
    """Return the state of the pipeline, and what is missing of the asset of a view."""
    view, now = given.view, given.now
    status = status_of(given.reader, given.settings, now=now)
    gaps = named_rows_if_published(given.reader, "gaps_of_asset", {"asset": view.asset})
    held = named_rows_if_published(
        given.reader, "alert_held_back", {"hours": [view.as_of], "assets": None}
    )
    return HealthPanel(
        asset=view.asset,
        published=_since(status.published_at, now),
        newest_map=_since(status.newest_map_at, now),
        problems=status.problems,
        venues=tuple(_venue(one, now) for one in status.venues),
        venues_missing=""
        if status.venues
        else "no venue is followed here: the data was imported or simulated; `liqheat schedule` "
        "follows venues",
        gaps=tuple(map(_gap, gaps or [])),
        held_back=tuple(_held_back(row) for row in held or [] if row["failed_count"]),
        runs=tuple(_run(one, now) for one in status.runs),
        collector="" if status.collector is None else collector_line(status.collector, now),
    )


def _since(instant: datetime | None, now: datetime) -> str:
    return "" if instant is None else f"{utc(instant)}, {ago(now, instant)} ago"


def _venue(venue: VenueStatus, now: datetime) -> VenueFreshness:
    def age(instant: datetime | None) -> str:
        return "none" if instant is None else f"{ago(now, instant)} ago"

    def count(known: int | None) -> str:
        return f"{known or 0:,}"

    return VenueFreshness(
        venue.venue,
        f"{venue.feeds:,}",
        age(venue.newest_bar_at),
        age(venue.newest_open_interest_at),
        count(venue.missing),
        count(venue.lost),
        count(venue.quarantined),
    )


def _gap(row: Mapping[str, Any]) -> GapLine:
    if row["is_lost"]:
        what = f"lost: {row['lost_reason'] or 'it can no longer be fetched'}"
    elif row["available_until_at"] is not None:
        what = f"can be fetched until {utc(row['available_until_at'])}: `liqheat backfill`"
    else:
        what = "can be fetched: `liqheat backfill`"
    return GapLine(
        venue=row["venue"],
        kind=_KINDS.get(row["kind"], row["kind"]),
        missing=f"{row['missing_count']:,}",
        span=f"{utc(row['first_at'])} to {utc(row['last_at'])}",
        what=what,
    )


def _held_back(row: Mapping[str, Any]) -> str:
    who = "everything" if row["asset"] == "all" else str(row["asset"])
    hours = int(row["held_seconds"] // 3600)
    since = "from this hour" if hours == 0 else f"for {plural(hours, 'hour')} of data"
    return (
        f"{who} is held back {since}: {row['check_names']} ({row['description']}); "
        "`liqheat check` shows what fails"
    )


def _run(run: RunStatus, now: datetime) -> RunLine:
    return RunLine(
        job=run.job,
        status=run.status,
        started=f"{utc(run.started_at)}, {ago(now, run.started_at)} ago",
        took="" if run.seconds is None else f"{run.seconds:,.1f} s",
        rows="" if run.rows is None else f"{run.rows:,}",
        error=run.error or "",
        is_bad=run.status in ("failed", "stopped"),
    )
