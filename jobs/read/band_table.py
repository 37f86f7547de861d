"""Bands as people read them: cells, the order on the price axis, notes below.

Belongs here: wording rows of ``marts.liquidation_bands_hourly`` for the command line and the page.
Does not belong here: where bands are and how large (``transforms``).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.read.figures import odds, percent, price, usd

BandRow = Mapping[str, Any]
"""One row of ``marts.liquidation_bands_hourly``."""

WIDEST_REACH_PERCENT = 22.2
"""How far bands reach from price: 20 % in log price."""

LEAST_START_UP_RATIO = 0.05
"""Smallest share of start-up mass in a band that a note mentions."""

MOST_START_UP_BANDS = 3
"""Bands that the note on start-up mass lists."""


def near_edge_percent(band: BandRow) -> float:
    """Return the distance from price to the near edge [percent]; 0 where price is in the band."""
    now: float = band["price"]
    away: float = max(band["price_low"] / now - 1.0, 1.0 - band["price_high"] / now, 0.0)
    return 100.0 * away


def day_reach_percent(band: BandRow) -> float:
    """Return three times the volatility of the day, rounded up [percent]."""
    sigma: float | None = band["volatility_day_ratio"]
    if sigma is None:
        return WIDEST_REACH_PERCENT
    return math.ceil(min(max(300.0 * sigma, 3.0), WIDEST_REACH_PERCENT))


def side_rows(bands: Sequence[BandRow], side: str, within: float) -> list[dict[str, str]]:
    """Return the rows of a side, from the farthest to price inwards, the whole side first."""
    own = sorted(
        (band for band in bands if band["side"] == side),
        key=lambda band: band["price_peak"],
        reverse=side == "short",
    )
    rows = [band_cells(band) for band in own if near_edge_percent(band) <= within]
    if not rows:
        beyond = f", the next at {min(map(near_edge_percent, own)):.1f} %" if own else ""
        rows = [{"side": f"{side}s", "price band": f"none within {within:g} %{beyond}"}]
    held, forced = side_totals(own)
    if held:
        whole_side = {
            "side": f"{side}s",
            "price band": "all within 20 %",
            "holds, USD": held,
            "forced in 24 h": forced,
        }
        rows.insert(0, whole_side)
    return rows


def side_totals(own: Sequence[BandRow]) -> tuple[str, str]:
    """Return what a side holds within 20 % of price and what of it is expected to be forced [USD].

    Both are empty where the side has no bands or the map no scale in USD.
    """
    if not own or own[0]["liquidation_usd"] is None or not own[0]["side_share_ratio"]:
        return "", ""
    held = own[0]["liquidation_usd"] / own[0]["side_share_ratio"]
    return usd(held), usd(own[0]["side_expected_forced_usd_24h"])


def band_cells(band: BandRow) -> dict[str, str]:
    """Return the cells of a band by header."""
    # A release without intervals published no columns of them.
    held, low = band["liquidation_usd"], band.get("liquidation_q10_usd")
    interval = {} if low is None else {"80 %": f"{usd(low)} - {usd(band['liquidation_q90_usd'])}"}
    return {
        "side": f"{band['side']}s",
        "#": str(band["rank"]),
        "price band": f"{price(band['price_low'])} - {price(band['price_high'])}",
        "from price": f"{100 * (band['price_peak'] / band['price'] - 1):+.1f} %",
        "holds, USD": percent(band["side_share_ratio"], ".1f") + " of side"
        if held is None
        else usd(held),
        **interval,
        "touched in 24 h": odds(band["touch_probability_24h_ratio"]),
        "forced in 24 h": usd(band["expected_forced_usd_24h"]),
        "seen by": f"{band['agreeing_provider_count']} of {band['provider_count']}",
    }


def band_notes(bands: Sequence[BandRow], within: float) -> list[str]:
    """Return the notes below the table of bands."""
    farther = [distance for band in bands if (distance := near_edge_percent(band)) > within]
    return [
        *missing_notes(bands),
        *(
            [f"{len(farther)} more farther away: --within {math.ceil(max(farther))}."]
            if farther
            else []
        ),
        *reading_notes(bands, within),
    ]


def missing_notes(bands: Sequence[BandRow]) -> list[str]:
    """Return why bands have no expected figure; nothing where all have one."""
    if all(band["expected_forced_usd_24h"] is not None for band in bands):
        return []
    return [
        "no expected figure: the map has no scale in USD or does not show open positions; "
        "ranked by what each holds times the odds of touch."
        if bands[0]["touch_probability_24h_ratio"] is not None
        else "no odds: less than a day of returns is known; ranked by what each holds."
    ]


def reading_notes(bands: Sequence[BandRow], within: float) -> list[str]:
    """Return what was left out of the bands within a distance [percent], and how to read them."""
    notes = []
    shown = [band for band in bands if near_edge_percent(band) <= within]
    started = sorted(shown, key=lambda band: -(band["start_up_ratio"] or 0.0))
    parts = [
        f"{percent(band['start_up_ratio'])} at {price(band['price_low'])} - "
        f"{price(band['price_high'])}"
        for band in started[:MOST_START_UP_BANDS]
        if (band["start_up_ratio"] or 0.0) >= LEAST_START_UP_RATIO
    ]
    if parts:
        notes.append(
            "left out as start-up mass, placed when the series began and not by trading since: "
            f"{', '.join(parts)}."
        )
    if any(band.get("liquidation_q10_usd") is not None for band in shown):
        notes.append(
            "80 %: interval from draws of the fit; it holds near price, where levels were crossed."
        )
    return [
        *notes,
        "#: by what is expected to be forced. holds: an estimate, not a register of positions.",
        "touched: odds from distance, recent volatility and weekends, without knowledge of the "
        "band. "
        "forced: expected, holds x odds bin by bin.",
        "seen by: votes of providers with a band in the same place; near copies share one.",
        "20 % and the zones are of log price: 20 % is 18 % below price and 22 % above it.",
    ]
