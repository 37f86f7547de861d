"""The commands that say what is wrong: with this installation, or between it and the venues."""

import json
from collections import Counter
from dataclasses import asdict, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import Rows, now
from cli.collect import Budget
from cli.output import Format, json_value, note, progress_bar, write_rows
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.collect.doctor_report import DoctorReport, ExaminedResponse
    from jobs.read.status import Status

_VENUE_COLUMNS = {
    "venue": "venue",
    "feeds": "feeds",
    "newest bar": "newest_bar_at",
    "newest open interest": "newest_open_interest_at",
    "landed": "landed_at",
    "missing": "missing",
    "lost": "lost",
    "set aside": "quarantined",
}


def status_command(form: Rows = Format.table) -> None:
    """Show how fresh each venue is, what is missing, what ran, and what is wrong.

    Exits with 1 where anything is wrong. JSON holds all of it, CSV the table of venues.
    """
    from jobs.read.status import read_status

    status = read_status(read_settings(), now=now())
    if form is Format.json:
        typer.echo(json.dumps(asdict(status), default=json_value, indent=2))
    else:
        _write_status(status, form)
    if status.problems:
        raise typer.Exit(1)


def _write_status(status: "Status", form: Format) -> None:
    from jobs.read.collector_status import collector_line
    from jobs.read.transfers import transfer_line

    # A home with imports only follows no venue.
    if status.venues or form is not Format.table:
        values = attrgetter(*_VENUE_COLUMNS.values())
        write_rows(tuple(_VENUE_COLUMNS), map(values, status.venues), form)
    if form is Format.table:
        for run in status.runs:
            note(
                f"{run.job}: {run.status}, {run.started_at:%Y-%m-%d %H:%M}, "
                f"{run.seconds or 0:.1f} s, {run.rows or 0:,} rows"
            )
        if status.published_at is not None:
            newest = status.newest_map_at
            note(
                f"published {status.published_at:%Y-%m-%d %H:%M}"
                + (f", maps up to {newest:%Y-%m-%d %H:%M}" if newest else "")
                + f", {status.waiting_files} landing files since"
            )
        if status.collector is not None:
            note(collector_line(status.collector, now()))
        if status.transfer is not None:
            note(transfer_line(status.transfer))
    for problem in status.problems:
        note(f"wrong: {problem}")
    if not status.problems:
        note("nothing is wrong")


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
    """Send each venue one small request of each kind and compare responses with its declaration.

    Without --venue, the public archive and the prices of stablecoins are tried too. Nothing is
    stored but the report, which holds requests and the beginning of each response without secrets
    and can be sent. Exits with 1 where a response differs or is missing.
    """
    from jobs.collect.doctor import DOCTOR_EFFORT, run_doctor, venues_to_examine
    from jobs.collect.doctor_report import write_report

    settings = read_settings()
    with progress_bar() as progress:
        made = run_doctor(
            settings,
            clock=now,
            venues=venues_to_examine(settings, venues or ()),
            has_feeds=not venues,
            effort=replace(DOCTOR_EFFORT, budget_seconds=budget),
            progress=progress,
        )
    path = report or settings.home / f"doctor-{made.made_at:%Y%m%dT%H%M%SZ}.json"
    write_report(made, path)
    _write_examined(made, form)
    note(f"report: {path}")
    if not made.has_fitted:
        raise typer.Exit(1)


def _fields(one: "ExaminedResponse") -> str:
    """Return the fields that differ; the notes below the table explain them."""
    fields = dict.fromkeys(difference.field for difference in one.differences)
    return ", ".join(fields) or one.reason or "; ".join(one.notes)


def _explanation(one: "ExaminedResponse") -> str:
    words = [difference.words for difference in one.differences]
    return "; ".join(words or ([one.reason] if one.reason else one.notes))


def _write_examined(made: "DoctorReport", form: Format) -> None:
    """Write a row for each response; for a table, explain the differences below it."""
    what = _fields if form is Format.table else _explanation
    write_rows(
        ("venue", "kind", "instrument", "result", "rows", "what"),
        [
            (one.venue, one.kind, one.instrument, one.status, one.rows, what(one))
            for one in made.examined
        ],
        form,
    )
    if form is Format.table:
        for line in made.lines():
            note(line)
        counts = sorted(Counter(one.status for one in made.examined).items())
        parts = ", ".join(f"{count} {status}" for status, count in counts)
        note(f"{len(made.examined)} answers: {parts}")
