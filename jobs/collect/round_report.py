"""The report of a round, for people and for the record of runs.

Belongs here: what is counted, venue by venue. Does not belong here: what follows from it
(`jobs.collect.settle`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from jobs.collect.transfer_report import TransferReport
from jobs.one_cause import said_once
from sources.venues.pacer import VenueReport
from sources.venues.rounds import RequestOutcome
from warehouse.load import LoadReport

_MESSAGES_KEPT = 5


@dataclass(frozen=True, slots=True)
class VenueOutcome:
    """What a round achieved on one venue.

    Parameters
    ----------
    instruments : int
        Instruments followed.
    requests, done : int
        Requests planned, and those answered to their end.
    asked, received, retries, not_asked : int
        Calls made, answered, repeated, skipped.
    rows, quarantined : int
        Records landed; rows and answers rejected.
    seconds : float
        From the first call to the last answer.
    errors : dict of str to int
        Count of each kind of error, retried ones included.
    messages : tuple of str
        The first five errors in words, those of one cause as one, without secrets.
    audit_rows, audit_median_ratio, audit_largest_ratio
        Amount times price over value of open interest: 1 where the units are right.
    """

    instruments: int = 0
    requests: int = 0
    done: int = 0
    asked: int = 0
    received: int = 0
    retries: int = 0
    not_asked: int = 0
    rows: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    audit_rows: int = 0
    audit_median_ratio: float | None = None
    audit_largest_ratio: float | None = None

    @property
    def has_failed(self) -> bool:
        """Whether no request was answered."""
        return self.done == 0 and bool(self.messages)


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a round achieved.

    Parameters
    ----------
    venues : dict of str to VenueOutcome
        By venue, or other source of data.
    listed, delisted : tuple of str
        Instruments, ``venue:instrument``, that started or stopped trading since the last round.
    row_count : int
        Records landed.
    undone_count : int
        Requests not answered to their end; the ledger has what they left missing.
    loaded : LoadReport or None
        What was loaded; None where the warehouse stayed busy.
    transfer : TransferReport or None
        What went through the shared landing; None where there is none.
    """

    venues: dict[str, VenueOutcome]
    listed: tuple[str, ...]
    delisted: tuple[str, ...]
    row_count: int
    undone_count: int
    loaded: LoadReport | None = None
    transfer: TransferReport | None = None

    def detail(self) -> dict[str, Any]:
        """Return what the record of the run holds."""
        loaded = self.loaded
        return {
            "venues": {name: asdict(one) for name, one in self.venues.items()},
            "listed": self.listed,
            "delisted": self.delisted,
            "undone_count": self.undone_count,
            **(
                {"rows_by_kind": loaded.rows_by_kind, "rejected": loaded.rejected} if loaded else {}
            ),
        }


def summarise_venue(
    report: VenueReport, outcomes: Sequence[RequestOutcome], instruments: int, failure: str | None
) -> VenueOutcome:
    """Return what a round achieved on a venue.

    Parameters
    ----------
    report : VenueReport
        The client's counts.
    outcomes : sequence of RequestOutcome
        One for each request.
    instruments : int
        Instruments followed.
    failure : str or None
        Why the venue's contracts could not be listed.
    """
    audit = report.unit_audit
    messages = [one for one in (failure, *(one.message for one in outcomes)) if one is not None]
    return VenueOutcome(
        instruments=instruments,
        requests=len(outcomes),
        done=sum(one.status == "done" for one in outcomes),
        asked=report.calls,
        received=report.responses,
        retries=report.retries,
        not_asked=report.skipped,
        rows=sum(one.rows for one in outcomes),
        quarantined=report.quarantined,
        seconds=round(report.seconds, 3),
        errors=dict(report.errors),
        messages=tuple(said_once(messages))[:_MESSAGES_KEPT],
        audit_rows=audit.rows,
        audit_median_ratio=audit.median_ratio if audit.rows else None,
        audit_largest_ratio=audit.largest_ratio if audit.rows else None,
    )


def summarise_calls(
    calls: int, rows: int, errors: Sequence[Exception], seconds: float
) -> VenueOutcome:
    """Return what calls to a source that is no venue achieved."""
    answered = calls - len(errors)
    return VenueOutcome(
        requests=calls,
        done=answered,
        asked=calls,
        received=answered,
        rows=rows,
        seconds=seconds,
        errors=dict(Counter(type(one).__name__ for one in errors)),
        messages=tuple(dict.fromkeys(map(str, errors)))[:_MESSAGES_KEPT],
    )
