"""The panel *today*: what could be forced in the next 24 hours, on both sides of price.

Belongs here: the bands of one map as rows on the price axis and their sums by zone. Does not belong
here: words of bands, which the command line prints too (``jobs.read.band_table``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from jobs.read.band_table import (
    BandRow,
    band_cells,
    day_reach_percent,
    missing_notes,
    near_edge_percent,
    reading_notes,
    side_totals,
)
from jobs.read.figures import odds, percent, price, usd
from jobs.read.query import named_rows
from plots.evidence import evidence_sentences, published_share_in_words, read_evidence
from plots.svg import length_bar
from plots.warning import read_warning
from web.panels.panel_input import PanelInput, ShownMapPanel, signed_percent, venue_in_words

ZONES = ("0-2 %", "2-5 %", "5-10 %", "10-20 %")
"""Zones of distance from price, as bands are sorted into."""

# Mostly the newest bands are of the hour itself; to look for them through the whole window takes
# ten times as long.
_LATELY = timedelta(days=2)

_SIDES = ("short", "long")
_BEYOND = {"short": "above", "long": "below"}


@dataclass(frozen=True, slots=True)
class BandLine:
    """One band as it is shown.

    Parameters
    ----------
    rank : int
        Its place on its side by what is expected to be forced.
    prices, away, held, interval, touched, forced, seen : str
        Cells; empty where the figure is not known.
    bar : Markup
        What is expected to be forced, as a bar beside its figure.
    is_far : bool
        Whether it lies beyond what a day usually spans.
    """

    rank: int
    prices: str
    away: str
    held: str
    interval: str
    touched: str
    forced: str
    seen: str
    bar: Markup
    is_far: bool


@dataclass(frozen=True, slots=True)
class SideOfToday:
    """One side of price.

    Parameters
    ----------
    side, where : str
        long or short; below or above.
    bands : tuple of BandLine
        From the highest price to the lowest.
    held, forced : str
        All within 20 % of price.
    near_missing : str
        Why no band is near, empty where one is.
    headline : str
        What could be forced in all, and in the band of most, in a sentence.
    """

    side: str
    where: str
    bands: tuple[BandLine, ...]
    held: str
    forced: str
    near_missing: str
    headline: str

    @property
    def near(self) -> tuple[BandLine, ...]:
        """Bands within what a day usually spans."""
        return tuple(band for band in self.bands if not band.is_far)

    @property
    def far(self) -> tuple[BandLine, ...]:
        """Bands beyond that."""
        return tuple(band for band in self.bands if band.is_far)


@dataclass(frozen=True, slots=True)
class ZoneLine:
    """What bands of one zone hold: by side, the count, what they hold, what could be forced."""

    zone: str
    long: tuple[str, str, str]
    short: tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TodayPanel(ShownMapPanel):
    """What the panel shows.

    Parameters
    ----------
    reach : str
        What a day usually spans.
    sides : tuple of SideOfToday
        Shorts, which are above price, then longs.
    zones : tuple of ZoneLine
        From price outwards.
    has_interval, has_scale, has_expected : bool
        Whether any band has an interval, a figure in USD, and one of what is expected.
    scale : str
        How much of the map's USD venues have published; empty where that is not known.
    leverage : str
        That bands are of all leverage where the map is of some; empty where both are of all.
    """

    reach: str = ""
    sides: tuple[SideOfToday, ...] = ()
    zones: tuple[ZoneLine, ...] = ()
    has_interval: bool = False
    has_scale: bool = False
    has_expected: bool = False
    scale: str = ""
    leverage: str = ""


def read_today(given: PanelInput) -> TodayPanel:
    """Return what could be forced today by the map of a view."""
    view = given.view
    bands = _read_bands(given, since=view.as_of - _LATELY) or _read_bands(given, since=None)
    venue = venue_in_words(view.venue)
    empty = TodayPanel(asset=view.asset, provider=view.provider, venue=venue)
    if not bands:
        return replace(empty, missing=_why_missing(given))
    first = bands[0]
    as_of, reach = first["as_of"], day_reach_percent(first)
    evidence = read_evidence(given.reader, asset=view.asset, provider=view.provider, as_of=as_of)
    most = max((band["expected_forced_usd_24h"] or 0.0 for band in bands), default=0.0)
    scale = "" if evidence is None or not most else published_share_in_words(evidence)
    sentences = [] if evidence is None else evidence_sentences(evidence)
    return replace(
        empty,
        as_of=as_of,
        price=price(first["price"]),
        reach=f"{reach:g} %",
        sides=tuple(_side(bands, side, reach, most) for side in _SIDES),
        zones=_zones(bands),
        has_interval=any(band.get("liquidation_q10_usd") is not None for band in bands),
        has_scale=any(band["liquidation_usd"] is not None for band in bands),
        has_expected=most > 0.0,
        warning=read_warning(given.reader, asset=view.asset, venue=view.venue, as_of=as_of),
        scale=scale,
        leverage="Bands are of all leverage, also where the map shows some." if view.tiers else "",
        notes=(
            *missing_notes(bands),
            *(f"{one}." for one in sentences if one != scale),
            *reading_notes(bands, reach),
        ),
    )


def _read_bands(given: PanelInput, *, since: datetime | None) -> list[dict[str, Any]]:
    """Return the bands of a view's newest hour that has some, none of them before an instant."""
    view = given.view
    which = {"asset": view.asset, "provider": view.provider, "venue": view.venue}
    return named_rows(given.reader, "bands", {**which, "as_of": view.as_of, "earliest": since})


