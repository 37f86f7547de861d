"""Rows on stdout as a table, CSV or JSON; notes and progress on stderr."""

import csv
import json
import logging
import math
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from typer import echo

TABLE_ROWS = 10_000
"""Most rows of a table, which is laid out in memory."""


class Format(StrEnum):
    """How rows are written."""

    table = "table"
    csv = "csv"
    json = "json"


def json_value(value: Any) -> Any:  # noqa: ANN401  (whatever a database returns)
    """Return a value for JSON: instants in ISO 8601, infinity and NaN as null."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): json_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | None) else str(value)


def _csv_cell(value: Any) -> Any:  # noqa: ANN401  (whatever a database returns)
    """Return a value as a CSV cell: nested ones as JSON."""
    plain = json_value(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, dict | list) else plain


def _escaped_cell(value: Any) -> Any:  # noqa: ANN401  (whatever a database returns)
    """Return a value as a CSV cell for a terminal."""
    cell = _csv_cell(value)
    return printable(cell) if isinstance(cell, str) else cell


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


def note(text: str) -> None:
    """Write a line to stderr, which leaves stdout to data."""
    echo(printable(text), err=True)


def log_errors_only(module: str) -> None:
    """Silence the warnings of a module whose report the command prints."""
    logging.getLogger(module).setLevel(logging.ERROR)


def printable(text: str) -> str:
    r"""Return text with control characters escaped: names come from files and venues.

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
    """Return unique names: the second `a` becomes `a_1`, as in DuckDB."""
    names: list[str] = []
    for name in columns:
        number, free = 0, name
        while free in names:
            number += 1
            free = f"{name}_{number}"
        names.append(free)
    return names


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], form: Format) -> None:
    """Write rows to stdout; only a table rounds numbers and stops after `TABLE_ROWS`.

    CSV is exact in a file or a pipe. A terminal would obey control characters: there they are
    escaped, as in a table. JSON always escapes them.
    """
    if form is Format.csv:
        escaped = _escaped_cell if sys.stdout.isatty() else _csv_cell
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(map(escaped, _distinct(columns)))
        writer.writerows([escaped(value) for value in row] for row in rows)
        sys.stdout.flush()
        return
    if form is Format.json:
        names = _distinct(columns)
        sys.stdout.write("[")
        for number, row in enumerate(rows):
            record = dict(zip(names, map(json_value, row), strict=True))
            sys.stdout.write(("," if number else "") + "\n  " + json.dumps(record))
        sys.stdout.write("\n]\n")
        sys.stdout.flush()
        return
    _write_table(columns, rows)


def print_table(
    title: str,
    rows: Sequence[Mapping[str, str]],
    *,
    columns: Iterable[str] | None = None,
    words: Collection[str],
    notes: Iterable[str],
) -> None:
    """Print a table made for the eye.

    Parameters
    ----------
    title : str
        Above the table.
    rows : sequence of mapping of str to str
        Cells by header, as they are printed.
    columns : iterable of str, optional
        Headers where rows do not have all of them; by default those of the first row.
    words : collection of str
        Headers of columns that hold words: those may wrap, figures may not.
    notes : iterable of str
        Lines below the table.
    """
    table = _empty_table(title)
    names = list(columns or (rows[0] if rows else ()))
    for name in names:
        is_figure = name not in words
        table.add_column(name, justify="right" if is_figure else "left", no_wrap=is_figure)
    for row in rows:
        table.add_row(*(printable(row.get(name, "")) for name in names))
    # Brackets are intervals, not markup.
    console = Console(soft_wrap=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)
    for line in notes:
        console.print(printable(line), style="dim", highlight=False)


def _empty_table(title: str | None = None) -> Table:
    return Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)


def _write_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    table = _empty_table()
    all_rows = iter(rows)
    kept = list(islice(all_rows, TABLE_ROWS))
    for position, name in enumerate(columns):
        is_number = any(isinstance(row[position], int | float) for row in kept)
        table.add_column(
            Text(printable(name)), justify="right" if is_number else "left", overflow="fold"
        )
    for row in kept:
        # Rich would interpret markup and emoji names in plain strings.
        table.add_row(*(Text(_readable(value)) for value in row))
    console = Console(soft_wrap=not sys.stdout.isatty())
    if not sys.stdout.isatty():
        console.width = 240
    console.print(table)
    if next(all_rows, None) is not None:
        note(f"only the first {TABLE_ROWS:,} rows: `--format csv` and `--format json` write all")


@contextmanager
def progress_bar() -> Iterator[Any]:
    """Yield a callable (step, item, share) that draws a bar on a terminal and nothing in a pipe."""
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

        def advance(step: str, item: str, share: float) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=1.0, item=item)
            progress.update(tasks[step], completed=share, item=item)

        yield advance
