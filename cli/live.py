"""The commands that bring in what venues tell, and say how that fares."""

import json
import logging
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import INSTANTS, Rows, finite, told, utc
from cli.output import Format, printable, progress_bar, spelled, write_rows
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.collect.archives import ArchiveReport
    from jobs.collect.doctor import DoctorReport, Examined
    from jobs.collect.ingest import IngestReport
    from jobs.collect.stream import FeedReport
    from jobs.read.status import Status

# Lines of a kind that a command prints before it points at the table.
_LINES_SHOWN = 20

Budget = Annotated[
    float, typer.Option(min=1, max=86_400, callback=finite, help="Seconds for each venue.")
]


def _now() -> datetime:
    return datetime.now(UTC)


def _tell_round(report: "IngestReport") -> None:
    for name, one in sorted(report.venues.items()):
        typer.echo(
            f"{name}: {one.done} of {one.requests} requests, {one.asked} calls "
            f"({one.retries} repeated), {one.rows:,} rows, {one.quarantined} set aside, "
            f"{one.seconds:.1f} s",
            err=True,
        )
        for message in one.messages:
            typer.echo(f"  {message}", err=True)
    for change, names in (("listed", report.listed), ("delisted", report.delisted)):
        if names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            typer.echo(f"{change}: {', '.join(names[:10])}{more}", err=True)
    if report.loaded is None:
        typer.echo("the warehouse is busy: the next run loads what has landed", err=True)


def ingest_command(budget: Budget = 240.0) -> None:
    """Ask venues for all that is missing, as far back as they tell it, and load it."""
    from jobs.collect.ingest import ingest

    # What went wrong is told below, once.
    logging.getLogger("jobs.collect.ingest").setLevel(logging.ERROR)
    with told():
        report = ingest(read_settings(), clock=_now, budget_seconds=budget)
        _tell_round(report)
        if report.undone_count or any(one.has_failed for one in report.venues.values()):
            raise typer.Exit(1)


class Source(StrEnum):
    """Where the past is fetched from."""

    venues = "venues"
    archive = "archive"


def backfill_command(
    source: Annotated[
        Source,
        typer.Option(help="The venues' interfaces, or Binance's public archive of files."),
    ] = Source.venues,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=INSTANTS, help="First instant, UTC.")
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option("--to", formats=INSTANTS, help="Instant after the last, UTC; now if not set."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days up to the end, instead of --from.")
    ] = None,
    assets: Annotated[
        list[str] | None, typer.Option("--asset", help="Only this asset; may be repeated.")
    ] = None,
    keep: Annotated[bool, typer.Option(help="Keep the archive's files under home.")] = False,
    budget: Budget = 600.0,
) -> None:
    """Fetch what is missing of a span of time; run it again to go on where it stopped.

    Venues' interfaces give 30 days of open interest or less. `--source archive` fetches Binance's
    public archive, which has years: `liqheat backfill --source archive --days 180`.
    """
    last = utc(end) or _now()
    if (start is None) == (days is None):
        raise typer.BadParameter("give --from or --days, one of them")
    first = utc(start) or last - timedelta(days=days or 0)
    if first >= last:
        raise typer.BadParameter(f"--from {first:%Y-%m-%dT%H:%M} is not before --to")
    if source is Source.archive:
        _backfill_from_archive(first, last, assets, is_keeping=keep)
    elif assets or keep:
        raise typer.BadParameter("--asset and --keep go with --source archive")
    else:
        _backfill_from_venues(first, utc(end), budget)


def _backfill_from_venues(first: datetime, last: datetime | None, budget: float) -> None:
    from jobs.collect.ingest import backfill

    def on_round(report: "IngestReport", left: int) -> None:
        typer.echo(f"{report.row_count:,} rows, {left} requests left", err=True)

    logging.getLogger("jobs.collect.ingest").setLevel(logging.ERROR)
    with told():
        report = backfill(
            read_settings(),
            clock=_now,
            start=first,
            end=last,
            round_seconds=budget,
            on_round=on_round,
        )
        _tell_round(report)
        if report.undone_count:
            raise typer.Exit(1)


