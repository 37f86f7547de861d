"""The card of a collector: a small file in the shared landing that says who sends what.

Belongs here: the form of cards, reading and writing them, venues that several collectors send.
Does not belong here: landing files (`jobs.collect.send_landing`, `jobs.collect.receive_landing`).
"""

import logging
import re
import socket
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import combinations

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from jobs.collect.shared_landing import SharedLanding
from jobs.report_file import encode_report
from jobs.settings import Settings
from warehouse.contracts import raw_relation
from warehouse.durable_files import write_whole
from warehouse.feed_ledger import CollectorGap

logger = logging.getLogger(__name__)

CARDS = "collectors"
"""Folder of cards in the shared landing."""

WRITERS = "writers"
"""Folder of the card of the one home that receives there."""

MOST_GAPS = 1_500
"""Gaps on a card: less than a megabyte."""

_IDENTITY_FILE = "collector_id"
_LARGEST_CARD_BYTES = 2_000_000
# Live batches: an optional prefix, the venue, the instant of the round, a hash.
_LIVE = re.compile(r"(?:^|-)(\w+)-(\d{8}T\d{6}Z)-[0-9a-f]{12}[.]parquet$")


@dataclass(frozen=True, slots=True)
class CollectorCard:
    """What a collector last reported about itself.

    Parameters
    ----------
    collector : str
        Identity of its home, which outlives its process and its machine's name.
    host : str
        Name of its machine, for people.
    sent_at : datetime
        When it last sent, by its clock, UTC.
    newest : mapping of str to datetime
        By venue, when the newest rows that it has sent were collected, by its clock, UTC.
    missing : mapping of str to int
        By venue, instants missing that can still be fetched.
    gaps : tuple of CollectorGap
        Its newest gaps, for the writer's ``marts.data_gaps``.
    """

    collector: str
    host: str
    sent_at: AwareDatetime
    newest: Mapping[str, AwareDatetime]
    missing: Mapping[str, int] = field(default_factory=dict)
    gaps: tuple[CollectorGap, ...] = ()

    @property
    def label(self) -> str:
        """The machine and the beginning of the identity: two homes of a machine differ."""
        return f"{self.host} ({self.collector[:8]})"


_CARD = TypeAdapter(CollectorCard)


def collector_id(settings: Settings) -> str:
    """Return the identity of a home as a collector, made at its first use.

    A file without one, as a power cut leaves it, gets another.
    """
    path = settings.home / _IDENTITY_FILE
    found = path.read_bytes().decode(errors="replace").strip() if path.exists() else ""
    if re.fullmatch(r"\w{1,64}", found):
        return found
    made = uuid.uuid4().hex
    write_whole(path, f"{made}\n".encode())
    return made


def own_card(settings: Settings, at: datetime, venues: Iterable[str] = ()) -> CollectorCard:
    """Return the card of this home at an instant, with the venues whose rows it collects then."""
    return CollectorCard(
        collector_id(settings), socket.gethostname(), at, dict.fromkeys(venues, at)
    )


def newest_rounds(names: Iterable[str]) -> dict[str, datetime]:
    """Return the instant of the newest landing file of each venue's contracts.

    Parameters
    ----------
    names : iterable of str
        ``<kind>/<name>.parquet``. Imports have no instant, and kinds without contracts no collector
        that owns them: both are left out.
    """
    found: dict[str, datetime] = {}
    for name in names:
        kind, _, file_name = name.partition("/")
        live = _LIVE.search(file_name)
        if live is not None and _is_of_contracts(kind):
            at = datetime.strptime(live[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            found[live[1]] = max(at, found.get(live[1], at))
    return found


@cache
def _is_of_contracts(kind: str) -> bool:
    return {"venue", "instrument"} <= set(raw_relation(kind).column_names)


def write_card(shared: SharedLanding, card: CollectorCard, folder: str = CARDS) -> None:
    """Write the card of a collector, or of the writer, in place of its last one.

    Raises
    ------
    SharedLandingFailed
        The shared landing cannot be used.
    """
    shared.write(card_name(card.collector, folder), encode_report(card))


def card_name(collector: str, folder: str = CARDS) -> str:
    """Return the name of a card in the shared landing."""
    return f"{folder}/{collector}.json"


def read_cards(
    shared: SharedLanding, sizes: Mapping[str, int], folder: str = CARDS
) -> tuple[CollectorCard, ...]:
    """Return the cards among the files of a shared landing; other files are left out.

    Parameters
    ----------
    shared : SharedLanding
        Where they are.
    sizes : mapping of str to int
        Its files, as it lists them.
    folder : str
        Folder of the cards.

    Raises
    ------
    SharedLandingFailed
        The shared landing cannot be used.
    """
    cards = []
    for name, size in sorted(sizes.items()):
        if not name.startswith(f"{folder}/"):
            continue
        if size > _LARGEST_CARD_BYTES:
            logger.warning("%s: too large for the card of a collector; remove it", name)
            continue
        try:
            cards.append(_CARD.validate_json(shared.read(name)))
        except FileNotFoundError:
            continue
        except ValidationError:
            logger.warning("%s: not the card of a collector; remove it", name)
    return tuple(cards)


def shared_venues(cards: Iterable[CollectorCard]) -> Iterator[str]:
    """Yield a sentence for each venue that two collectors sent rows of in the same hour."""
    for one, other in combinations(cards, 2):
        for venue in sorted(one.newest.keys() & other.newest.keys()):
            hours = {f"{each.newest[venue]:%Y-%m-%d %H:00}" for each in (one, other)}
            if len(hours) == 1:
                yield (
                    f"{venue}: {one.label} and {other.label} both sent rows of the hour "
                    f"{hours.pop()}; each row counts once, but both spend the "
                    "venue's rate limit: leave it out of the universe.yaml of one of them"
                )
