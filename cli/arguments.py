"""What commands share: their common options, how instants are read, how failures are told."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.output import Format, printable
from jobs.errors import LIQHEAT_ERRORS, StoppedByQuality

AsOf = Annotated[
    datetime | None,
    typer.Option(help="Last hour, UTC; by default the one that has just ended."),
]
AsOfPublished = Annotated[
    datetime | None,
    typer.Option("--as-of", help="Hour shown, UTC; by default the newest published."),
]
Rows = Annotated[Format, typer.Option("--format", help="How rows are written.")]


FIRST_HOUR = datetime(2010, 1, 1, tzinfo=UTC)
"""No venue of today was open before."""


@contextmanager
def told() -> Iterator[None]:
    """Turn what went wrong into one line and an exit code."""
    try:
        yield
    except StoppedByQuality as exc:
        typer.echo(f"stopped by quality: {exc}", err=True)
        raise typer.Exit(3) from exc
    except LIQHEAT_ERRORS as exc:
        typer.echo(printable(f"error: {exc}"), err=True)
        raise typer.Exit(1) from exc
    except BrokenPipeError:
        # Whoever reads our output has seen enough: typer ends without a word.
        raise
    except OSError as exc:
        # Whatever file a command was given or writes to: not there, a folder, read-only, full.
        where = f"{exc.filename}: " if exc.filename else ""
        typer.echo(printable(f"error: {where}{exc.strerror or exc}"), err=True)
        raise typer.Exit(1) from exc


def finite(value: float | None) -> float | None:
    """Refuse what is a number to Python only."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no length of time")
    return value


def utc(instant: datetime | None) -> datetime | None:
    """Return the instant typed; one without a zone is UTC."""
    if instant is None or instant.tzinfo is not None:
        return instant
    return instant.replace(tzinfo=UTC)


def hour_of(as_of: datetime | None) -> datetime:
    """Return the hour meant: the one given, in UTC, or the one that has just ended."""
    now = datetime.now(UTC)
    instant = utc(as_of) or now
    if instant < FIRST_HOUR:
        raise typer.BadParameter(
            f"perpetual futures are younger than {FIRST_HOUR:%Y}; give a later hour",
            param_hint="--as-of",
        )
    if instant > now:
        raise typer.BadParameter(
            f"{instant:%Y-%m-%d %H:%M} UTC has not come yet; give an hour that has ended",
            param_hint="--as-of",
        )
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


INSTANTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]
