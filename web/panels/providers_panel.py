"""The panel *providers*: how far two maps differ, in what, and how alike all of them are.

Belongs here: one pair in sentences with its figures, its shapes, and the shares of all pairs. Does
not belong here: the measures (``transforms.disagreement``), words that the command line prints too
(``jobs.read.difference_words``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from markupsafe import Markup

from jobs.read.difference_words import (
    MEASURES_IN_WORDS,
    PairRow,
    limits_of_comparison,
    overall_notes,
)
from jobs.read.figures import difference_cells, percent
from jobs.read.query import named_rows
from plots.svg import ChartAxes, ChartLine, ChartWords, line_chart
from web.panels.panel_input import PanelInput, ShownPanel, venue_in_words

_SIDES = ("both", "long", "short")
_STEPS = range(-20, 20)


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of a pair: its name, what it means, and its figure by side."""

    name: str
    meaning: str
    both: str
    long: str
    short: str


@dataclass(frozen=True, slots=True)
class OverlapCell:
    """How much of their shape two providers share; empty text on the diagonal or where unknown.

    Parameters
    ----------
    text : str
        The share.
    tenth : int
        The share in tenths, for its shade; -1 without a figure.
    link : str
        Query string that shows the pair; empty where there is none.
    is_shown : bool
        Whether it is the pair shown.
    """

    text: str
    tenth: int
    link: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class OverlapRow:
    """A provider and the shares that it has in common with each, in the order of columns."""

    provider: str
    cells: tuple[OverlapCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersPanel(ShownPanel):
    """What the panel shows.

    Parameters
    ----------
    venue : str
        Whose maps, in words.
    first, second : str
        The two providers; empty without a pair.
    sentences : tuple of str
        How far they differ and in what.
    measures : tuple of Measure
        The same in figures, by side.
    shapes : Markup
        Both shapes over distance from price.
    names : tuple of str
        Columns of the matrix.
    rows : tuple of OverlapRow
        Its rows.
    """

    venue: str
    first: str = ""
    second: str = ""
    sentences: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    shapes: Markup = Markup()  # noqa: RUF009  (an empty, immutable text)
    names: tuple[str, ...] = ()
    rows: tuple[OverlapRow, ...] = ()


def read_providers(given: PanelInput) -> ProvidersPanel:
    """Return how the map of a view differs from another, and how alike all maps are."""
    view = given.view
    venue = venue_in_words(view.venue)
    empty = ProvidersPanel(asset=view.asset, venue=venue)
    hour, rows = _newest_pairs(given)
    if hour is None:
        return replace(
            empty,
            missing=f"no two maps of {view.asset} are published up to this hour, so there is "
            "nothing to compare; `liqheat providers` lists the maps",
        )
    at = {"asset": view.asset, "hour": hour}
    if not rows:
        venues = named_rows(given.reader, "compared_venues", at)[0]["venues"]
        return replace(
            empty,
            as_of=hour,
            missing=f"no two maps of {view.asset} on {venue}; there are of {', '.join(venues)}",
        )
    overall = named_rows(given.reader, "asset_disagreement", at)
    both = [row for row in rows if row["side"] == "both"]
    names = tuple(sorted({row[f"provider_{end}"] for row in both for end in "ab"}))
    first, second = _pair(given, both, names)
    by_side = {
        row["side"]: row
        for row in rows
        if {row["provider_a"], row["provider_b"]} == {first, second}
    }
    return replace(
        empty,
        as_of=hour,
        first=first,
        second=second,
        sentences=tuple(pair_sentences(by_side, first, second)),
        measures=_measures(by_side, first, second),
        shapes=_shapes(given, first, second, hour),
        names=names,
        rows=_matrix(given, both, names, {first, second}),
        notes=(*overall_notes(overall), MEASURES_IN_WORDS),
    )


def _newest_pairs(given: PanelInput) -> tuple[datetime | None, Sequence[PairRow]]:
    """Return the hour of the view with its pairs, or the newest before that has any."""
    view = given.view
    at = {"asset": view.asset, "venue": view.venue}
    rows = named_rows(given.reader, "disagreement_of_hour", {**at, "hour": view.as_of})
    if rows:
        return view.as_of, rows
    until = {"asset": view.asset, "as_of": view.as_of}
    hour = named_rows(given.reader, "newest_comparison", until)[0]["hour"]
    return hour, named_rows(given.reader, "disagreement_of_hour", {**at, "hour": hour})


def _pair(given: PanelInput, both: Sequence[PairRow], names: Sequence[str]) -> tuple[str, str]:
    """Return the two providers of a view; where it names one, with the one least like it."""
    view = given.view
    first = view.provider if view.provider in names else names[0]
    if view.compare in names and view.compare != first:
        return first, str(view.compare)
    own = [row for row in both if first in (row["provider_a"], row["provider_b"])]
    # The positions of a simulated market are what maps are judged by: shown when they are chosen.
    least = min(own, key=lambda row: (row["overlap_ratio"] is None, row["overlap_ratio"] or 0.0))
    return first, str(least["provider_b" if least["provider_a"] == first else "provider_a"])


def pair_sentences(by_side: Mapping[str, PairRow], first: str, second: str) -> list[str]:
    """Return how far two maps differ and in what, a sentence each.

    Parameters
    ----------
    by_side : mapping of str to mapping
        Rows of the pair by side.
    first, second : str
        The providers, in the order they are named.
    """
    both = by_side["both"]
    if not both["is_comparable"]:
        return [f"{first} and {second} cannot be compared: {both['reason']}."]
    said = [_scale_sentence(both, first, second)]
    share, reach, placement = (
        both[name] for name in ("overlap_ratio", "reach_ratio", "placement_ratio")
    )
    said.append(f"Shape: they share {percent(share)} of where they put liquidations.")
    if reach is not None and placement is not None and reach + placement > 0.0:
        larger = "distance" if reach >= placement else "place"
        said.append(
            f"They differ by {percent(reach)} in distance from price (reach: the leverage assumed) "
            f"and by {percent(placement)} in the exact place (placement: the entries assumed), so "
            f"mostly in {larger}."
        )
    if both["wasserstein_bps"] is not None:
        said.append(
            f"To make one of the other, mass would have to move {both['wasserstein_bps'] / 100:.1f}"
            " % along price on average."
        )
    peaks = [
        f"of {side}s {by_side[side]['peak_distance_bps'] / 100:.1f} % apart"
        for side in ("long", "short")
        if side in by_side and by_side[side]["peak_distance_bps"] is not None
    ]
    if peaks:
        said.append(f"Highest peaks: {', '.join(peaks)}.")
    if both["band_match_ratio"] is not None:
        said.append(
            f"Of the five largest bands of one, {percent(both['band_match_ratio'])} are found in "
            "the other."
        )
    limits = limits_of_comparison(both)
    return [*said, f"{limits}."] if limits else said


def _scale_sentence(both: PairRow, first: str, second: str) -> str:
    """Return how much larger one map is than the other."""
    scale = both["scale_log_ratio"]
    if scale is None:
        counts = {end: f"{both[f'semantics_{end}']}, {both[f'unit_{end}']}" for end in "ab"}
        return (
            f"Size cannot be compared: {both['provider_a']} counts {counts['a']}, "
            f"{both['provider_b']} {counts['b']}."
        )
    factor = math.exp(scale if both["provider_a"] == first else -scale)
    if 0.95 < factor < 1.05:
        return f"Size: {first} and {second} hold about the same in all."
    return (
        f"Size: {first} holds {factor:.2g} times what {second} holds."
        if factor > 1.0
        else f"Size: {second} holds {1.0 / factor:.2g} times what {first} holds."
    )


def _measures(by_side: Mapping[str, PairRow], first: str, second: str) -> tuple[Measure, ...]:
    """Return the figures of a pair by side."""

    def figures(name: str, row: PairRow) -> str:
        if name == "size":
            scale = row["scale_log_ratio"]
            turned = scale if scale is None or row["provider_a"] == first else -scale
            if turned is None:
                return ""
            factor = math.exp(abs(turned))
            return f"{factor:.2g} : 1" if turned >= 0.0 else f"1 : {factor:.2g}"
        if name == "peaks":
            away = row["peak_distance_bps"]
            return "" if away is None else f"{away / 100:.1f} %"
        return difference_cells(row)[name]

    meanings = {
        "size": f"{first} to {second}",
        "share": "of shape in common",
        "reach": "differs by leverage assumed",
        "placement": "differs by entries assumed",
        "moved by": "distance of mass along price",
        "peaks": "distance of the highest peaks",
        "bands": "of five largest, in both",
    }
    return tuple(
        Measure(
            name,
            meaning,
            *(figures(name, by_side[side]) if side in by_side else "" for side in _SIDES),
        )
        for name, meaning in meanings.items()
    )


def _shapes(given: PanelInput, first: str, second: str, hour: datetime) -> Markup:
    """Return both maps as lines over distance from price."""
    view = given.view
    rows = named_rows(
        given.reader,
        "pair_shapes",
        {"asset": view.asset, "venue": view.venue, "as_of": hour, "providers": [first, second]},
    )
    share = {name: np.zeros(len(_STEPS)) for name in (first, second)}
    for row in rows:
        share[row["provider"]][row["step"] + 20] = row["share_ratio"]
    below = {name: float(values[:20].sum()) for name, values in share.items()}
    x = np.array([step + 0.5 for step in _STEPS])
    ticks = tuple((float(at), f"{at:+d} %" if at else "price") for at in (-20, -10, 0, 10, 20))
    drawn = line_chart(
        x,
        [ChartLine(first, share[first], "first"), ChartLine(second, share[second], "second")],
        ChartAxes(ticks, lambda value: f"{100 * value:.0f} %", baseline=0.0),
        ChartWords(
            "pair-shapes",
            f"Where {first} and {second} put liquidations, by distance from price",
            "Share of each map in steps of one percent. Below price: "
            + ", ".join(f"{name} {percent(part)}" for name, part in below.items())
            + ".",
        ),
    )
    return Markup(drawn)  # noqa: S704  (plots.svg escapes every word)


def _matrix(
    given: PanelInput, both: Sequence[PairRow], names: Sequence[str], shown: set[str]
) -> tuple[OverlapRow, ...]:
    """Return the share of shape that each two providers have in common."""
    overlap: dict[frozenset[str], float | None] = {
        frozenset((row["provider_a"], row["provider_b"])): row["overlap_ratio"] for row in both
    }

    def cell(one: str, other: str) -> OverlapCell:
        share = overlap.get(frozenset((one, other)))
        if one == other or share is None:
            return OverlapCell("" if one == other else "not comparable", -1, "", is_shown=False)
        link = given.view.link(provider=one, compare=other, panel="providers")
        return OverlapCell(f"{100 * share:.0f}", int(10 * share), link, {one, other} == shown)

    return tuple(OverlapRow(one, tuple(cell(one, other) for other in names)) for one in names)
