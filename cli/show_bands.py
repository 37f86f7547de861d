"""`liqheat bands`: where liquidations cluster near price, how large, how likely touched."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated

import typer

from cli.arguments import AsOfPublished, Asset, Rows, Venue, published_hour
from cli.output import Format, note, print_table
from cli.published import Row, default_provider, read_rows, write_all
from jobs.errors import NothingToDo
from jobs.read.band_table import (
    band_cells,
    band_notes,
    day_reach_percent,
    near_edge_percent,
    side_rows,
)
from jobs.read.figures import price
from jobs.settings import Settings, read_settings


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
    columns, bands = read_rows(settings, "bands", {**asdict(choice), "earliest": None})
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
        shown = [band for band in bands if within is None or near_edge_percent(band) <= within]
        write_all(columns, shown, form)
    elif bands:
        sentences = _evidence(settings, choice, bands[0])
        _print_bands(bands, within or day_reach_percent(bands[0]), sentences)


def _evidence(settings: Settings, choice: MapChoice, band: Row) -> list[str]:
    """Return the sentences that accompany a map."""
    from jobs.read.query import open_reader
    from plots.evidence import evidence_sentences, read_evidence

    with open_reader(settings) as reader:
        evidence = read_evidence(
            reader, asset=choice.asset, provider=choice.provider, as_of=band["as_of"]
        )
    return [] if evidence is None else [f"{each}." for each in evidence_sentences(evidence)]


def _print_bands(bands: Sequence[Row], within: float, sentences: Sequence[str]) -> None:
    """Print bands with what is known of how far their map can be trusted."""
    first = bands[0]
    print_table(
        f"{first['asset']} {first['as_of']:%Y-%m-%d %H:%M} UTC, price {price(first['price'])}: "
        f"bands within {within:g} % by {first['provider']}, "
        f"{'all venues' if first['venue'] == 'all' else first['venue']}",
        [
            *side_rows(bands, "short", within),
            {"side": "price", "price band": price(first["price"])},
            *reversed(side_rows(bands, "long", within)),
        ],
        columns=band_cells(first),
        words=("side",),
        notes=[*band_notes(bands, within), *sentences],
    )


def bands_command(
    asset: Asset,
    provider: Annotated[
        str | None,
        typer.Option(
            help="Whose map; 'consensus' for the mean of all. By default that of a ledger once it "
            "has been shown to be better here, else turnover."
        ),
    ] = None,
    venue: Venue = "all",
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
