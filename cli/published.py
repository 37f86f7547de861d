"""Published rows for a command: read by column, written for a program or for the eye."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cli.arguments import hour_of
from cli.output import Format, note, write_rows
from jobs.settings import Settings

Row = dict[str, Any]
"""One published row by column; the columns are the public interface, see `liqheat tables`."""


def read_rows(
    settings: Settings, name: str, parameters: Mapping[str, Any] | None = None
) -> tuple[tuple[str, ...], list[Row]]:
    """Return the columns and the rows of a named query on the published file."""
    from jobs.read.query import query_by_name

    with query_by_name(settings, name, dict(parameters or {})) as result:
        return result.columns, [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def default_provider(settings: Settings, asset: str, as_of: datetime | None) -> str:
    """Return whose map of an asset is shown unless the reader chooses; say why on stderr."""
    from jobs.read.accuracy import choose_provider

    chosen = choose_provider(settings, asset, as_of)
    note(f"map by {chosen.reason}")
    return chosen.name


def known_hour(settings: Settings, as_of: datetime | None) -> datetime:
    """Return the start of the given hour, UTC; without one the newest published, else the present.

    A home of recorded data ends long before the present: figures up to now would be of no hours.
    """
    from jobs.read.query import newest_hour

    present = hour_of(as_of)
    if as_of is not None:
        return present
    return min(newest_hour(settings) or present, present)


def write_all(columns: tuple[str, ...], rows: list[Row], form: Format) -> None:
    """Write rows with all their columns."""
    write_rows(columns, [list(row.values()) for row in rows], form)
