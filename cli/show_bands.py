"""`liqheat bands`: where liquidations cluster near price, how large, how likely touched."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated

import typer

from cli.arguments import AsOfPublished, Asset, Rows, published_hour
from cli.output import Format, note, print_table
from cli.published import Row, default_provider, read_rows, write_all
from jobs.errors import NothingToDo
from jobs.read.figures import odds, percent, price, usd
from jobs.settings import Settings, read_settings

WIDEST_REACH_PERCENT = 22.2
"""How far bands reach from price: 20 % in log price."""

LEAST_START_UP_RATIO = 0.05
"""Smallest share of start-up mass in a band that a note mentions."""

MOST_START_UP_BANDS = 3
"""Bands that the note on start-up mass lists."""


@dataclass(frozen=True, slots=True)
class MapChoice:
    """Which published map: the newest of a provider, not later than `as_of` where that is given."""

    asset: str
    provider: str
    venue: str = "all"
    as_of: datetime | None = None


def show_bands(
    settings: Settings,
    choice: MapChoice,
    form: Format,
    *,
    within: float | None = None,
    is_showing_noisy: bool = False,
) -> None:
    """Write the bands of one map, always both sides.

    Parameters
    ----------
    settings : Settings
        Where the published file is.
    choice : MapChoice
        Which map.
    form : Format
        A table for the eye, or rows.
    within : float, optional
        Distance from price to the near edge up to which bands are shown [percent]; by default a
        table shows three times the volatility of the day, and rows are complete.
    is_showing_noisy : bool
        Show the bands of an asset that is too noisy to act on.

    Raises
    ------
    NothingToDo
        The map has no bands; the message lists the maps that have.
    """
    columns, bands = read_rows(settings, "bands", asdict(choice))
    if not bands:
        _, known = read_rows(settings, "known_bands", {"asset": choice.asset})
        raise NothingToDo(
            f"no bands of {choice.asset} by {choice.provider} on {choice.venue} are published; "
            "there are: "
            + ("; ".join(row["known"] for row in known) or "none, run `liqheat run` first")
        )
    if bands[0]["is_hidden"] and not is_showing_noisy:
        note(
            f"{choice.asset} is too noisy to act on (grade C), its bands are left out; "
            f"`liqheat quality {choice.asset}` says why, --hidden shows them all the same"
        )
        bands = []
    if form is not Format.table:
        write_all(columns, [b for b in bands if within is None or _distance(b) <= within], form)
    elif bands:
        _print_bands(bands, within or _day_reach(bands[0]), _evidence(settings, choice, bands[0]))


def _evidence(settings: Settings, choice: MapChoice, band: Row) -> list[str]:
    """Return the sentences that accompany a map."""
    from jobs.read.query import open_reader
    from plots.evidence import evidence_sentences, read_evidence

    with open_reader(settings) as reader:
        evidence = read_evidence(
            reader, asset=choice.asset, provider=choice.provider, as_of=band["as_of"]
        )
    return [] if evidence is None else [f"{each}." for each in evidence_sentences(evidence)]


def _distance(band: Row) -> float:
    """Return the distance from price to the near edge [percent]; 0 where price is in the band."""
    now: float = band["price"]
    away: float = max(band["price_low"] / now - 1.0, 1.0 - band["price_high"] / now, 0.0)
    return 100.0 * away


def _day_reach(band: Row) -> float:
    """Return three times the volatility of the day, rounded up [percent]."""
    sigma: float | None = band["volatility_day_ratio"]
    if sigma is None:
        return WIDEST_REACH_PERCENT
    return math.ceil(min(max(300.0 * sigma, 3.0), WIDEST_REACH_PERCENT))


def _print_bands(bands: Sequence[Row], within: float, sentences: Sequence[str]) -> None:
    """Print bands with what is known of how far their map can be trusted."""
    first = bands[0]
    print_table(
        f"{first['asset']} {first['as_of']:%Y-%m-%d %H:%M} UTC, price {price(first['price'])}: "
        f"bands within {within:g} % by {first['provider']}, "
        f"{'all venues' if first['venue'] == 'all' else first['venue']}",
        [
            *_side_rows(bands, "short", within),
            {"side": "price", "price band": price(first["price"])},
            *reversed(_side_rows(bands, "long", within)),
        ],
        columns=_band_cells(first),
        words=("side",),
        notes=[*band_notes(bands, within), *sentences],
    )


def _side_rows(bands: Sequence[Row], side: str, within: float) -> list[dict[str, str]]:
    """Return the rows of a side, from the farthest to price inwards, the whole side first."""
    own = sorted(
        (band for band in bands if band["side"] == side),
        key=lambda band: band["price_peak"],
        reverse=side == "short",
    )
    rows = [_band_cells(band) for band in own if _distance(band) <= within]
    if not rows:
        beyond = f", the next at {min(map(_distance, own)):.1f} %" if own else ""
        rows = [{"side": f"{side}s", "price band": f"none within {within:g} %{beyond}"}]
    if own and own[0]["liquidation_usd"] is not None:
        whole_side = {
            "side": f"{side}s",
            "price band": "all within 20 %",
            "holds, USD": usd(own[0]["liquidation_usd"] / own[0]["side_share_ratio"]),
            "forced in 24 h": usd(own[0]["side_expected_forced_usd_24h"]),
        }
        rows.insert(0, whole_side)
    return rows


def _band_cells(band: Row) -> dict[str, str]:
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


def band_notes(bands: Sequence[Row], within: float) -> list[str]:
    """Return the notes below the table of bands."""
    notes = []
    if any(band["expected_forced_usd_24h"] is None for band in bands):
        notes.append(
            "no expected figure: the map has no scale in USD or does not show open positions; "
            "ranked by what each holds times the odds of touch."
            if bands[0]["touch_probability_24h_ratio"] is not None
            else "no odds: less than a day of returns is known; ranked by what each holds."
        )
    far = sum(_distance(band) > within for band in bands)
    if far:
        notes.append(f"{far} more farther away: --within {math.ceil(max(map(_distance, bands)))}.")
    shown = [band for band in bands if _distance(band) <= within]
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
    ]


def bands_command(
    asset: Asset,
    provider: Annotated[
        str | None,
        typer.Option(
            help="Whose map; 'consensus' for the mean of all. By default that of a ledger once it "
            "has been shown to be better here, else turnover."
        ),
    ] = None,
    venue: Annotated[str, typer.Option(help="A venue, or 'all'.")] = "all",
    within: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=100,
            help="Percent of price to show. By default a table shows three times the volatility "
            "of the day, csv and json everything.",
        ),
    ] = None,
    hidden: Annotated[
        bool, typer.Option("--hidden", help="Show them even if the asset is too noisy.")
    ] = False,
    form: Rows = Format.table,
    as_of: AsOfPublished = None,
) -> None:
    """Show what could be liquidated near price today: bands of both sides with their odds."""
    settings, asset, until = read_settings(), asset.upper(), published_hour(as_of)
    shown = provider or default_provider(settings, asset, until)
    choice = MapChoice(asset, shown, venue, until)
    show_bands(settings, choice, form, within=within, is_showing_noisy=hidden)
