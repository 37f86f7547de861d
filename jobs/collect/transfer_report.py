"""The report of the last transfer through the shared landing, which `liqheat status` reads.

Belongs here: its form, the file in the home folder. Does not belong here: the transfers
themselves, judging the report (`jobs.read.transfers`).
"""

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import AwareDatetime, TypeAdapter

from jobs.collect.collector_card import CollectorCard
from jobs.report_file import read_report, write_report
from jobs.settings import Settings

REPORT_FILE = "shared_landing.json"


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What one transfer of landing files did.

    Parameters
    ----------
    at : datetime
        When, UTC.
    direction : {'sent', 'received'}
        From a collector to the shared landing, or from there to the writer.
    moved_count : int
        Files sent or received.
    waiting_count : int
        Files that wait for the next transfer.
    messages : tuple of str
        Why they wait, and what else is wrong.
    cards : tuple of CollectorCard
        The collector's own, or those of all collectors.
    are_cards_known : bool
        Whether the cards of all collectors could be read.
    """

    at: AwareDatetime
    direction: Literal["sent", "received"]
    moved_count: int
    waiting_count: int
    messages: tuple[str, ...] = ()
    cards: tuple[CollectorCard, ...] = ()
    are_cards_known: bool = True

    @property
    def has_failed_to_send(self) -> bool:
        """Whether files wait because the shared landing cannot be used."""
        return self.direction == "sent" and bool(self.messages)


_REPORT = TypeAdapter(TransferReport)


def write_transfer_report(settings: Settings, report: TransferReport) -> None:
    """Keep a report as the last one, without the gaps on its cards: nobody reads them there."""
    cards = tuple(replace(card, gaps=()) for card in report.cards)
    write_report(settings.home / REPORT_FILE, replace(report, cards=cards))


def read_transfer_report(settings: Settings) -> TransferReport | None:
    """Return the last report; None where there is none.

    Raises
    ------
    InputRejected
        The file cannot be read or holds something else.
    """
    return read_report(
        settings.home / REPORT_FILE,
        _REPORT,
        "is no report of a transfer: delete it, the next run writes it again",
    )
