"""Published quality grades of assets, with their reasons in words.

Belongs here: reading grades and wording them. Does not belong here: how quality is measured and
graded (``sql``), nor the checks themselves (``jobs.check``).
"""

import difflib
from dataclasses import dataclass, fields
from datetime import datetime
from typing import NamedTuple

from jobs.build.hourly_maps import ALL_VENUES
from jobs.errors import NothingToDo
from jobs.read.figures import percent, usd
from jobs.read.query import open_reader
from jobs.settings import Settings
from warehouse.read import Reader

_NAMES_IN_WORDS = {
    "graded_a_open_interest": "open interest on venues graded A",
    "graded_c_open_interest": "open interest on venues graded C",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A measure beyond its gate, or a remark.

    Parameters
    ----------
    name : str
        Name of the gate or check.
    measured, gate : float or None
        The value and the level of the gate, in `unit`.
    severity : str
        ``hard``, ``soft`` or ``information``.
    unit, direction : str
        Unit, and ``at_least`` or ``at_most``; empty for a check without a gate.
    because : str
        Why the gate has this level.
    """

    name: str
    measured: float | None
    gate: float | None
    severity: str
    unit: str
    direction: str
    because: str

    def in_words(self) -> str:
        """Return the reason as a sentence."""
        text = reason_in_words(self.name)
        if self.severity != "information":
            text += " not measured" if self.measured is None else f" {_readable(self.measured)}"
            if self.gate is not None:
                side = {"at_least": "at least ", "at_most": "at most "}.get(self.direction, "")
                text += f", wanted {side}{_readable(self.gate)}"
            text += f" [{self.unit}]" if self.unit else ""
        return f"{text}: {self.because}" if self.because else text


def reason_in_words(name: str) -> str:
    """Return the name of a gate or check as it is read.

    Examples
    --------
    >>> reason_in_words("low_open_interest"), reason_in_words("graded_a_open_interest")
    ('low open interest', 'open interest on venues graded A')
    """
    return _NAMES_IN_WORDS.get(name, name.replace("_", " "))


def _readable(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class VenueVerdict:
    """The grade of an asset on one venue, or on all together.

    Parameters
    ----------
    asset, venue : str
        What is graded; ``all`` is the asset as a whole.
    as_of : datetime
        The hour.
    grade : str
        A, B or C.
    is_low_cap, is_noisy : bool
        As in ``marts.asset_quality_hourly``.
    open_interest_usd : float or None
        Open interest [USD].
    open_interest_share_ratio, graded_a_open_interest_ratio : float or None
        Share of the asset's open interest, and share of it on venues graded A.
    reasons : tuple of Reason
        Measures beyond their gates, and remarks.
    """

    asset: str
    venue: str
    as_of: datetime
    grade: str
    is_low_cap: bool
    is_noisy: bool
    open_interest_usd: float | None
    open_interest_share_ratio: float | None
    graded_a_open_interest_ratio: float | None
    reasons: tuple[Reason, ...]

    @property
    def doubts(self) -> tuple[Reason, ...]:
        """Reasons that count against the grade."""
        return tuple(reason for reason in self.reasons if reason.severity != "information")

    @property
    def remarks(self) -> tuple[Reason, ...]:
        """Reasons that do not count."""
        return tuple(reason for reason in self.reasons if reason.severity == "information")


_COLUMNS = tuple(column.name for column in fields(VenueVerdict) if column.name != "reasons")


class _Gate(NamedTuple):
    """What is known of a gate; empty for a check without one."""

    unit: str = ""
    direction: str = ""
    because: str = ""


def read_verdicts(
    settings: Settings, *, asset: str | None = None, as_of: datetime | None = None
) -> tuple[VenueVerdict, ...]:
    """Return the grades of the newest published hour, worst asset first.

    Parameters
    ----------
    settings : Settings
        Where things are.
    asset : str, optional
        One asset: itself first, then its venues by open interest; by default every asset as a
        whole.
    as_of : datetime
        Not later than this hour; by default the newest.

    Raises
    ------
    NothingToDo
        Nothing is graded; the message says what is.
    NotPublished
        Nothing has been published yet.
    """
    with open_reader(settings) as reader:
        return verdicts_of(reader, asset=asset, as_of=as_of)


def verdicts_of(
    reader: Reader, *, asset: str | None = None, as_of: datetime | None = None
) -> tuple[VenueVerdict, ...]:
    """Return the grades of the newest published hour through an open reader.

    Parameters and errors are those of ``read_verdicts``.
    """
    chosen = "asset = $asset" if asset is not None else f"venue = '{ALL_VENUES}'"
    parameters = {"as_of": as_of} | ({} if asset is None else {"asset": asset.upper()})
    gates = {
        gate: _Gate(*columns)
        for gate, *columns in reader.execute(
            "select gate, unit, direction, reason from quality.threshold"
        ).fetchall()
    }
    rows = reader.execute(
        f"select {', '.join(_COLUMNS)}, reasons "
        f"from marts.asset_quality_hourly where {chosen} "
        f"and as_of = (select max(as_of) from marts.asset_quality_hourly where {chosen} "
        "and as_of <= coalesce($as_of::timestamp, 'infinity'::timestamp)) "
        f"order by venue <> '{ALL_VENUES}', if(venue = '{ALL_VENUES}', grade, '') desc, "
        "open_interest_usd desc nulls last, asset, venue",
        parameters,
    ).fetchall()
    if not rows:
        raise NothingToDo(_missing(reader, asset))
    return tuple(
        VenueVerdict(
            **dict(zip(_COLUMNS, columns, strict=True)),
            reasons=tuple(
                Reason(**reason, **gates.get(reason["name"], _Gate())._asdict())
                for reason in reasons
            ),
        )
        for *columns, reasons in rows
    )


def _missing(reader: Reader, asset: str | None) -> str:
    known = [
        row[0]
        for row in reader.execute(
            "select distinct asset from marts.asset_quality_hourly order by asset"
        ).fetchall()
    ]
    if not known:
        return "no asset has been graded yet; run `liqheat run` first"
    if asset is None or asset.upper() in known:
        return "nothing was graded by that hour; leave out --as-of to see the newest"
    near = difflib.get_close_matches(asset.upper(), known, n=3) or known[:20]
    return f"{asset} has not been graded; try {', '.join(near)}"


_MEANING = {
    "A": "all gates hold",
    "B": "usable with doubts",
    "C": "not fit to act on, default views hide it",
}


def summary(verdict: VenueVerdict) -> str:
    """Return the grade and its meaning as a sentence."""
    text = f"grade {verdict.grade}, {_MEANING[verdict.grade]}"
    kinds = [
        word
        for word, holds in (("low-cap", verdict.is_low_cap), ("noisy", verdict.is_noisy))
        if holds
    ]
    return text + (f" ({' and '.join(kinds)})" if kinds else "")


def open_interest_in_words(verdict: VenueVerdict) -> str:
    """Return the open interest of a venue and its part of the asset's."""
    if verdict.open_interest_usd is None:
        return "open interest is not known"
    share = verdict.open_interest_share_ratio
    part = "left out of" if share is None else f"{percent(share)} of"
    return f"{usd(verdict.open_interest_usd)} USD of open interest, {part} the asset's"
