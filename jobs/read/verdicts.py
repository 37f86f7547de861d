"""Reading verdicts from what is published, and saying them in words.

Belongs here: what people are told of an asset's quality. Does not belong here: how it is measured
and graded (``sql``), nor the checks themselves (``check``).
"""

import difflib
from dataclasses import dataclass
from datetime import datetime

from jobs.errors import NothingToDo
from jobs.read.query import published
from jobs.settings import Settings
from warehouse.read import Reader

ALL_VENUES = "all"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is beyond its gate.

    Parameters
    ----------
    name : str
        Name of the gate or check.
    measured, gate : float or None
        The value and the level it is held against, in `unit`.
    severity : str
        ``hard``, ``soft`` or ``information``.
    unit, direction : str
        Unit, and ``at_least`` or ``at_most``; empty for a check without a gate.
    because : str
        Why the gate stands where it does.
    """

    name: str
    measured: float | None
    gate: float | None
    severity: str
    unit: str
    direction: str
    because: str

    def in_words(self) -> str:
        """Return the reason as a person would say it."""
        told = self.name.replace("_", " ")
        if self.severity != "information":
            told += " not measured" if self.measured is None else f" {_readable(self.measured)}"
            if self.gate is not None:
                side = {"at_least": "at least ", "at_most": "at most "}.get(self.direction, "")
                told += f", wanted {side}{_readable(self.gate)}"
            told += f" [{self.unit}]" if self.unit else ""
        return f"{told}: {self.because}" if self.because else told


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
        What stands there [USD].
    open_interest_share_ratio, graded_a_open_interest_ratio : float or None
        Share of the asset's open interest, and share of it on venues graded A.
    reasons : tuple of Reason
        What is beyond its gate.
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
    def is_set_apart(self) -> bool:
        """Whether the asset's sums leave it out."""
        return self.venue != ALL_VENUES and any(one.name == "set_apart" for one in self.reasons)

    @property
    def doubts(self) -> tuple[Reason, ...]:
        """What counts against it."""
        return tuple(reason for reason in self.reasons if reason.severity != "information")

    @property
    def remarks(self) -> tuple[Reason, ...]:
        """What is told and does not count."""
        return tuple(reason for reason in self.reasons if reason.severity == "information")


def read_verdicts(
    settings: Settings, *, asset: str | None = None, as_of: datetime | None = None
) -> tuple[VenueVerdict, ...]:
    """Return the verdicts of the newest published hour, worst asset first.

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
        There is no verdict; the message says what there is.
    NotPublished
        Nothing has been published yet.
    """
    chosen = "asset = $asset" if asset is not None else f"venue = '{ALL_VENUES}'"
    parameters = {"as_of": as_of} | ({} if asset is None else {"asset": asset.upper()})
    with published(settings) as connection:
        gates = {
            gate: (unit, direction, because)
            for gate, unit, direction, because in connection.execute(
                "select gate, unit, direction, reason from quality.threshold"
            ).fetchall()
        }
        rows = connection.execute(
            "select asset, venue, as_of, grade, is_low_cap, is_noisy, open_interest_usd, "
            "open_interest_share_ratio, graded_a_open_interest_ratio, reasons "
            f"from marts.asset_quality_hourly where {chosen} "
            f"and as_of = (select max(as_of) from marts.asset_quality_hourly where {chosen} "
            "and as_of <= coalesce($as_of::timestamptz, 'infinity'::timestamptz)) "
            f"order by venue <> '{ALL_VENUES}', if(venue = '{ALL_VENUES}', grade, '') desc, "
            "open_interest_usd desc nulls last, asset, venue",
            parameters,
        ).fetchall()
        if not rows:
            raise NothingToDo(_missing(connection, asset))
    return tuple(
        VenueVerdict(
            asset=row[0],
            venue=row[1],
            as_of=row[2],
            grade=row[3],
            is_low_cap=row[4],
            is_noisy=row[5],
            open_interest_usd=row[6],
            open_interest_share_ratio=row[7],
            graded_a_open_interest_ratio=row[8],
            reasons=tuple(
                Reason(
                    reason["name"],
                    reason["measured"],
                    reason["gate"],
                    reason["severity"],
                    *gates.get(reason["name"], ("", "", "")),
                )
                for reason in row[9]
            ),
        )
        for row in rows
    )


def _missing(connection: Reader, asset: str | None) -> str:
    known = [
        row[0]
        for row in connection.execute(
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
    """Return what a grade means here, in one sentence."""
    told = f"grade {verdict.grade}, {_MEANING[verdict.grade]}"
    kinds = [
        word
        for word, holds in (("low-cap", verdict.is_low_cap), ("noisy", verdict.is_noisy))
        if holds
    ]
    return told + (f" ({' and '.join(kinds)})" if kinds else "")