def _backfill_from_archive(
    first: datetime, last: datetime, assets: list[str] | None, *, is_keeping: bool
) -> None:
    from jobs.collect.archives import backfill_from_archive
    from jobs.collect.ingest import universe_of

    with told():
        settings = read_settings()
        with progress_bar() as progress:
            report = backfill_from_archive(
                settings,
                clock=_now,
                start=first,
                end=last,
                universe=universe_of(settings, [one.upper() for one in assets or ()]),
                is_keeping=is_keeping,
                progress=progress,
            )
        _tell_archive(report)
        if report.failed:
            raise typer.Exit(1)


def _tell_archive(report: "ArchiveReport") -> None:
    """Say what came, what is absent, and what could not be had."""
    files = report.files
    rows = ", ".join(
        f"{count:,} {kind}" for kind, count in sorted(report.rows_by_kind.items()) if count
    )
    typer.echo(
        f"contracts: {report.contracts}; files: {files['loaded']:,} loaded, "
        f"{files['absent']:,} not published, {files['early']:,} not published yet, "
        f"{files['failed']:,} failed; {rows or 'no rows'}",
        err=True,
    )
    for reason, count in report.reasons.most_common(12):
        typer.echo(f"set aside {count:,}: {reason}", err=True)
    for label, lines in (
        ("nothing published", report.unpublished),
        ("missing", report.holes),
        ("note", report.notes),
        ("failed", report.failed),
    ):
        for line in lines[:_LINES_SHOWN]:
            typer.echo(f"{label}: {line}", err=True)
        if len(lines) > _LINES_SHOWN:
            rest = len(lines) - _LINES_SHOWN
            typer.echo(f"{label}: {rest} more; marts.archive_files has every file", err=True)
    if report.failed:
        typer.echo("run the same command again to fetch what failed", err=True)


def record_command(
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0, max=3e7, callback=finite, help="How long; until stopped where not set."
        ),
    ] = None,
) -> None:
    """Record realised liquidations as venues stream them, until stopped."""
    from jobs.collect.stream import record_liquidations

    with told():
        feeds = record_liquidations(read_settings(), clock=_now, seconds=seconds)
        for feed in feeds:
            typer.echo(_recorded(feed), err=True)
        if not any(feed.has_connected for feed in feeds):
            raise typer.Exit(1)


def _recorded(feed: "FeedReport") -> str:
    if not feed.has_connected:
        why = f": {feed.outages[-1].reason}" if feed.outages else ""
        return f"{feed.venue}: never connected{why}; nothing was recorded"
    if not feed.is_complete:
        kind = "throttled by the venue, a lower bound"
    elif feed.outages:
        kind = f"incomplete, {len(feed.outages)} outages"
    else:
        kind = "complete while it ran"
    return (
        f"{feed.venue}: {feed.rows:,} liquidations ({kind}), {feed.quarantined} set aside, "
        f"{feed.reconnects} reconnections"
    )


def maintain_command(
    ask: Annotated[bool, typer.Option(help="Ask venues for what is missing.")] = True,
) -> None:
    """Move what was loaded to raw history, look at all gaps, ask for what can still be had."""
    from jobs.maintain import maintain

    with told():
        report = maintain(read_settings(), clock=_now, is_asking=ask)
        typer.echo(
            f"moved {report.moved_files:,} landing files to raw history "
            f"({report.moved_bytes / 1e6:,.1f} MB)",
            err=True,
        )
        if report.ingested is not None:
            _tell_round(report.ingested)


def status_command(form: Rows = Format.table) -> None:
    """Show how fresh each venue is, what is missing, what ran, and what is wrong.

    Exits with 1 where anything is wrong. JSON carries all of it, CSV the table of venues.
    """
    from jobs.read.status import read_status

    with told():
        status = read_status(read_settings(), now=_now())
        if form is Format.json:
            typer.echo(json.dumps(asdict(status), default=spelled, indent=2))
        else:
            _write_status(status, form)
    if status.problems:
        raise typer.Exit(1)


