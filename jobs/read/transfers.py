"""Transfers through the shared landing as `liqheat status` shows them, and what is wrong with them.

Belongs here: judging the last report and the cards of collectors. Does not belong here: listing the
shared landing itself, which `liqheat doctor` does.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobs.collect.send_landing import files_to_send
from jobs.collect.transfer_report import TransferReport, read_transfer_report
from jobs.read.problems import ago
from jobs.settings import Settings
from sources.errors import InputRejected

# Collectors send every five minutes.
_COLLECTOR_IS_LATE = timedelta(minutes=15)
_FILES_WAIT_TOO_LONG = timedelta(minutes=30)
_CLOCKS_DIFFER = timedelta(minutes=1)


def read_transfer(
    settings: Settings, now: datetime
) -> tuple[TransferReport | None, tuple[str, ...]]:
    """Return the last transfer and what is wrong at ``now``; nothing without a shared landing."""
    if settings.send_to is None and settings.receive_from is None:
        return None, ()
    try:
        report = read_transfer_report(settings)
    except InputRejected as exc:
        return None, (str(exc),)
    direction = "received" if settings.send_to is None else "sent"
    has_own_card = report is not None and (direction == "received" or bool(report.cards))
    if report is None or report.direction != direction or not has_own_card:
        step = "liqheat run" if settings.send_to is None else "liqheat ingest"
        return None, (f"nothing was {direction} yet: run `{step}`",)
    if direction == "sent":
        files = files_to_send(settings)
        report = replace(report, waiting_count=len(files))
        return report, (*report.messages, *_of_files(files, settings, now), *_of_gaps(report))
    return report, (*report.messages, *_of_collectors(report), *_of_gaps(report))


def _of_files(files: Iterable[Path], settings: Settings, now: datetime) -> Iterator[str]:
    """Yield whether files wait to be sent for too long."""
    landed = []
    for path in files:
        # It may be sent meanwhile.
        with suppress(FileNotFoundError):
            landed.append(datetime.fromtimestamp(path.stat().st_mtime, tz=UTC))
    if landed and now - min(landed) > _FILES_WAIT_TOO_LONG:
        yield (
            f"{len(landed):,} files wait to be sent to {settings.send_to}, the first for "
            f"{ago(now, min(landed))}: `liqheat ingest` sends them, or says why not"
        )


def _of_collectors(report: TransferReport) -> Iterator[str]:
    """Yield the collectors that have stopped sending, and those whose clock differs."""
    for card in report.cards:
        if report.at - card.sent_at > _COLLECTOR_IS_LATE:
            yield (
                f"collector {card.label} had not sent for {ago(report.at, card.sent_at)}: is its "
                f"schedule running? If it is gone, remove collectors/{card.collector}.json from "
                "the shared landing"
            )
        if card.sent_at - report.at > _CLOCKS_DIFFER:
            yield (
                f"collector {card.label}: its clock is ahead of this machine's by at least "
                f"{ago(card.sent_at, report.at)}: set both by the network"
            )


def _of_gaps(report: TransferReport) -> Iterator[str]:
    """Yield what collectors miss: only they know what they expect of a venue."""
    for card in report.cards:
        for venue, count in card.missing.items():
            yield (
                f"{venue}: {count:,} instants are missing at collector {card.label} that can still "
                "be fetched; its next rounds ask for them"
            )


def transfer_line(report: TransferReport) -> str:
    """Return the last transfer in words.

    Examples
    --------
    >>> transfer_line(TransferReport(datetime(2026, 3, 1, 10, 5, tzinfo=UTC), "sent", 31, 2))
    'sent 31 files at 2026-03-01 10:05, 2 wait to be sent'
    """
    return (
        f"{report.direction} {report.moved_count:,} files at {report.at:%Y-%m-%d %H:%M}, "
        f"{report.waiting_count:,} wait to be {report.direction}"
    )
