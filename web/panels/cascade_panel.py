"""The panel *cascade*: what a move of price would force, and how much further that carries it.

Belongs here: published scenarios of one map, and what its levels hold up to a move that the reader
chose. Does not belong here: the model of the cascade (``transforms.cascade``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from jobs.read.figures import percent, price, usd
from jobs.read.query import named_rows
from plots.map_grid import CONSENSUS
from plots.svg import ChartAxes, ChartLine, ChartWords, line_chart
from plots.warning import read_warning
from web.panels.panel_input import PanelInput, ShownMapPanel, signed_percent, venue_in_words

_Row = Mapping[str, Any]
_Floats = NDArray[np.float64]

MOST_SHOCK_PERCENT = 20.0
"""The farthest move: 20 % is how far the compared part of a map reaches."""

_DRAWN_PERCENT = np.linspace(-10.0, 10.0, 81)
_NEVER = "no statement about whether price moves, or where to"


@dataclass(frozen=True, slots=True)
class ScenarioLine:
    """One move of price and what follows; cells are empty where a figure is not known.

    Parameters
    ----------
    move, side : str
        Signed move, and the side it hits.
    to_price, forced_first, forced, more, further, end_price, amplification : str
        Price after the move, what it forces itself, in the end and by how much more, how far price
        goes beyond it, where it ends, and the whole move over the first one.
    is_lower_bound : bool
        Whether the scenario leaves the map, so that figures are lower bounds.
    is_chosen : bool
        Whether it is the move that the reader chose.
    """

    move: str
    side: str
    to_price: str
    forced_first: str
    forced: str
    more: str
    further: str
    end_price: str
    amplification: str
    is_lower_bound: bool
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadePanel(ShownMapPanel):
    """What the panel shows.

    Parameters
    ----------
    rows : tuple of ScenarioLine
        Published scenarios, from the highest rise to the deepest fall.
    shock : str
        The chosen move as it is in the form, empty without one.
    answer : tuple of str
        What the chosen move would do, in sentences.
    curve : Markup
        What is forced by the move.
    fields : tuple of (str, str)
        Parameters of the view that the form carries.
    """

    rows: tuple[ScenarioLine, ...] = ()
    shock: str = ""
    answer: tuple[str, ...] = ()
    curve: Markup = Markup()  # noqa: RUF009  (an empty, immutable text)
    fields: tuple[tuple[str, str], ...] = ()


def read_cascade(given: PanelInput) -> CascadePanel:
    """Return what moves of price would force on the map of a view."""
    view = given.view
    which = {"asset": view.asset, "provider": view.provider, "venue": view.venue}
    rows = named_rows(given.reader, "cascade_scenarios", {**which, "as_of": view.as_of})
    venue = venue_in_words(view.venue)
    empty = CascadePanel(asset=view.asset, provider=view.provider, venue=venue)
    fields = tuple((k, v) for k, v in view.given.items() if k not in ("shock", "panel"))
    if not rows:
        reason = (
            "the consensus is a mean of shapes and has no scale in USD; choose a provider"
            if view.provider == CONSENSUS
            else f"no scenarios of {view.asset} by {view.provider} on {venue} are published up to "
            "this hour: its map has no scale in USD, or `liqheat run` has not made them"
        )
        return replace(empty, missing=reason)
    first = rows[0]
    bins = named_rows(given.reader, "map_of_hour", {**which, "as_of": first["as_of"]})
    shock = given.shock_percent
    return replace(
        empty,
        as_of=first["as_of"],
        price=price(first["price"]),
        rows=tuple(_line(row, shock) for row in reversed(rows)),
        shock="" if shock is None else f"{shock:g}",
        answer=() if shock is None else tuple(_answer(rows, bins, shock)),
        curve=_curve(rows, bins),
        fields=fields,
        notes=_notes(first),
        warning=read_warning(
            given.reader, asset=view.asset, venue=view.venue, as_of=first["as_of"]
        ),
    )


def _line(row: _Row, shock: float | None) -> ScenarioLine:
    slip, factor = row["slip_bps"], row["amplification_ratio"]
    move = row["shock_ratio"]
    return ScenarioLine(
        move=signed_percent(move, "g"),
        side=f"{row['side']}s",
        to_price=price(row["price"] * (1.0 + move)),
        forced_first=usd(row["forced_first_usd"]),
        forced=usd(row["forced_usd"]),
        more=_more(row),
        further="" if slip is None else _further(slip, move),
        end_price="" if row["end_price"] is None else price(row["end_price"]),
        amplification="" if factor is None else f"{factor:.2f}",
        is_lower_bound=bool(row["is_range_exhausted"]),
        is_chosen=shock is not None and abs(100.0 * move - shock) < 1e-9,
    )


def _more(row: _Row) -> str:
    """Return what impact forces beyond the move itself; empty where that is nothing or unknown."""
    if row["forced_usd"] is None or row["forced_first_usd"] is None:
        return ""
    more = row["forced_usd"] - row["forced_first_usd"]
    return f"+{usd(more)}" if more >= 1.0 else ""


def _further(slip_bps: float, move: float) -> str:
    """Return how far price goes beyond the move, with the sign of the move."""
    sign = "" if slip_bps < 0.5 else "+" if move > 0.0 else "-"
    return f"{sign}{slip_bps / 100:.2f} %"


def forced_by(bins: Sequence[_Row], now: float, moves_ratio: _Floats) -> _Floats:
    """Return what lies on the levels of a map between price and each moved price [USD].

    What a bin holds is spread evenly over its log width; the bin that holds price counts from price
    on. It is what ``transforms.cascade`` calls forced first.

    Parameters
    ----------
    bins : sequence of mapping
        Rows of ``sql/queries/map_of_hour.sql``.
    now : float
        Price that moves: the close of the asset, where a map may have its own.
    moves_ratio : ndarray of float64, shape (n,)
        Moves of price, above -1 [ratio].

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN where the map has no bin of the side.
    """
    found = np.full(moves_ratio.size, np.nan)
    for side, sign in (("long", -1.0), ("short", 1.0)):
        own = [row for row in bins if row["side"] == side]
        moved = np.sign(moves_ratio) == sign
        if not own or not moved.any():
            continue
        near, far = ("price_high", "price_low") if side == "long" else ("price_low", "price_high")
        start = sign * np.log(np.array([row[near] for row in own]) / now)
        end = sign * np.log(np.array([row[far] for row in own]) / now)
        held = np.array([row["liquidation_usd"] for row in own])
        reach = np.abs(np.log1p(moves_ratio[moved]))[:, None]
        passed = (np.minimum(reach, end) - np.maximum(start, 0.0)) / (end - start)
        found[moved] = (held * np.clip(passed, 0.0, 1.0)).sum(axis=1)
    return found


def _answer(rows: Sequence[_Row], bins: Sequence[_Row], shock: float) -> list[str]:
    """Return what a chosen move would do: a published scenario, or what lies between two."""
    move = shock / 100.0
    side = "long" if move < 0.0 else "short"
    now = rows[0]["price"]
    (first,) = forced_by(bins, now, np.array([move]))
    if not np.isfinite(first):
        return [f"{signed_percent(move, 'g')}: the map holds no {side}s"]
    said = [
        f"A move of {signed_percent(move, 'g')}, to {price(now * (1.0 + move))}, would force "
        f"{usd(float(first))} USD of {side}s by itself."
    ]
    own = sorted(
        (row for row in rows if row["side"] == side), key=lambda row: abs(row["shock_ratio"])
    )
    known = [row for row in own if row["forced_usd"] is not None]
    if not known:
        return [*said, "How far that would carry price is not known: no volume or volatility."]
    exact = [row for row in known if abs(row["shock_ratio"] - move) < 1e-9]
    nearer = [row for row in known if abs(row["shock_ratio"]) < abs(move)]
    farther = [row for row in known if abs(row["shock_ratio"]) > abs(move)]
    if exact:
        return [*said, f"With the impact of what is forced, {_end_in_words(exact[0])}."]
    if not farther:
        edge = signed_percent(nearer[-1]["shock_ratio"], "g")
        said.append(f"Scenarios are published up to {edge}: there {_end_in_words(nearer[-1])}.")
        return said
    if not nearer:
        edge = signed_percent(farther[0]["shock_ratio"], "g")
        said.append(
            "No scenario is published for so small a move. The smallest on this side is "
            f"{edge}: there {_end_in_words(farther[0])}."
        )
        return said
    between = _between(nearer[-1], farther[0])
    return [*said, f"Scenarios are published on both sides of it. {between}"]


def _end_in_words(row: _Row) -> str:
    least = "at least " if row["is_range_exhausted"] else ""
    return (
        f"price would end {least}at {price(row['end_price'])}, "
        f"{signed_percent(row['end_price'] / row['price'] - 1.0, '.2f')} from where it is, "
        f"with {least}{usd(row['forced_usd'])} USD forced in all"
    )


def _between(nearer: _Row, farther: _Row) -> str:
    return (
        f"With the impact of what is forced, {signed_percent(nearer['shock_ratio'], 'g')} ends at "
        f"{price(nearer['end_price'])} ({usd(nearer['forced_usd'])} USD in all) and "
        f"{signed_percent(farther['shock_ratio'], 'g')} at {price(farther['end_price'])} "
        f"({usd(farther['forced_usd'])} USD)."
    )


def _curve(rows: Sequence[_Row], bins: Sequence[_Row]) -> Markup:
    """Return what is forced by a move: at once as a line, in the end as points."""
    moves = _DRAWN_PERCENT / 100.0
    first = forced_by(bins, rows[0]["price"], moves)
    first[moves == 0.0] = 0.0
    in_all = np.full(moves.size, np.nan)
    for row in rows:
        if row["forced_usd"] is not None:
            in_all[np.abs(moves - row["shock_ratio"]).argmin()] = row["forced_usd"]
    totals = ", ".join(
        f"{signed_percent(row['shock_ratio'], 'g')} {usd(row['forced_usd']) or 'not known'}"
        for row in rows
    )
    ticks = tuple((float(at), f"{at:+d} %" if at else "price") for at in (-10, -5, 0, 5, 10))
    drawn = line_chart(
        _DRAWN_PERCENT,
        [
            ChartLine("longs at once", np.where(moves <= 0.0, first, np.nan), "long"),
            ChartLine("shorts at once", np.where(moves >= 0.0, first, np.nan), "short"),
            ChartLine("in the end", in_all, "second", has_line=False, has_points=True),
        ],
        ChartAxes(ticks, usd, baseline=0.0),
        ChartWords(
            "cascade-curve",
            "USD forced by a move of price, at once and in the end",
            f"In the end: {totals}.",
        ),
    )
    return Markup(drawn)  # noqa: S704  (plots.svg escapes every word)


def _notes(row: _Row) -> tuple[str, ...]:
    volume, sigma = row["volume_day_usd"], row["volatility_day_ratio"]
    known = (
        "Volume or volatility of the day is not known, so only what a move forces at once is."
        if volume is None or sigma is None
        else f"Impact by the square-root law: volatility {percent(sigma, '.1f')} a day, "
        f"{usd(volume)} USD traded in 24 h."
    )
    return (
        f"At once: what lies on levels up to the moved price. {known}",
        f"What if, not what is likely: {_NEVER}.",
    )
