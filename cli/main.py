"""The commands: each parses its arguments, calls a job and writes what it returned.

Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage,
3 stopped by quality.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.output import Format, progress_bar, write_rows
from jobs.errors import LIQHEAT_ERRORS, StoppedByQuality
from jobs.settings import Settings

app = typer.Typer(
    name="liqheat",
    help="Liquidation heatmaps that say how they are made, how far they disagree "
    "and which assets are too noisy to trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)

AsOf = Annotated[
    datetime | None,
    typer.Option(help="Last hour, UTC; by default the one that has just ended."),
]
Rows = Annotated[Format, typer.Option("--format", help="How rows are written.")]


@app.callback()
def _configure(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log each step.")] = False,
) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


@contextmanager
def _told() -> Iterator[None]:
    """Turn what went wrong into one line and an exit code."""
    try:
        yield
    except StoppedByQuality as exc:
        typer.echo(f"stopped by quality: {exc}", err=True)
        raise typer.Exit(3) from exc
    except LIQHEAT_ERRORS as exc:
        typer.echo(f"error: {exc}", err=True)
        raise typer.Exit(1) from exc


def _hour(as_of: datetime | None) -> datetime:
    """Return the hour meant: the one given, in UTC, or the one that has just ended."""
    instant = datetime.now(UTC) if as_of is None else as_of
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


@app.command("build")
def build_command(as_of: AsOf = None) -> None:
    """Load what has landed and bring the maps up to date."""
    from jobs.pipeline import build_maps, load

    with _told(), progress_bar() as progress:
        settings = Settings()
        loaded = load(settings)
        built = build_maps(settings, as_of=_hour(as_of), progress=progress)
        typer.echo(
            f"loaded {sum(loaded.rows_by_kind.values()):,} rows of {loaded.file_count} files, "
            f"built {built.asset_count} assets from {built.bar_count:,} bars",
            err=True,
        )
        if loaded.rejected:
            raise typer.Exit(1)


@app.command("publish")
def publish_command(as_of: AsOf = None) -> None:
    """Write the file that readers open, and the Parquet of days that changed."""
    from jobs.pipeline import publish

    with _told(), progress_bar() as progress:
        report = publish(Settings(), as_of=_hour(as_of), progress=progress)
        typer.echo(
            f"published {report.path} ({report.size_bytes / 1e6:,.1f} MB) "
            f"and {report.day_count} days of Parquet",
            err=True,
        )


@app.command("run")
def run_command(as_of: AsOf = None) -> None:
    """Do one whole hourly job: load what has landed, build, publish."""
    from jobs.pipeline import run_hour

    with _told(), progress_bar() as progress:
        loaded, built, published = run_hour(Settings(), as_of=_hour(as_of), progress=progress)
        typer.echo(
            f"loaded {sum(loaded.rows_by_kind.values()):,} rows, "
            f"built {built.asset_count} assets from {built.bar_count:,} bars, "
            f"published {published.path} ({published.size_bytes / 1e6:,.1f} MB)",
            err=True,
        )
        if loaded.rejected:
            raise typer.Exit(1)


@app.command("query")
def query_command(
    sql: Annotated[str, typer.Argument(help="One statement; see `liqheat tables`.")],
    form: Rows = Format.table,
) -> None:
    """Ask the published file in SQL, read-only."""
    from jobs.reading import query

    with _told(), query(Settings(), sql) as answer:
        write_rows(answer.columns, answer.rows, form)


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
    from jobs.reading import describe_tables, describe_tables_as_markdown

    if markdown:
        sys.stdout.write(describe_tables_as_markdown())
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
        typer.echo(f"no public relation {relation}; `liqheat tables` lists them", err=True)
        raise typer.Exit(2)
    write_rows(
        ("column", "type", "what it is"),
        [(column.name, column.type, column.description) for column in chosen[0].columns],
        form,
    )
