"""The panel *context*: the market around the map.

Belongs here: price, open interest, volume, funding, positioning and sentiment of one asset over the
window, and its open interest by venue. Does not belong here: how each is measured
(``sql/marts/market_context_hourly.sql``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from markupsafe import Markup

from jobs.read.figures import percent, plural, price, usd
from jobs.read.query import named_rows
from plots.svg import ChartWords, spark_line
from web.panels.panel_input import PanelInput, ShownPanel, signed_percent

_Row = Mapping[str, Any]
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ContextFigure:
    """One figure: its newest value with its change over 24 hours, or why there is none.

    Parameters
    ----------
    name, value, change, note : str
        Words and figures; the note says what the figure is, or why there is none.
    spark : Markup
        Its values over the window; empty with fewer than two.
    """

    name: str
    value: str
    change: str
    note: str
    spark: Markup


@dataclass(frozen=True, slots=True)
class VenueOpenInterest:
    """Open interest of one venue: each contract once, as reported, and why the two differ."""

    venue: str
    counted: str
    reported: str
    share: str
    age: str
    reason: str
    is_set_apart: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextPanel(ShownPanel):
    """What the panel shows.

    Parameters
    ----------
    from_at : datetime or None
        The first hour of the window.
    figures : tuple of ContextFigure
        The market.
    venues : tuple of VenueOpenInterest
        Open interest by venue, the largest first.
    counted, reported : str
        Open interest of all venues, once and as reported.
    """

    from_at: datetime | None = None
    figures: tuple[ContextFigure, ...] = ()
    venues: tuple[VenueOpenInterest, ...] = ()
    counted: str = ""
    reported: str = ""


def read_context(given: PanelInput) -> ContextPanel:
    """Return the market around the map of a view."""
    view = given.view
    window = {"asset": view.asset, "from_at": view.from_at, "until_at": view.as_of}
    rows = named_rows(given.reader, "context_window", window)
    if not rows:
        return ContextPanel(
            asset=view.asset,
            missing=f"there are no bars of {view.asset} in this window; `liqheat status` shows how "
            "fresh each venue is",
        )
    newest = rows[-1]
    venues = named_rows(
        given.reader, "venue_open_interest", {"asset": view.asset, "as_of": newest["as_of"]}
    )
    return ContextPanel(
        asset=view.asset,
        as_of=newest["as_of"],
        from_at=rows[0]["as_of"],
        figures=tuple(_figures(rows)),
        venues=tuple(map(_venue, venues)),
        counted=usd(newest["open_interest_usd"]),
        reported=usd(newest["open_interest_reported_usd"]),
        notes=tuple(_notes(newest)),
    )


def _figures(rows: Sequence[_Row]) -> list[ContextFigure]:
    newest = rows[-1]
    instruments = newest["funding_instrument_count"]
    return [
        _figure(rows, "price", "price", price, "median of venues", relative=True),
        _figure(
            rows,
            "open interest",
            "open_interest_usd",
            lambda value: f"{usd(value)} USD",
            "each contract counted once",
            relative=True,
        ),
        _figure(
            rows,
            "traded in 24 h",
            "volume_24h_usd",
            lambda value: f"{usd(value)} USD",
            "all venues",
            relative=True,
        ),
        _figure(
            rows,
            "funding, 8 h",
            "funding_rate_8h_ratio",
            lambda value: f"{100 * value:+.4f} %",
            f"mean of {plural(instruments or 0, 'contract')}; above 0 longs pay",
        ),
        _figure(
            rows,
            "long / short accounts",
            "long_short_accounts_ratio",
            lambda value: f"{value:.2f}",
            "accounts, not size; mean of venues",
        ),
        _figure(
            rows,
            "Fear & Greed",
            "fear_greed_index",
            lambda value: f"{value:.0f} of 100",
            _mood(newest["fear_greed_index"]),
        ),
        _liquidated(rows),
    ]


_ABSENT = {
    "open_interest_usd": "no venue's open interest is known in this hour",
    "funding_rate_8h_ratio": "no funding feed: none within a day, or its interval is not known",
    "long_short_accounts_ratio": "no feed: no venue followed publishes it, or none within a day",
    "fear_greed_index": "no feed: `liqheat ingest` requests it once a day",
}
"""Why a figure is missing, by column."""


def _figure(
    rows: Sequence[_Row],
    name: str,
    column: str,
    in_words: Callable[[float], str],
    note: str,
    *,
    relative: bool = False,
) -> ContextFigure:
    """Return a figure with its change over 24 hours and its course over the window."""
    newest = rows[-1]
    value = newest[column]
    if value is None:
        reason = _ABSENT.get(column, "not known in this hour")
        return ContextFigure(name, "not known", "", reason, _spark(rows, name, column, in_words))
    day_before = next((row for row in rows if row["as_of"] == newest["as_of"] - _DAY), None)
    change = ""
    if relative and day_before is not None and day_before[column]:
        change = f"{signed_percent(value / day_before[column] - 1.0)} in 24 h"
    elif day_before is not None and day_before[column] is not None:
        change = f"{in_words(day_before[column])} a day ago"
    return ContextFigure(name, in_words(value), change, note, _spark(rows, name, column, in_words))


def _spark(
    rows: Sequence[_Row], name: str, column: str, in_words: Callable[[float], str]
) -> Markup:
    values = np.array([np.nan if row[column] is None else row[column] for row in rows], np.float64)
    known = values[np.isfinite(values)]
    if known.size < 2:
        return Markup()
    words = ChartWords(
        f"spark-{column.replace('_', '-')}",
        f"{name} over the window",
        f"From {in_words(float(known.min()))} to {in_words(float(known.max()))}.",
    )
    return Markup(spark_line(values, words))  # noqa: S704  (plots.svg escapes every word)


def _mood(index: float | None) -> str:
    """Return the name of a level of the Fear & Greed index, as its publisher has them."""
    if index is None:
        return ""
    bounds = ((25, "extreme fear"), (47, "fear"), (55, "neutral"), (76, "greed"))
    return next((name for bound, name in bounds if index < bound), "extreme greed")


def _liquidated(rows: Sequence[_Row]) -> ContextFigure:
    """Return what venues published as liquidated in the last 24 hours."""
    last = rows[-1]["as_of"]
    day = [row for row in rows if row["as_of"] > last - _DAY]
    names = ("realised_long_liquidation_usd", "realised_short_liquidation_usd")
    known = [row for row in day if all(row[name] is not None for name in names)]
    if not known:
        return ContextFigure(
            "liquidated in 24 h",
            "not known",
            "",
            "no feed publishes liquidations of these venues; `liqheat record` records what streams",
            Markup(),
        )
    longs, shorts = (sum(row[name] for row in known) for name in names)
    is_complete = all(row["is_realised_liquidation_complete"] for row in known)
    at_least = "" if is_complete else "at least "
    feeds = known[-1]["realised_liquidation_feeds"] or []
    venues = ", ".join(dict.fromkeys(feed.partition(" by ")[0] for feed in feeds))
    hours = "" if len(known) == 24 else f", {len(known)} of 24 hours"
    return ContextFigure(
        "liquidated in 24 h",
        f"longs {at_least}{usd(longs)} USD",
        f"shorts {at_least}{usd(shorts)} USD",
        f"published by {venues}{hours}",
        Markup(),
    )


def _venue(row: _Row) -> VenueOpenInterest:
    sides = row["sides_counted"]
    if row["is_set_apart"]:
        reason = "left out of the sums: its price contradicts that of other venues"
    elif sides == 2:
        reason = "reports both sides of each contract, counted here once"
    elif sides is None:
        reason = "which sides it counts is not known: taken as reported"
    else:
        reason = "reports each contract once"
    return VenueOpenInterest(
        venue=row["venue"],
        counted=usd(row["open_interest_usd"]),
        reported=usd(row["open_interest_reported_usd"]) or "not known",
        share=percent(row["open_interest_share_ratio"]) or "none",
        age=_age(row["newest_open_interest_age_seconds"]),
        reason=reason,
        is_set_apart=bool(row["is_set_apart"]),
    )


def _age(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _notes(newest: _Row) -> list[str]:
    notes = [
        "Some venues and most aggregators add longs and shorts, which gives about twice the open "
        "interest; here each contract counts once."
    ]
    if newest["open_interest_reported_usd"] is None:
        notes.append("As reported in all is not known: the sides of one venue's figure are not.")
    if newest["is_quote_rate_assumed"]:
        notes.append("A stablecoin without a known rate is taken for one USD.")
    if newest["quote_deviation_bps"] is not None:
        notes.append(f"Stablecoins are {newest['quote_deviation_bps']:.0f} bps from one USD.")
    return notes