def _write_status(status: "Status", form: Format) -> None:
    # A home of imports follows no venue.
    if status.venues or form is not Format.table:
        write_rows(
            (
                "venue",
                "feeds",
                "newest bar",
                "newest open interest",
                "landed",
                "missing",
                "lost",
                "set aside",
            ),
            [
                (
                    one.venue,
                    one.feeds,
                    one.newest_bar_at,
                    one.newest_open_interest_at,
                    one.landed_at,
                    one.missing,
                    one.lost,
                    one.quarantined,
                )
                for one in status.venues
            ],
            form,
        )
    if form is Format.table:
        for run in status.runs:
            typer.echo(
                f"{run.job}: {run.status}, {run.started_at:%Y-%m-%d %H:%M}, "
                f"{run.seconds or 0:.1f} s, {run.rows or 0:,} rows",
                err=True,
            )
        if status.published_at is not None:
            newest = status.newest_map_at
            typer.echo(
                f"published {status.published_at:%Y-%m-%d %H:%M}"
                + (f", maps up to {newest:%Y-%m-%d %H:%M}" if newest else "")
                + f", {status.waiting_files} landing files since",
                err=True,
            )
    for problem in status.problems:
        typer.echo(f"wrong: {problem}", err=True)
    if not status.problems:
        typer.echo("nothing is wrong", err=True)


def doctor_command(
    venues: Annotated[
        list[str] | None,
        typer.Option("--venue", help="Only this venue; may be repeated. By default the universe."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Where the report goes; by default a file in the home folder."),
    ] = None,
    form: Rows = Format.table,
    budget: Budget = 120.0,
) -> None:
    """Ask each venue for one small answer of each kind and compare it with its declaration.

    Without --venue, the public archive and the prices of stablecoins are tried too. Nothing is
    stored but the report, which holds requests and the beginning of each answer without secrets
    and can be sent. Exits with 1 where an answer differs or could not be had.
    """
    from jobs.collect.doctor import run_doctor, venues_to_examine, write_report

    with told():
        settings = read_settings()
        with progress_bar() as progress:
            made = run_doctor(
                settings,
                clock=_now,
                venues=venues_to_examine(settings, venues or ()),
                has_feeds=not venues,
                budget_seconds=budget,
                progress=progress,
            )
        path = report or settings.home / f"doctor-{made.made_at:%Y%m%dT%H%M%SZ}.json"
        write_report(made, path)
    _write_examined(made, form)
    typer.echo(f"report: {path}", err=True)
    if not made.has_fitted:
        raise typer.Exit(1)


def _in_short(one: "Examined") -> str:
    """Return what a row of the table says; the sentences stand below it."""
    fields = dict.fromkeys(difference.field for difference in one.differences)
    return ", ".join(fields) or one.reason or "; ".join(one.notes)


def _in_full(one: "Examined") -> str:
    words = [difference.words for difference in one.differences]
    return "; ".join(words or ([one.reason] if one.reason else one.notes))


def _write_examined(made: "DoctorReport", form: Format) -> None:
    """Write a row for each answer, and in the table's case what differs in sentences."""
    write_rows(
        ("venue", "kind", "instrument", "result", "rows", "what"),
        [
            (
                one.venue,
                one.kind,
                one.instrument,
                one.status,
                one.rows,
                _in_short(one) if form is Format.table else _in_full(one),
            )
            for one in made.examined
        ],
        form,
    )
    if form is not Format.table:
        return
    for line in made.lines():
        typer.echo(printable(line), err=True)
    counts = Counter(one.status for one in made.examined)
    parts = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    typer.echo(f"{len(made.examined)} answers: {parts}", err=True)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("ingest")(ingest_command)
    app.command("backfill")(backfill_command)
    app.command("record")(record_command)
    app.command("maintain")(maintain_command)
    app.command("status")(status_command)
    app.command("doctor")(doctor_command)
