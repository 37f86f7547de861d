"""The commands that collect data: from venues, their archives and outside providers."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import INSTANT_FORMATS, Seconds, Start, finite, now, utc
from cli.output import log_errors_only, note, progress_bar
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.collect.archive_intake import ArchiveReport
    from jobs.collect.round_report import IngestReport
    from jobs.collect.stream import FeedReport
    from jobs.collect.transfer_report import TransferReport

# Lines of one kind that are printed; the table has all of them.
_LINES_SHOWN = 20

_BUSY = "the warehouse is busy: the next run loads what has landed"

Budget = Annotated[
    float, typer.Option(min=1, max=86_400, callback=finite, help="Seconds for each venue.")
]


def _write_round(report: "IngestReport") -> None:
    for name, one in sorted(report.venues.items()):
        note(
            f"{name}: {one.done} of {one.requests} requests, {one.asked} calls "
            f"({one.retries} repeated), {one.rows:,} rows, {one.quarantined} set aside, "
            f"{one.seconds:.1f} s"
        )
        for message in one.messages:
            note(f"  {message}")
    for change, names in (("listed", report.listed), ("delisted", report.delisted)):
        if names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            note(f"{change}: {', '.join(names[:10])}{more}")
    if report.loaded is None:
        note(_BUSY)
    if report.transfer is not None:
        _write_transfer(report.transfer)


def _write_transfer(transfer: "TransferReport") -> None:
    note(f"{transfer.direction} {transfer.moved_count:,} files, {transfer.waiting_count:,} wait")
    for message in transfer.messages:
        note(f"  {message}")


def ingest_command(budget: Budget = 240.0) -> None:
    """Fetch all that is missing from the venues, as far back as they serve it, and load it."""
    from jobs.collect.ingest import ingest
    from jobs.collect.scope import Effort

    log_errors_only("jobs.collect")
    report = ingest(read_settings(), clock=now, effort=Effort(budget))
    _write_round(report)
    is_unsent = report.transfer is not None and report.transfer.has_failed_to_send
    if report.undone_count or is_unsent or any(one.has_failed for one in report.venues.values()):
        raise typer.Exit(1)


class Source(StrEnum):
    """Where past data is fetched from."""

    venues = "venues"
    archive = "archive"


def backfill_command(
    source: Annotated[
        Source,
        typer.Option(help="The venues' APIs, or Binance's public archive of files."),
    ] = Source.venues,
    start: Start = None,
    end: Annotated[
        datetime | None,
        typer.Option(
            "--to", formats=INSTANT_FORMATS, help="Instant after the last, UTC; by default now."
        ),
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
    """Fetch what is missing in a span of time; run again to resume where it stopped.

    Venues' APIs serve 30 days of open interest or less. `--source archive` fetches Binance's
    public archive, which has years: `liqheat backfill --source archive --days 180`.
    """
    last = utc(end) or now()
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
    from jobs.collect.scope import Effort

    def on_round(report: "IngestReport") -> None:
        note(f"{report.row_count:,} rows, {report.undone_count} requests left")

    log_errors_only("jobs.collect")
    report = backfill(
        read_settings(),
        clock=now,
        start=first,
        end=last,
        effort=Effort(budget),
        on_round=on_round,
    )
    _write_round(report)
    if report.undone_count:
        raise typer.Exit(1)


def _backfill_from_archive(
    first: datetime, last: datetime, assets: list[str] | None, *, is_keeping: bool
) -> None:
    from jobs.collect.archives import archived_contracts, backfill_from_archive
    from jobs.collect.scope import configured_universe

    settings = read_settings()
    universe = configured_universe(settings, [one.upper() for one in assets or ()])
    with progress_bar() as progress:
        report = backfill_from_archive(
            settings,
            clock=now,
            span=(first, last),
            contracts=archived_contracts(settings, clock=now, universe=universe),
            is_keeping=is_keeping,
            progress=progress,
        )
    _write_archive_report(report)
    if report.failed:
        raise typer.Exit(1)


def _write_archive_report(report: "ArchiveReport") -> None:
    """Summarise what was loaded, what the archive does not have, and what failed."""
    files = report.files
    rows = ", ".join(
        f"{count:,} {kind}" for kind, count in sorted(report.rows_by_kind.items()) if count
    )
    note(
        f"contracts: {report.contracts}; files: {files['loaded']:,} loaded, "
        f"{files['absent']:,} not published, {files['early']:,} not published yet, "
        f"{files['failed']:,} failed; {rows or 'no rows'}"
    )
    for reason, count in report.reasons.most_common(12):
        note(f"set aside {count:,}: {reason}")
    for label, lines in (
        ("nothing published", report.unpublished),
        ("missing", report.holes),
        ("note", report.notes),
        ("failed", report.failed),
    ):
        for line in lines[:_LINES_SHOWN]:
            note(f"{label}: {line}")
        if len(lines) > _LINES_SHOWN:
            rest = len(lines) - _LINES_SHOWN
            note(f"{label}: {rest} more; marts.archive_files has every file")
    if report.failed:
        note("run the same command again to fetch what failed")


def record_command(seconds: Seconds = None) -> None:
    """Record realised liquidations as venues stream them, until stopped."""
    from jobs.collect.stream import record_liquidations

    feeds = record_liquidations(read_settings(), clock=now, seconds=seconds)
    for feed in feeds:
        note(_feed_summary(feed))
    if not any(feed.has_connected for feed in feeds):
        raise typer.Exit(1)


def _feed_summary(feed: "FeedReport") -> str:
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
    ask: Annotated[bool, typer.Option(help="Fetch what is missing from the venues.")] = True,
) -> None:
    """Move loaded landing files to raw history, check all gaps, fetch what venues still serve."""
    from jobs.maintain import maintain

    report = maintain(read_settings(), clock=now, is_fetching=ask)
    note(
        f"moved {report.moved_files:,} landing files to raw history "
        f"({report.moved_bytes / 1e6:,.1f} MB)"
    )
    if report.ingested is not None:
        _write_round(report.ingested)


def fetch_command() -> None:
    """Fetch the maps of outside providers whose key is set, and load them."""
    from jobs.collect.providers import fetch_providers

    log_errors_only("jobs.collect.providers")
    report = fetch_providers(read_settings(), clock=now)
    for name, variables in report.without_key.items():
        note(f"{name}: skipped, {', '.join(variables)} not set")
    for name, one in report.providers.items():
        note(
            f"{name}: {one.answered} of {one.asked} answered, {one.cells:,} cells, "
            f"{one.quarantined} set aside"
        )
        for message in one.messages:
            note(f"  {message}")
    if report.providers and not report.is_loaded:
        note(_BUSY)
    if any(one.messages for one in report.providers.values()):
        raise typer.Exit(1)