def _why_missing(given: PanelInput) -> str:
    """Return why there are no bands, and which maps have some."""
    view = given.view
    known = [row["known"] for row in named_rows(given.reader, "known_bands", {"asset": view.asset})]
    there_are = f"there are: {'; '.join(known)}" if known else "run `liqheat run` first"
    return (
        f"no bands of {view.asset} by {view.provider} on {venue_in_words(view.venue)} are "
        f"published up to this hour; {there_are}"
    )


def _side(bands: Sequence[BandRow], side: str, reach: float, most: float) -> SideOfToday:
    """Return one side of price, its bands from the highest price to the lowest."""
    own = sorted(
        (band for band in bands if band["side"] == side),
        key=lambda band: -float(band["price_peak"]),
    )
    near = [band for band in own if near_edge_percent(band) <= reach]
    missing = ""
    if not near:
        beyond = f"; the next is {min(map(near_edge_percent, own)):.1f} % away" if own else ""
        missing = f"no band within {reach:g} %{beyond}"
    held, forced = side_totals(own)
    return SideOfToday(
        side=side,
        where=_BEYOND[side],
        bands=tuple(_line(band, near_edge_percent(band) > reach, most) for band in own),
        held=held,
        forced=forced,
        near_missing=missing,
        headline=_headline(own, side),
    )


def _line(band: BandRow, is_far: bool, most: float) -> BandLine:
    cells, expected = band_cells(band), band["expected_forced_usd_24h"]
    share = 0.0 if expected is None or not most else expected / most
    return BandLine(
        rank=band["rank"],
        prices=cells["price band"],
        away=cells["from price"],
        held=cells["holds, USD"],
        interval=cells.get("80 %", ""),
        touched=cells["touched in 24 h"],
        forced=cells["forced in 24 h"],
        seen=cells["seen by"],
        bar=Markup(length_bar(share, band["side"])),  # noqa: S704  (our own SVG, numbers alone)
        is_far=is_far,
    )


def _headline(own: Sequence[BandRow], side: str) -> str:
    """Return what could be forced of a side, and in its band of most, in a sentence."""
    if not own:
        return f"{side}s: the map has no band {_BEYOND[side]} price within 20 %"
    top = min(own, key=lambda band: int(band["rank"]))
    touched = odds(top["touch_probability_24h_ratio"])
    chance = f", odds of touch {touched}" if touched else ""
    where = (
        f"{price(top['price_low'])} - {price(top['price_high'])} "
        f"({signed_percent(top['price_peak'] / top['price'] - 1.0)}{chance})"
    )
    if top["expected_forced_usd_24h"] is None:
        share = percent(top["side_share_ratio"], ".1f")
        return f"{side}s: densest at {where}: {share} of the side"
    return (
        f"{side}s: {usd(top['side_expected_forced_usd_24h'])} USD expected to be forced in 24 h; "
        f"the band of most, {usd(top['expected_forced_usd_24h'])}, is {where}"
    )


def _zones(bands: Sequence[BandRow]) -> tuple[ZoneLine, ...]:
    """Return sums over the bands of each zone and side."""

    def cells(zone: str, side: str) -> tuple[str, str, str]:
        own = [band for band in bands if band["zone"] == zone and band["side"] == side]
        if not own:
            return ("0", "", "")
        held, forced = (
            [band[name] for band in own] for name in ("liquidation_usd", "expected_forced_usd_24h")
        )
        return (
            f"{len(own)}",
            "" if None in held else usd(sum(held)),
            "" if None in forced else usd(sum(forced)),
        )

    return tuple(ZoneLine(zone, cells(zone, "long"), cells(zone, "short")) for zone in ZONES)
