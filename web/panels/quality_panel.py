"""The panel *quality*: whether an asset can be trusted, why, and since when.

Belongs here: grades of one asset and its venues with their reasons, and their history. Does not
belong here: how grades are made (``sql``), words of reasons (``jobs.read.verdicts``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from jobs.errors import NothingToDo
from jobs.read.figures import percent, plural, usd
from jobs.read.query import named_rows
from jobs.read.verdicts import (
    VenueVerdict,
    open_interest_in_words,
    reason_in_words,
    summary,
    verdicts_of,
)
from plots.svg import ChartWords, state_strip
from web.panels.panel_input import PanelInput, ShownPanel, utc

_HOUR = timedelta(hours=1)
_MOST_CHANGES = 6


@dataclass(frozen=True, slots=True)
class VenueGrade:
    """The grade of one venue, or of the asset as a whole, with its reasons in words."""

    venue: str
    grade: str
    summary: str
    open_interest: str
    disqualifies: tuple[str, ...]
    doubts: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GradedAsset:
    """An asset of the publication: its grade, what counts against it, and its query string."""

    asset: str
    grade: str
    reasons: str
    link: str
    is_shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPanel(ShownPanel):
    """What the panel shows.

    Parameters
    ----------
    whole : VenueGrade or None
        The asset as a whole.
    venues : tuple of VenueGrade
        Its venues, by open interest.
    open_interest : str
        Open interest and how much of it is on venues graded A.
    history : Markup
        Grades over the window.
    changes : tuple of str
        When the grade changed, newest first.
    assets : tuple of GradedAsset
        Every asset of the publication, worst first.
    """

    whole: VenueGrade | None = None
    venues: tuple[VenueGrade, ...] = ()
    open_interest: str = ""
    history: Markup = Markup()  # noqa: RUF009  (an empty, immutable text)
    changes: tuple[str, ...] = ()
    assets: tuple[GradedAsset, ...] = ()


def read_quality(given: PanelInput) -> QualityPanel:
    """Return the grade of the asset of a view, with reasons and history."""
    view = given.view
    try:
        whole, *venues = verdicts_of(given.reader, asset=view.asset, as_of=view.as_of)
        graded = verdicts_of(given.reader, as_of=view.as_of)
    except NothingToDo as exc:
        return QualityPanel(asset=view.asset, missing=str(exc))
    window = {"asset": view.asset, "from_at": view.from_at, "until_at": view.as_of}
    history = named_rows(given.reader, "grade_history", window)
    return QualityPanel(
        asset=view.asset,
        as_of=whole.as_of,
        whole=_grade(whole),
        venues=tuple(map(_grade, venues)),
        open_interest=_open_interest(whole, venues),
        history=_strip(history),
        changes=tuple(_changes(history)),
        assets=tuple(
            GradedAsset(
                one.asset,
                one.grade,
                ", ".join(reason_in_words(reason.name) for reason in one.doubts),
                view.link(
                    asset=one.asset, provider=None, venue=None, compare=None, panel="quality"
                ),
                one.asset == view.asset,
            )
            for one in graded
        ),
    )


def _grade(verdict: VenueVerdict) -> VenueGrade:
    def in_words(severity: str) -> tuple[str, ...]:
        return tuple(one.in_words() for one in verdict.reasons if one.severity == severity)

    return VenueGrade(
        verdict.venue,
        verdict.grade,
        summary(verdict),
        open_interest_in_words(verdict),
        in_words("hard"),
        in_words("soft"),
        in_words("information"),
    )


def _open_interest(whole: VenueVerdict, venues: Sequence[VenueVerdict]) -> str:
    if whole.open_interest_usd is None:
        return "open interest is not known"
    count = sum(verdict.open_interest_share_ratio is not None for verdict in venues)
    graded = percent(whole.graded_a_open_interest_ratio)
    return f"{usd(whole.open_interest_usd)} USD of open interest on {plural(count, 'venue')}" + (
        f", {graded} of it on venues graded A" if graded else ""
    )


def _strip(history: Sequence[Mapping[str, Any]]) -> Markup:
    """Return the grades of a window, hours without one as gaps."""
    if not history:
        return Markup()
    grades = {row["as_of"]: str(row["grade"]) for row in history}
    first, last = history[0]["as_of"], history[-1]["as_of"]
    hours = int((last - first) / _HOUR) + 1
    states = [grades.get(first + hour * _HOUR, "") for hour in range(hours)]
    counts = ", ".join(
        f"{grade} in {plural(states.count(grade), 'hour')}" for grade in "ABC" if grade in states
    )
    words = ChartWords(
        "grade-history", "Grade, hour by hour", f"{utc(first)} to {utc(last)}: {counts}."
    )
    ends = (f"{first:%m-%d %H:%M}", f"{last:%m-%d %H:%M} UTC")
    return Markup(state_strip(states, ends, words))  # noqa: S704  (plots.svg escapes every word)


def _changes(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return when the grade of a window changed and what failed then, newest first."""
    if not history:
        return []
    said = []
    for before, row in pairwise(history):
        if before["grade"] != row["grade"]:
            failed = ", ".join(reason_in_words(name) for name in row["reason_names"])
            said.append(
                f"{utc(row['as_of'])}: {before['grade']} to {row['grade']}"
                + (f" ({failed})" if failed else "")
            )
    if not said:
        return [f"grade {history[-1]['grade']} in every hour since {utc(history[0]['as_of'])}"]
    left = len(said) - _MOST_CHANGES
    more = [f"and {plural(left, 'change')} before"] if left > 0 else []
    return [*reversed(said[-_MOST_CHANGES:]), *more]
