"""The commands that import the user's own files."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import INSTANT_FORMATS, Start, now, utc
from cli.output import log_errors_only, note, progress_bar
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.collect.imports import ImportReport


def _finish(report: "ImportReport") -> None:
    """Summarise an import; exit with 1 unless every row was loaded."""
    counts = sorted((kind, n) for kind, n in report.rows_by_kind.items() if kind != "quarantine")
    rows = ", ".join(f"{n:,} {kind}" for kind, n in counts) or "no rows"
    count = report.input_count
    note(f"{count} {'input' if count == 1 else 'inputs'}: {rows}")
    for prefix, lines in (
        ("set aside ", report.set_aside(12)),
        ("rejected: ", report.rejected),
        ("note: ", report.notes),
    ):
        for line in lines:
            note(prefix + line)
    if report.reasons:
        note(
            "rows set aside are in quality.quarantine with their reason; all other rows are loaded"
        )
    if not report.is_clean:
        raise typer.Exit(1)


def import_command(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders to search.")],
    mapping: Annotated[
        str | None, typer.Option(help="A shipped mapping's name, or a mapping file.")
    ] = None,
    start: Start = None,
    end: Annotated[
        datetime | None,
        typer.Option("--to", formats=INSTANT_FORMATS, help="Instant after the last, UTC."),
    ] = None,
) -> None:
    """Import your own archive: Parquet, CSV or zipped CSV, through a mapping."""
    from jobs.collect.imports import import_files

    log_errors_only("jobs.collect.imports")
    with progress_bar() as progress:
        report = import_files(
            read_settings(),
            paths,
            ingested_at=now(),
            mapping=mapping,
            start=utc(start),
            end=utc(end),
            progress=progress,
        )
    _finish(report)


def import_brackets_command(
    path: Annotated[Path, typer.Argument(help="JSON in ccxt's unified form.")],
    venue: Annotated[str, typer.Option(help="Venue of all its symbols.")],
    valid_from: Annotated[
        datetime, typer.Option(formats=INSTANT_FORMATS, help="Instant from which they hold, UTC.")
    ],
) -> None:
    """Import leverage brackets."""
    from jobs.collect.imports import import_bracket_file

    log_errors_only("jobs.collect.imports")
    report = import_bracket_file(
        read_settings(),
        path,
        venue=venue,
        valid_from=utc(valid_from) or valid_from,
        ingested_at=now(),
    )
    _finish(report)


def import_provider_command(
    provider: Annotated[str, typer.Argument(help="coinglass, coinank, hyblock, ...")],
    paths: Annotated[list[Path], typer.Argument(help="Saved responses.")],
    asset: Annotated[str | None, typer.Option(help="Asset of the response.")] = None,
    venue: Annotated[str | None, typer.Option(help="Venue of the response, or 'all'.")] = None,
    model: Annotated[str | None, typer.Option(help="Which of the provider's maps.")] = None,
    captured_at: Annotated[
        datetime | None, typer.Option(formats=INSTANT_FORMATS, help="When it was captured, UTC.")
    ] = None,
    reference_price: Annotated[
        float | None,
        typer.Option(help="Price then; separates the sides where the response does not."),
    ] = None,
) -> None:
    """Import saved maps of an outside provider."""
    from jobs.collect.imports import import_provider_answers

    log_errors_only("jobs.collect.imports")
    report = import_provider_answers(
        read_settings(),
        provider,
        paths,
        ingested_at=now(),
        asset=asset,
        venue_scope=venue,
        model=model,
        captured_at=utc(captured_at),
        reference_price=reference_price,
    )
    _finish(report)
