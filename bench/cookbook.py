"""Answers in `docs/cookbook.md` and outputs of `docs/notebook.ipynb`, both of the demo.

Each SQL block has its answer below it. Write them again after a change of SQL or of the model, or
compare them with those of a demo that is made for it, as `make soak` does:

    .venv/bin/python -m bench.cookbook --home data/demo
    .venv/bin/python -m bench.cookbook --check
"""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.notebook import NOTEBOOK, executed
from jobs.demo import run_demo
from jobs.read.query import open_reader
from jobs.settings import Settings
from warehouse.read import Reader

DOCS = Path(__file__).parents[1] / "docs"
COOKBOOK = DOCS / "cookbook.md"

SQL_BLOCK = re.compile(r"```sql\n(?P<sql>.*?)```\n(?:\n```text\n(?P<answer>.*?)```\n)?", re.DOTALL)

# A cell is cut after so many characters.
_WIDTH = 72


def answer(reader: Reader, sql: str) -> str:
    """Return the rows of a query as aligned text."""
    rows = reader.execute(sql).fetchall()
    return table_of(reader.columns, rows)


def table_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as aligned text, numbers to the right."""
    lines = [list(row) for row in rows]
    if not lines:
        return f"{'  '.join(columns)}\n(no rows)\n"
    cells = [list(columns), *([_cell(value) for value in line] for line in lines)]
    numeric = [
        all(value is None or _is_number(value) for value in column)
        for column in zip(*lines, strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        + "\n"
        for line in cells
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        # As `liqheat query` has it; -0 is 0.
        return f"{value + 0.0:,.0f}" if abs(value) >= 1e5 else f"{value + 0.0:,.6g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    text = str(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def answered(reader: Reader, page: str) -> str:
    """Return a page with the answers that the published file gives now."""

    def written(block: re.Match[str]) -> str:
        sql = block["sql"]
        return f"```sql\n{sql}```\n\n```text\n{answer(reader, sql)}```\n"

    return SQL_BLOCK.sub(written, page)


def main() -> None:
    """Write the cookbook's answers, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, help="Folder of a demo; by default one is made.")
    parser.add_argument("--check", action="store_true", help="Compare only.")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        settings = (
            Settings(home=arguments.home)
            if arguments.home
            else run_demo(Settings(home=Path(folder)))
        )
        with open_reader(settings) as reader:
            pages = {COOKBOOK: answered(reader, COOKBOOK.read_text())}
        pages[NOTEBOOK] = executed(NOTEBOOK.read_text(), settings.home)
    differing = [path.name for path, text in pages.items() if path.read_text() != text]
    if arguments.check and differing:
        sys.exit(f"{', '.join(differing)}: other answers than the demo's; run without --check")
    if not arguments.check:
        for path, text in pages.items():
            path.write_text(text)


if __name__ == "__main__":
    main()
