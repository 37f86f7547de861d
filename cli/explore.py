"""The commands that read what is published: SQL, drawings, the list of relations."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.arguments import AsOfPublished, Asset, Rows, Venue, finite, published_hour
from cli.output import Format, note, write_rows
from cli.published import default_provider
from jobs.settings import read_settings


def query_command(
    sql: Annotated[str, typer.Argument(help="One statement; see `liqheat tables`.")],
    form: Rows = Format.table,
) -> None:
    """Query the published file: one SELECT, read-only, within LIQHEAT_QUERY_* limits."""
    from jobs.read.query import bounded_process, query

    try:
        settings = read_settings()
        with bounded_process(settings), query(settings, sql) as result:
            write_rows(result.columns, result.rows, form)
    except KeyboardInterrupt:
        # The statement may still be computing; ending the interpreter under it would abort.
        os._exit(130)


def plot_command(
    asset: Asset,
    provider: Annotated[
        str | None,
        typer.Option(
            help="Whose map. By default that of a ledger once it has been shown to be better "
            "here, else turnover."
        ),
    ] = None,
    venue: Venue = "all",
    days: Annotated[
        float,
        typer.Option(min=0.2, max=3660, callback=finite, help="Days back from the newest hour."),
    ] = 7,
    reach: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=0.6,
            help="Prices shown first, either way (0.15 is 15 %); by default three times the day's "
            "volatility. The rest is a zoom away.",
        ),
    ] = None,
    side_by_side: Annotated[
        bool, typer.Option("--compare", help="One hour of all providers side by side instead.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="The HTML file to write.")] = None,
    as_of: AsOfPublished = None,
) -> None:
    """Draw the heatmap of an asset as one HTML page that needs nothing else."""
    from jobs.read.query import published_file, read_limits
    from plots.source import PublishedMaps
    from plots.static_page import page_name
    from plots.views import plot_asset, plot_comparison

    settings = read_settings()
    asset = asset.upper()
    maps = PublishedMaps(
        published_file(settings), asset, venue, published_hour(as_of), read_limits(settings)
    )
    if side_by_side:
        page = plot_comparison(maps, output or settings.home / page_name(f"{asset}-compared"))
    else:
        page = plot_asset(
            maps,
            output or settings.home / page_name(asset),
            provider=provider or default_provider(settings, asset, published_hour(as_of)),
            days=days,
            reach_ratio=reach,
        )
    typer.echo(str(page.resolve()))


def tables_command(
    relation: Annotated[
        str | None, typer.Argument(help="One relation, to see its columns.")
    ] = None,
    form: Rows = Format.table,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write the page kept in docs/tables.md.")
    ] = False,
) -> None:
    """List the public relations with their comments, or the columns of one."""
    from jobs.read.query import describe_tables, describe_tables_as_markdown

    if markdown:
        typer.echo(describe_tables_as_markdown(), nl=False)
        return
    relations = describe_tables()
    if relation is None:
        write_rows(
            ("relation", "grain", "what it is"),
            [(one.name, ", ".join(one.grain), one.description) for one in relations],
            form,
        )
        return
    chosen = [one for one in relations if relation in (one.name, one.name.split(".")[1])]
    if not chosen:
        note(f"no public relation {relation}; `liqheat tables` lists them")
        raise typer.Exit(2)
    write_rows(
        ("column", "type", "what it is"),
        [(column.name, column.type, column.comment) for column in chosen[0].columns],
        form,
    )
