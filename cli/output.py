"""Writing rows to stdout as a table, CSV or JSON, and telling progress on stderr."""

import csv
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

TABLE_ROWS = 10_000
"""Rows a table shows at most: it is laid out whole, for the eye."""


class Format(StrEnum):
    """How rows are written."""

    table = "table"
    csv = "csv"
    json = "json"


def spelled(value: Any) -> Any:  # noqa: ANN401  (whatever a database returns)
    """Return a value as JSON carries it: instants in ISO 8601, what is not finite as null."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): spelled(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [spelled(one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | None) else str(value)


def _cell(value: Any) -> Any:  # noqa: ANN401  (whatever a database returns)
    """Return a value as a CSV cell: nested ones as JSON."""
    plain = spelled(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, dict | list) else plain


def _readable(value: Any) -> str:  # noqa: ANN401  (whatever a database returns)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:,.6g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, list):
        return ", ".join(map(_readable, value))
    return printable(str(value))


def printable(text: str) -> str:
    r"""Return text with control characters spelled out: names come from files and venues.

    Examples
    --------
    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode()
        for one in text
    )


def _distinct(columns: Sequence[str]) -> list[str]:
    """Return names of which none hides another: the second `a` is `a_1`, as in DuckDB."""
    names: list[str] = []
    for name in columns:
        number, free = 0, name
        while free in names:
            number += 1
            free = f"{name}_{number}"
        names.append(free)
    return names


def write_rows(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], form: Format, title: str | None = None
) -> None:
    """Write rows to stdout; only the table rounds numbers and ends after `TABLE_ROWS`."""
    if form is Format.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_distinct(columns))
        writer.writerows([_cell(value) for value in row] for row in rows)
        sys.stdout.flush()
        return
    if form is Format.json:
        names = _distinct(columns)
        sys.stdout.write("[")
        for number, row in enumerate(rows):
            record = dict(zip(names, map(spelled, row), strict=True))
            sys.stdout.write(("," if number else "") + "\n  " + json.dumps(record))
        sys.stdout.write("\n]\n")
        sys.stdout.flush()
        return
    _write_table(columns, rows, title)


def _write_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None) -> None:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    all_rows = iter(rows)
    kept = list(islice(all_rows, TABLE_ROWS))
    for position, name in enumerate(columns):
        is_number = any(isinstance(row[position], int | float) for row in kept)
        table.add_column(
            Text(printable(name)), justify="right" if is_number else "left", overflow="fold"
        )
    for row in kept:
        # Text is shown as it is: strings would be read for markup and names of emoji.
        table.add_row(*(Text(_readable(value)) for value in row))
    console = Console(soft_wrap=not sys.stdout.isatty())
    if not sys.stdout.isatty():
        console.width = 240
    console.print(table)
    if next(all_rows, None) is not None:
        sys.stderr.write(
            f"only the first {TABLE_ROWS:,} rows: `--format csv` and `--format json` write all\n"
        )


@contextmanager
def progress_bar() -> Iterator[Any]:
    """Yield a callable (step, item, share) that draws a bar on a terminal, nothing in a pipe."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[item]}"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        tasks: dict[str, Any] = {}

        def tell(step: str, item: str, share: float) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=1.0, item=item)
            progress.update(tasks[step], completed=share, item=item)

        yield tell
