"""A collector's side of the shared landing: sending what has landed and is loaded at home.

Belongs here: which files are sent, removing them. Does not belong here: the shared landing itself
(`jobs.collect.shared_landing`), what the writer does (`jobs.collect.receive_landing`).

A file leaves the landing folder when the shared landing has all of it. A process killed between
the two sends the same bytes under the same name again.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from jobs.collect.collector_card import (
    MOST_GAPS,
    CollectorCard,
    newest_rounds,
    own_card,
    write_card,
)
from jobs.collect.shared_landing import SharedLanding, open_shared_landing, transfer_each
from jobs.collect.transfer_report import (
    TransferReport,
    read_transfer_report,
    write_transfer_report,
)
from jobs.errors import SharedLandingFailed
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.errors import InputRejected
from warehouse.errors import WarehouseBusy
from warehouse.feed_ledger import CollectorGap, missing_by_venue, newest_gaps
from warehouse.load import forget_missing_files, loaded_files

logger = logging.getLogger(__name__)

_EVER = datetime.max.replace(tzinfo=UTC)


def send_landing(settings: Settings, *, at: datetime) -> TransferReport | None:
    """Send the files that have landed and return the report; None where the home is no collector.

    Only files that the collector's own warehouse has loaded are sent: it then knows what it has
    collected, and a damaged file stays at home. Where the shared landing cannot be used, files
    wait for the next call.

    Parameters
    ----------
    settings : Settings
        Folders, and where to send to.
    at : datetime
        The present, UTC.
    """
    if settings.send_to is None:
        return None
    messages: tuple[str, ...] = ()
    sent: list[str] = []
    card = _last_card(settings, at)
    try:
        shared = open_shared_landing(settings)
        loaded, missing, gaps = _read_home(settings)
        names, failure = transfer_each(partial(_send, shared), loaded)
        sent = [name for name in names if name is not None]
        card = replace(_with_rounds(card, newest_rounds(sent)), missing=missing, gaps=gaps)
        if failure is not None:
            raise failure
        write_card(shared, card)
    except WarehouseBusy as exc:
        logger.warning("the next run sends what has landed: %s", exc)
    except SharedLandingFailed as exc:
        logger.warning("%s; what has landed waits here and is sent by the next run", exc)
        messages = (str(exc),)
    waiting = len(files_to_send(settings))
    logger.info("sent %d files to %s, %d wait", len(sent), settings.send_to, waiting)
    report = TransferReport(at, "sent", len(sent), waiting, messages, (card,))
    write_transfer_report(settings, report)
    return report


def files_to_send(settings: Settings) -> list[Path]:
    """Return the files in a collector's landing folder."""
    return sorted(settings.landing.glob("*/*.parquet"))


def _read_home(
    settings: Settings,
) -> tuple[list[Path], dict[str, int], tuple[CollectorGap, ...]]:
    """Return the landing files that are loaded at home, what is missing by venue, and gaps."""
    with open_writer(settings) as connection:
        forget_missing_files(connection, settings.landing)
        loaded = loaded_files(connection, settings.landing, _EVER)
        return loaded, missing_by_venue(connection), newest_gaps(connection, MOST_GAPS)


def _last_card(settings: Settings, at: datetime) -> CollectorCard:
    """Return the card of this home, with its last report on its venues."""
    card = own_card(settings, at)
    try:
        last = read_transfer_report(settings)
    except InputRejected:
        return card
    if last is None or last.direction != "sent" or not last.cards:
        return card
    return replace(card, newest=last.cards[0].newest, missing=last.cards[0].missing)


def _with_rounds(card: CollectorCard, rounds: Mapping[str, datetime]) -> CollectorCard:
    newest = {
        venue: max(each[venue] for each in (card.newest, rounds) if venue in each)
        for venue in sorted(card.newest.keys() | rounds.keys())
    }
    return replace(card, newest=newest)


def _send(shared: SharedLanding, path: Path) -> str | None:
    """Send a file and return its name in the shared landing; None where it is gone."""
    name = f"{path.parent.name}/{path.name}"
    try:
        shared.write(name, path.read_bytes())
    except FileNotFoundError:
        # Another process of this home has sent it.
        return None
    path.unlink(missing_ok=True)
    return name
