"""The writer's side of the shared landing: receiving what collectors have sent.

Belongs here: which files are received, what is refused. Does not belong here: the shared landing
itself (`jobs.collect.shared_landing`), loading (`warehouse.load`).

A file is removed from the shared landing when the landing folder of this home has all of it, and
stays in that folder for as long as the shared landing still has it: so a process killed between the
two finds both, and no file is loaded twice.
"""

import logging
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.collect.collector_card import (
    CARDS,
    WRITERS,
    CollectorCard,
    card_name,
    collector_id,
    own_card,
    read_cards,
    shared_venues,
    write_card,
)
from jobs.collect.landing import written_whole
from jobs.collect.shared_landing import SharedLanding, open_shared_landing, transfer_each
from jobs.collect.transfer_report import TransferReport, write_transfer_report
from jobs.errors import SharedLandingFailed
from jobs.settings import Settings
from warehouse.contracts import record_kinds
from warehouse.errors import LandingFileRejected, TerminalWarehouseError

logger = logging.getLogger(__name__)

_NAME = re.compile(r"(?P<kind>\w+)/[^/.][^/]*[.]parquet")


def receive_landing(
    settings: Settings, *, at: datetime, own_venues: Collection[str] = ()
) -> TransferReport | None:
    """Receive what waits in the shared landing and return the report; None where it is not set.

    Where the shared landing cannot be used, files wait there for the next call.

    Parameters
    ----------
    settings : Settings
        Folders, and where to receive from.
    at : datetime
        The present, UTC.
    own_venues : collection of str
        Venues that this home itself collects.

    Raises
    ------
    StorageFull
        There is no room on the disk.
    """
    if settings.receive_from is None:
        return None
    messages: list[str] = []
    cards: tuple[CollectorCard, ...] | None = None
    received = waiting = 0
    try:
        shared = open_shared_landing(settings)
        sizes = shared.list_files()
        names = [name for name in sizes if _is_landing_file(name)]
        waiting = len(names)
        _refuse_second_writer(settings, shared, sizes, at)
        messages += _unknown(sizes.keys() - names)
        outcomes, failure = transfer_each(partial(_receive, shared, settings.landing), names)
        refused = sorted(filter(None, outcomes))
        received = len(outcomes) - len(refused)
        waiting -= received
        messages += refused
        if failure is not None:
            raise failure
        cards = read_cards(shared, sizes)
    except SharedLandingFailed as exc:
        messages.append(str(exc))
    messages += shared_venues([*(cards or ()), own_card(settings, at, own_venues)])
    for message in messages:
        logger.warning("%s", message)
    logger.info("received %d files from %s, %d wait", received, settings.receive_from, waiting)
    report = TransferReport(
        at,
        "received",
        received,
        waiting,
        tuple(messages),
        cards or (),
        are_cards_known=cards is not None,
    )
    write_transfer_report(settings, report)
    return report


def names_in_shared_landing(settings: Settings) -> frozenset[str]:
    """Return the names of all landing files that wait in the shared landing; none without one.

    Raises
    ------
    SharedLandingFailed
        It cannot be used.
    """
    if settings.send_to is None and settings.receive_from is None:
        return frozenset()
    return frozenset(filter(_is_landing_file, open_shared_landing(settings).list_files()))


def _is_landing_file(name: str) -> bool:
    found = _NAME.fullmatch(name)
    return found is not None and found["kind"] in record_kinds()


def _unknown(names: Collection[str]) -> list[str]:
    """Return a sentence on files that are neither cards nor of a kind this release knows."""
    unknown = sorted(name for name in names if name.partition("/")[0] not in (CARDS, WRITERS))
    if not unknown:
        return []
    return [
        f"{len(unknown)} files of the shared landing are no landing files of this release, as "
        f"{unknown[0]!r}: update liqheat here if a collector is newer, or remove them"
    ]


def _refuse_second_writer(
    settings: Settings, shared: SharedLanding, sizes: Mapping[str, int], at: datetime
) -> None:
    """Raise where another home receives here: each of two would have a part of the rows."""
    own = card_name(collector_id(settings), WRITERS)
    others = sorted(name for name in sizes if name.startswith(f"{WRITERS}/") and name != own)
    if others:
        cards = read_cards(shared, dict.fromkeys(others, 0), WRITERS)
        raise SharedLandingFailed(
            f"{settings.receive_from}: another home receives here, "
            f"{cards[0].label if cards else others[0]}, and each would have a part of the rows: "
            f"set LIQHEAT_RECEIVE_FROM in one of them, or remove {others[0]} from the shared "
            "landing if that home is gone"
        )
    if own not in sizes:
        write_card(shared, own_card(settings, at), WRITERS)


def _receive(shared: SharedLanding, landing: Path, name: str) -> str | None:
    """Receive a file; return why it is refused and stays in the shared landing, or None."""
    try:
        _keep(landing, name, shared.read(name))
        shared.remove(name)
    except FileNotFoundError:
        # Another process of this home has received it.
        return None
    except TerminalWarehouseError as exc:
        # The fault is the file's, such as a name that is too long; a full disk is another error.
        return str(exc)
    return None


def _keep(landing: Path, name: str, content: bytes) -> None:
    """Put a file into the landing folder, unless it is there already."""
    path = landing / name
    if path.exists():
        if path.read_bytes() != content:
            raise LandingFileRejected(
                f"{name}: changed after it was received; landing files are written once, land "
                "the correction under its own name and remove this one from the shared landing"
            )
        return
    try:
        pq.read_metadata(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as exc:
        raise LandingFileRejected(
            f"{name}: not a complete Parquet file ({exc}); remove it from the shared landing "
            "and ingest its source again, nothing of it was received"
        ) from exc
    with written_whole(path) as temporary:
        temporary.write_bytes(content)
