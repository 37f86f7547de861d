"""`liqheat assumptions`: how much of a map remains when one assumption is changed."""

import math
from typing import Annotated

import typer

from cli.arguments import AsOfPublished, Asset, Rows, published_hour
from cli.output import Format, print_table
from cli.published import Row, read_rows, write_all
from jobs.errors import NothingToDo
from jobs.read.figures import difference_cells
from jobs.settings import read_settings


def assumptions_command(
    asset: Asset,
    provider: Annotated[str, typer.Option(help="Which estimator.")] = "turnover",
    form: Rows = Format.table,
    as_of: AsOfPublished = None,
) -> None:
    """Show how sensitive a map is to each assumption: what remains when that one is changed."""
    asset = asset.upper()
    columns, rows = read_rows(
        read_settings(),
        "assumptions",
        {"asset": asset, "provider": provider, "as_of": published_hour(as_of)},
    )
    if not rows:
        raise NothingToDo(_why_none(provider, asset))
    if form is not Format.table:
        write_all(columns, rows, form)
        return
    print_table(
        f"{asset} {rows[0]['as_of']:%Y-%m-%d %H:%M} UTC, all venues: "
        f"what remains of the map by {provider} with one assumption changed",
        [_cells(row) for row in rows],
        words=("assumption", "is", "changed to", ""),
        notes=(
            "share: what the two maps have in common; the less, the more depends on the "
            "assumption. total: how much larger or smaller the map becomes.",
            "same map: without taker volume, lows and highs of mark, or earlier bars, an "
            "assumption about them changes nothing.",
        ),
    )


def _why_none(provider: str, asset: str) -> str:
    """Return why nothing is known of a provider's sensitivity."""
    # The models take time to import.
    from jobs.build.path_records import PATH_MODELS

    if provider in {model.provider for model in PATH_MODELS}:
        return (
            f"{provider} assumes no leverage that could be changed; what it is made of and how it "
            "was fitted is in marts.estimator_parameters"
        )
    return (
        f"the sensitivity of {provider} on {asset} has not been measured; "
        "run `liqheat vary`, then `liqheat publish`"
    )


def _cells(row: Row) -> dict[str, str]:
    scale = row["scale_log_ratio"]
    is_same = scale is not None and abs(scale) < 1e-6 and row["overlap_ratio"] > 1 - 1e-6
    return {
        "assumption": row["assumption"].replace("_", " "),
        "is": row["baseline"],
        "changed to": row["variant"],
        **difference_cells(row),
        "total": "" if scale is None else f"x {math.exp(-scale):.2f}",
        "": "same map" if is_same else "",
    }
