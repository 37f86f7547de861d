"""`liqheat disagreement`: how far providers differ on an asset, pair by pair."""

from collections.abc import Sequence
from typing import Annotated

import typer

from cli.arguments import AsOfPublished, Asset, Rows, published_hour
from cli.output import Format, print_table
from cli.published import Row, read_rows, write_all
from jobs.errors import NothingToDo
from jobs.read.difference_words import MEASURES_IN_WORDS, overall_notes, pair_cells
from jobs.settings import Settings, read_settings


def disagreement_command(
    asset: Asset,
    side: Annotated[str, typer.Option(help="long, short or both.")] = "both",
    venue: Annotated[str, typer.Option(help="Whose maps, or 'all'.")] = "all",
    form: Rows = Format.table,
    as_of: AsOfPublished = None,
) -> None:
    """Show how far the providers differ on an asset, pair by pair, and in what."""
    asset = asset.upper()
    if side not in ("long", "short", "both"):
        raise typer.BadParameter(f"{side} is none of long, short, both", param_hint="--side")
    settings = read_settings()
    until = {"asset": asset, "as_of": published_hour(as_of)}
    hour = read_rows(settings, "newest_comparison", until)[1][0]["hour"]
    if hour is None:
        raise NothingToDo(
            f"no two maps of {asset} are published; `liqheat providers` lists the maps"
        )
    at = {"asset": asset, "hour": hour}
    columns, pairs = read_rows(settings, "disagreement_pairs", {**at, "side": side, "venue": venue})
    venues = read_rows(settings, "compared_venues", at)[1][0]["venues"]
    if not pairs:
        raise NothingToDo(
            f"no two maps of {asset} on {venue} at {hour:%Y-%m-%d %H:%M} UTC; there are of "
            + ", ".join(venues)
        )
    if form is not Format.table:
        write_all(columns, pairs, form)
        return
    others = ", ".join(other for other in venues if other != venue)
    _print_pairs(
        pairs,
        notes=[
            *overall_notes(read_rows(settings, "asset_disagreement", at)[1]),
            MEASURES_IN_WORDS,
            *([f"also compared: --venue {others}."] if others else []),
            *_measured_notes(settings, pairs),
        ],
    )


def _print_pairs(pairs: Sequence[Row], notes: Sequence[str]) -> None:
    first = pairs[0]
    print_table(
        f"{first['asset']} {first['as_of']:%Y-%m-%d %H:%M} UTC, "
        f"{'both sides' if first['side'] == 'both' else first['side'] + 's'}, "
        f"{'all venues' if first['venue'] == 'all' else first['venue']}: "
        "how far two providers differ",
        [pair_cells(pair) for pair in pairs],
        words=("a", "b", ""),
        notes=notes,
    )


def _measured_notes(settings: Settings, pairs: Sequence[Row]) -> list[str]:
    """Return what compared maps of measured positions rest on."""
    from jobs.compare.outside_maps import MEASURED_PROVIDERS
    from jobs.read.query import open_reader
    from plots.evidence import measured_sentences, read_evidence

    compared = {pair[name] for pair in pairs for name in ("provider_a", "provider_b")}
    asset, hour = pairs[0]["asset"], pairs[0]["as_of"]
    with open_reader(settings) as reader:
        found = {
            name: read_evidence(reader, asset=asset, provider=name, as_of=hour)
            for name in MEASURED_PROVIDERS
            if name in compared
        }
    return [
        f"{name}: {sentence}."
        for name, evidence in found.items()
        if evidence is not None
        for sentence in measured_sentences(evidence)
    ]
