"""The commands that set maps side by side: who says what, where the bands are, who disagrees."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.arguments import AsOf, Rows, hour_of, told
from cli.output import Format, write_rows
from jobs.errors import NothingToDo
from jobs.settings import Settings

_BANDS = """
select * from marts.liquidation_bands_hourly
where asset = $asset and provider = $provider and venue = $venue and as_of = (
    select max(as_of) from marts.liquidation_bands_hourly
    where asset = $asset and provider = $provider and venue = $venue
        and as_of <= coalesce($as_of, 'infinity'::timestamptz)
)
order by side desc, rank
"""

_KNOWN_BANDS = """
select if(asset = $asset, provider || ' on ' || venue, asset) as known
from (select distinct asset, provider, venue from marts.liquidation_bands_hourly)
where asset = $asset or not exists (
    from marts.liquidation_bands_hourly where asset = $asset
)
group by known order by known limit 60
"""


def _one_hour(
    settings: Settings, sql: str, parameters: dict[str, Any]
) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """Return the columns and rows of a query."""
    from jobs.reading import query

    with query(settings, sql, parameters) as answer:
        return answer.columns, [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def usd(value: float | None) -> str:
    """Return an amount for the eye: 12.3 M."""
    if value is None:
        return ""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:,.1f} {letter}"
    return f"{value:,.0f}"


def price(value: float) -> str:
    """Return a price for the eye, to about a hundredth of a percent."""
    if value >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.5g}" if value < 1_000 else f"{value:,.1f}"


def percent(value: float | None, form: str = ".0f") -> str:
    """Return a share for the eye."""
    return "" if value is None else f"{100 * value:{form}} %"


def _print(table: Table, *notes: str) -> None:
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console.width = 160
    console.print(table)
    for note in notes:
        console.print(note, style="dim", highlight=False)


def _table(title: str, *columns: tuple[str, str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name, justify in columns:
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    return table


def show_bands(
    settings: Settings,
    asset: str,
    provider: str,
    form: Format,
    *,
    venue: str = "all",
    as_of: datetime | None = None,
    hidden: bool = False,
) -> None:
    """Write the bands of one provider's newest map, both sides always.

    Raises
    ------
    NothingToDo
        There are none; the message names those there are.
    """
    which = {"asset": asset, "provider": provider, "venue": venue, "as_of": as_of}
    columns, bands = _one_hour(settings, _BANDS, which)
    if not bands:
        _, known = _one_hour(settings, _KNOWN_BANDS, {"asset": asset})
        raise NothingToDo(
            f"no bands of {asset} by {provider} on {venue} are published; there are: "
            + ("; ".join(row["known"] for row in known) or "none, run `liqheat run` first")
        )
    if bands[0]["is_hidden"] and not hidden:
        typer.echo(
            f"{asset} is too noisy to act on (grade C), its bands are left out; `liqheat query "
            f"\"select * from marts.asset_quality_hourly where asset = '{asset}'\"` says why, "
            "--hidden shows them all the same",
            err=True,
        )
        bands = []
    if form is not Format.table:
        write_rows(columns, [list(band.values()) for band in bands], form)
    elif bands:
        _print_bands(bands)


def _print_bands(bands: Sequence[dict[str, Any]]) -> None:
    first = bands[0]
    table = _table(
        f"{first['asset']} {first['as_of']:%Y-%m-%d %H:%M} UTC, price {price(first['price'])}: "
        f"bands by {first['provider']}, "
        f"{'all venues' if first['venue'] == 'all' else first['venue']}",
        ("side", "left"),
        ("#", "right"),
        ("price band", "right"),
        ("holds", "right"),
        ("of side", "right"),
        ("from price", "right"),
        ("touched in 24 h", "right"),
        ("seen by", "right"),
    )
    for side in ("short", "long"):
        own = sorted(
            (band for band in bands if band["side"] == side), key=lambda band: -band["price_peak"]
        )
        for band in own:
            held = band["liquidation_usd"]
            table.add_row(
                f"{side}s",
                str(band["rank"]),
                f"{price(band['price_low'])} - {price(band['price_high'])}",
                "" if held is None else f"{usd(held)} USD",
                percent(band["side_share_ratio"]),
                f"{100 * (band['price_peak'] / band['price'] - 1):+.1f} %",
                percent(band["touch_probability_24h_ratio"]),
                f"{band['agreeing_provider_count']} of {band['provider_count']}",
            )
        if not own:
            table.add_row(f"{side}s", "", "none within 20 %", "", "", "", "", "")
        if side == "short":
            table.add_row("price", "", price(first["price"]), "", "", "", "", "")
    _print(
        table,
        "holds: an estimate of what would be force-closed, not a register of positions.",
        "touched in 24 h: a baseline, the odds of a random walk of the recent volatility; "
        "it knows nothing of the band.",
        "seen by: providers that have a band in the same place.",
    )


def bands_command(
    asset: Annotated[str, typer.Argument(help="Base coin: BTC.")],
    provider: Annotated[
        str, typer.Option(help="Whose map; 'consensus' for the mean of all.")
    ] = "turnover",
    venue: Annotated[str, typer.Option(help="A venue, or 'all'.")] = "all",
    hidden: Annotated[
        bool, typer.Option("--hidden", help="Show them even if the asset is too noisy.")
    ] = False,
    form: Rows = Format.table,
    as_of: AsOf = None,
) -> None:
    """Show the bright bands of a map, both sides, with the odds that price gets there."""
    with told():
        show_bands(
            Settings(),
            asset.upper(),
            provider,
            form,
            venue=venue,
            as_of=None if as_of is None else hour_of(as_of),
            hidden=hidden,
        )


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("bands")(bands_command)
