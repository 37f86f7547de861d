"""What commands share: their common options, how they read instants and how they fail."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.output import Format, note
from jobs.engines.engine_choice import checked_engine
from jobs.errors import LIQHEAT_ERRORS, StoppedByQuality
from jobs.settings import Settings, read_settings


def finite(value: float | None) -> float | None:
    """Refuse infinity and NaN, which Python parses as numbers."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a length of time")
    return value


AsOf = Annotated[
    datetime | None,
    typer.Option(help="Last hour, UTC; by default the one that has just ended."),
]
AsOfKnown = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        help="Last hour, UTC; by default the newest published, or the last to end if none is "
        "published.",
    ),
]
AsOfPublished = Annotated[
    datetime | None,
    typer.Option("--as-of", help="Hour shown, UTC; by default the newest published."),
]
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ENGINE",
        help="Where the work on assets runs: threads, dask (processes of this machine) or the "
        "address of a Dask scheduler; by default LIQHEAT_ON.",
    ),
]
Rows = Annotated[
    Format,
    typer.Option(
        "--format", help="How rows are written; a terminal gets CSV without control characters."
    ),
]
Asset = Annotated[str, typer.Argument(help="Base coin: BTC.")]
Venue = Annotated[str, typer.Option(help="A venue, or 'all'.")]

INSTANT_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]
Start = Annotated[
    datetime | None, typer.Option("--from", formats=INSTANT_FORMATS, help="First instant, UTC.")
]

Seconds = Annotated[
    float | None,
    typer.Option(min=0, max=3e7, callback=finite, help="How long; until stopped where not set."),
]

FIRST_HOUR = datetime(2010, 1, 1, tzinfo=UTC)
"""Older than any venue."""


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn an expected error into one line on stderr and an exit code."""
    try:
        try:
            yield
        finally:
            # What is still buffered fails here rather than when Python ends.
            sys.stdout.flush()
    except StoppedByQuality as exc:
        note(f"stopped by quality: {exc}")
        raise typer.Exit(3) from exc
    except LIQHEAT_ERRORS as exc:
        note(f"error: {exc}")
        raise typer.Exit(1) from exc
    except BrokenPipeError:
        # The reader of our output has closed the pipe: typer exits quietly.
        raise
    except OSError as exc:
        # A file argument or output that is missing, a folder, read-only, or on a full disk.
        _report_system_error(exc)
        raise typer.Exit(1) from exc


class Program(TyperGroup):
    """The commands of the program; help that cannot be written fails in one line, like rows."""

    def main(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (typer's signature)
        """Run the command line."""
        try:
            return super().main(*arguments, **named)
        except OSError as exc:
            _report_system_error(exc)
            sys.exit(1)


def _report_system_error(exc: OSError) -> None:
    where = f"{exc.filename}: " if exc.filename else ""
    note(f"error: {where}{exc.strerror or exc}")
    _drop_unwritten()


def _drop_unwritten() -> None:
    """Drop output that cannot be written: Python would try once more on exit and fail with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def now() -> datetime:
    """Return the present instant, UTC: the clock of all commands."""
    return datetime.now(UTC)


def utc(instant: datetime | None) -> datetime | None:
    """Return an instant as given, in UTC where it has no time zone."""
    if instant is None or instant.tzinfo is not None:
        return instant
    return instant.replace(tzinfo=UTC)


def settings_on(on: str | None) -> Settings:
    """Return the settings, with the given engine where there is one."""
    settings = read_settings()
    if on is None:
        return settings
    try:
        return settings.model_copy(update={"on": checked_engine(on)})
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--on") from exc


def hour_of(as_of: datetime | None) -> datetime:
    """Return the start of the given hour, UTC, or of the hour that has just ended."""
    present = now()
    instant = utc(as_of) or present
    if instant < FIRST_HOUR:
        raise typer.BadParameter(
            f"perpetual futures are younger than {FIRST_HOUR:%Y}; give a later hour",
            param_hint="--as-of",
        )
    if instant > present:
        raise typer.BadParameter(
            f"{instant:%Y-%m-%d %H:%M} UTC has not come yet; give an hour that has ended",
            param_hint="--as-of",
        )
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def published_hour(as_of: datetime | None) -> datetime | None:
    """Return the start of the given hour, UTC; None for the newest published."""
    return None if as_of is None else hour_of(as_of)
