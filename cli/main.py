"""The commands: each parses its arguments, calls a job and writes what it returned.

Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage,
3 stopped by quality.
"""

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import compare, live, quality
from cli.arguments import INSTANTS, AsOf, AsOfPublished, Rows, finite, hour_of, told, utc
from cli.output import Format, printable, progress_bar, write_rows
from cli.schedule import schedule_command
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.collect.imports import ImportReport

app = typer.Typer(
    name="liqheat",
    help="Liquidation heatmaps that say how they are made, how far they disagree "
    "and which assets are too noisy to trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def _configure(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log each step.")] = False,
) -> None:
    _open_closed_streams()
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def _open_closed_streams() -> None:
    """Point standard streams that were closed (``>&-``) at nothing.

    The next file opened would otherwise take the stream's number, and what is printed go into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is taken, which is this one.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")


def _tell_once() -> None:
    """Leave what an import logs to what is told of it afterwards."""
    logging.getLogger("jobs.collect.imports").setLevel(logging.ERROR)


def _tell_import(report: "ImportReport") -> None:
    """Say what was taken in and what was not; fail where anything was not."""
    taken = {kind: n for kind, n in report.rows_by_kind.items() if kind != "quarantine"}
    typer.echo(
        f"{report.input_count} inputs: "
        + (", ".join(f"{n:,} {kind}" for kind, n in sorted(taken.items())) or "no rows"),
        err=True,
    )
    for line in report.set_aside(12):
        typer.echo(printable(f"set aside {line}"), err=True)
    for message in report.rejected:
        typer.echo(printable(f"rejected: {message}"), err=True)
    for note in report.notes:
        typer.echo(printable(f"note: {note}"), err=True)
    if report.reasons:
        typer.echo(
            "what was set aside is in quality.quarantine with its row and reason; "
            "all other rows are in",
            err=True,
        )
    if not report.is_clean:
        raise typer.Exit(1)


@app.command("demo")
def demo_command(
    days: Annotated[int, typer.Option(min=2, max=60, help="Days to simulate.")] = 10,
) -> None:
    """Simulate a market, run the whole pipeline on it offline, show where the bands are."""
    from jobs.demo import DEMO_ASSET, DEMO_PROVIDER, run_demo
    from jobs.read.query import published_file, read_limits
    from plots.views import plot_asset

    with told():
        with progress_bar() as progress:
            demo = run_demo(read_settings(), days=days, progress=progress)
        compare.show_bands(demo.settings, DEMO_ASSET, DEMO_PROVIDER, Format.table)
        page = plot_asset(
            published_file(demo.settings),
            DEMO_ASSET,
            demo.settings.home / f"{DEMO_ASSET}.html",
            provider=DEMO_PROVIDER,
            venue="all",
            days=7,
            limits=read_limits(demo.settings),
        )
        typer.echo(f"\nmap: {page.resolve()}")
        typer.echo(f"ask it: LIQHEAT_HOME={demo.settings.home} liqheat tables")


@app.command("import")
def import_command(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders to search.")],
    mapping: Annotated[
        str | None, typer.Option(help="A shipped mapping's name, or a mapping file.")
    ] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=INSTANTS, help="First instant, UTC.")
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option("--to", formats=INSTANTS, help="Instant after the last, UTC."),
    ] = None,
) -> None:
    """Import your own archive: Parquet, CSV or zipped CSV, through a mapping."""
    from jobs.collect.imports import import_archive

    _tell_once()
    with told(), progress_bar() as progress:
        report = import_archive(
            read_settings(),
            paths,
            ingested_at=datetime.now(UTC),
            mapping=mapping,
            start=utc(start),
            end=utc(end),
            progress=progress,
        )
    _tell_import(report)


@app.command("import-brackets")
def import_brackets_command(
    path: Annotated[Path, typer.Argument(help="JSON in ccxt's unified form.")],
    venue: Annotated[str, typer.Option(help="Venue of all its symbols.")],
    valid_from: Annotated[
        datetime, typer.Option(formats=INSTANTS, help="Instant from which they hold, UTC.")
    ],
) -> None:
    """Import leverage brackets."""
    from jobs.collect.imports import import_bracket_file

    _tell_once()
    with told():
        report = import_bracket_file(
            read_settings(),
            path,
            venue=venue,
            valid_from=utc(valid_from) or valid_from,
            ingested_at=datetime.now(UTC),
        )
    _tell_import(report)


@app.command("import-provider")
def import_provider_command(
    provider: Annotated[str, typer.Argument(help="coinglass, coinank, hyblock, ...")],
    paths: Annotated[list[Path], typer.Argument(help="Saved answers.")],
    asset: Annotated[str | None, typer.Option(help="Asset the answer is of.")] = None,
    venue: Annotated[str | None, typer.Option(help="Venue the answer is of, or 'all'.")] = None,
    model: Annotated[str | None, typer.Option(help="Which of the provider's maps.")] = None,
    captured_at: Annotated[
        datetime | None, typer.Option(formats=INSTANTS, help="When it was captured, UTC.")
    ] = None,
    reference_price: Annotated[
        float | None, typer.Option(help="Price then; tells sides apart where the answer does not.")
    ] = None,
) -> None:
    """Import saved maps of an outside provider."""
    from jobs.collect.imports import import_provider_answers

    _tell_once()
    with told():
        report = import_provider_answers(
            read_settings(),
            provider,
            paths,
            ingested_at=datetime.now(UTC),
            asset=asset,
            venue_scope=venue,
            model=model,
            captured_at=utc(captured_at),
            reference_price=reference_price,
        )
    _tell_import(report)


@app.command("build")
def build_command(as_of: AsOf = None) -> None:
    """Load what has landed and bring the maps up to date."""
    from jobs.pipeline import build_maps, load

    hour = hour_of(as_of)
    with told(), progress_bar() as progress:
        settings = read_settings()
        loaded = load(settings)
        built = build_maps(settings, as_of=hour, progress=progress)
        typer.echo(
            f"loaded {sum(loaded.rows_by_kind.values()):,} rows of {loaded.file_count} files, "
            f"built {built.asset_count} assets from {built.bar_count:,} bars",
            err=True,
        )
        if loaded.rejected:
            raise typer.Exit(1)


@app.command("rebuild")
def rebuild_command() -> None:
    """Make a lost or damaged warehouse again from raw history; the old file is put aside."""
    from jobs.pipeline import rebuild

    with told(), progress_bar() as progress:
        report = rebuild(read_settings(), progress=progress)
        typer.echo(
            f"loaded {sum(report.rows_by_kind.values()):,} rows of {report.file_count:,} files; "
            "`liqheat run` builds and publishes the maps again",
            err=True,
        )
        if report.rejected:
            raise typer.Exit(1)


@app.command("publish")
def publish_command(as_of: AsOf = None) -> None:
    """Write the file that readers open, and the Parquet of days that changed."""
    from jobs.pipeline import publish

    with told(), progress_bar() as progress:
        report = publish(read_settings(), as_of=hour_of(as_of), progress=progress)
        typer.echo(
            f"published {report.path} ({report.size_bytes / 1e6:,.1f} MB) "
            f"and {report.day_count} days of Parquet",
            err=True,
        )


@app.command("run")
def run_command(as_of: AsOf = None) -> None:
    """Do one whole hourly job: load what has landed, build, check, publish."""
    from jobs.hourly import run_hour

    with told(), progress_bar() as progress:
        report = run_hour(read_settings(), as_of=hour_of(as_of), progress=progress)
        typer.echo(
            f"loaded {sum(report.loaded.rows_by_kind.values()):,} rows, "
            f"built {report.built.asset_count} assets from {report.built.bar_count:,} bars, "
            f"{len(report.checked.outcomes)} checks: {len(report.checked.critical)} critical and "
            f"{len(report.checked.warnings)} warnings, "
            f"published {report.published.path} ({report.published.size_bytes / 1e6:,.1f} MB)",
            err=True,
        )
        for held in report.checked.held:
            typer.echo(f"held back: {held}", err=True)
        if report.loaded.rejected:
            raise typer.Exit(1)


@app.command("query")
def query_command(
    sql: Annotated[str, typer.Argument(help="One statement; see `liqheat tables`.")],
    form: Rows = Format.table,
) -> None:
    """Query the published file: one SELECT, read-only, within LIQHEAT_QUERY_* limits."""
    from jobs.read.query import bounded_process, query

    try:
        with told():
            settings = read_settings()
            with bounded_process(settings), query(settings, sql) as answer:
                write_rows(answer.columns, answer.rows, form)
    except KeyboardInterrupt:
        # The statement may still be computing; ending the interpreter under it would abort.
        os._exit(130)


@app.command("plot")
def plot_command(
    asset: Annotated[str, typer.Argument(help="Base coin: BTC.")],
    provider: Annotated[str, typer.Option(help="Whose map.")] = "turnover",
    venue: Annotated[str, typer.Option(help="A venue, or 'all'.")] = "all",
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
    from plots.style import page_name
    from plots.views import plot_asset, plot_comparison

    with told():
        settings = read_settings()
        asset = asset.upper()
        until = None if as_of is None else hour_of(as_of)
        if side_by_side:
            page = plot_comparison(
                published_file(settings),
                asset,
                output or settings.home / page_name(f"{asset}-compared"),
                venue=venue,
                until=until,
                limits=read_limits(settings),
            )
        else:
            page = plot_asset(
                published_file(settings),
                asset,
                output or settings.home / page_name(asset),
                provider=provider,
                venue=venue,
                days=days,
                reach_ratio=reach,
                until=until,
                limits=read_limits(settings),
            )
        typer.echo(str(page.resolve()))


@app.command("tables")
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

    with told():
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
            message = f"no public relation {relation}; `liqheat tables` lists them"
            typer.echo(printable(message), err=True)
            raise typer.Exit(2)
        write_rows(
            ("column", "type", "what it is"),
            [(column.name, column.type, column.description) for column in chosen[0].columns],
            form,
        )


quality.register(app)
compare.register(app)
live.register(app)
app.command("schedule")(schedule_command)
