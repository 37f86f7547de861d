"""The report of an examination of venues: what was requested, what differs from the declaration.

Belongs here: its form, in words and as JSON. Does not belong here: how a difference is found
(`sources.venues.conformance`). Nothing in it is secret.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from sources.venues.declared_endpoints import Difference

Status = Literal["fits", "differs", "not checked", "left out"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the beginning of its response."""

    request: str
    sent: str | None = None
    status: int | None = None
    excerpt: str | None = None


@dataclass(frozen=True, slots=True)
class ExaminedResponse:
    """The result of examining one response.

    Parameters
    ----------
    venue, kind : str
        Whose response, to what.
    instrument : str or None
        Of which contract.
    declaration : str
        The declaration it was compared with, as an expression over `VENUES`.
    status : {'fits', 'differs', 'not checked', 'left out'}
        ``not checked``: there was no response. ``left out``: a key is missing, or there are too few
        figures to judge.
    reason : str or None
        Why it was not checked or left out.
    rows : int
        Rows in the response.
    differences : tuple of Difference
        What differs from the declaration.
    notes : tuple of str
        What the response could not show.
    exchanges : tuple of Exchange
        Requests and responses.
    """

    venue: str
    kind: str
    instrument: str | None
    declaration: str
    status: Status
    reason: str | None = None
    rows: int = 0
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    exchanges: tuple[Exchange, ...] = ()

    @property
    def subject(self) -> str:
        """Venue, kind and instrument in words."""
        return " ".join(filter(None, (self.venue, self.kind, self.instrument)))


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """The result of examining venues.

    Parameters
    ----------
    made_at : datetime
        When.
    versions : mapping of str to str
        Of liqheat, ccxt, Python and the platform.
    examined : tuple of ExaminedResponse
        One for each response.
    rate_limits : mapping of str to mapping
        By venue: the last value of each header about limits.
    """

    made_at: datetime
    versions: Mapping[str, str]
    examined: tuple[ExaminedResponse, ...]
    rate_limits: Mapping[str, Mapping[str, str]]

    def of_status(self, status: Status) -> list[ExaminedResponse]:
        """Return the examinations with a status."""
        return [one for one in self.examined if one.status == status]

    def lines(self) -> list[str]:
        """Return in words what differs, and what could not be checked."""
        differing = [
            f"differs: {one.subject}: {difference.words}"
            for one in self.of_status("differs")
            for difference in one.differences
        ]
        unchecked = self.of_status("not checked")
        return differing + [f"not checked: {one.subject}: {one.reason}" for one in unchecked]

    @property
    def has_fitted(self) -> bool:
        """Return whether everything was checked and nothing differs."""
        return not self.of_status("differs") and not self.of_status("not checked")


def write_report(report: DoctorReport, path: Path) -> None:
    """Write a report as JSON, with each difference in words."""
    content = {"lines": report.lines(), **asdict(report)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, default=str, ensure_ascii=False) + "\n")
