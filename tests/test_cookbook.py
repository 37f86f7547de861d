"""What the pages of `docs` show of SQL runs and answers, here on the small market.

`make soak` makes the demo and compares every answer with the one on the page.
"""

import importlib.util
import json
import re

import pytest

from bench.cookbook import COOKBOOK, DOCS, SQL_BLOCK, answer
from bench.notebook import NOTEBOOK, executed
from jobs.read.query import open_reader
from jobs.settings import Settings

NOTEBOOKS = DOCS / "bi/notebooks.md"
NO_ROWS = "(no rows)"

# Questions to which the small market has no row, by a part of their SQL: every asset is noise
# there, it ends before that day, and no check fails as a whole.
EMPTY_ON_THE_SMALL_MARKET = ("where grade <> 'C'", "'2026-01-13 12:00'", "scope = 'all'")

# Pages whose SQL is not for the published file: files of a home, and PostgreSQL with its own tests.
ELSEWHERE = {"backup.md", "postgres.md", "grafana.md"}

BLOCKS = [
    pytest.param(page, sql, printed, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.glob("**/*.md"))
    if page.name not in ELSEWHERE
    for number, (sql, printed) in enumerate(SQL_BLOCK.findall(page.read_text()))
]


@pytest.fixture(scope="module")
def reader(small_home):
    with open_reader(Settings(home=small_home)) as opened:
        yield opened


@pytest.mark.parametrize(("page", "sql", "printed"), BLOCKS)
def test_a_block_of_sql_answers_with_the_columns_shown(reader, page, sql, printed):
    found = answer(reader, sql)
    if printed:
        assert printed.split("\n")[0].split() == list(reader.columns)
        is_empty = NO_ROWS in printed or any(part in sql for part in EMPTY_ON_THE_SMALL_MARKET)
        assert (NO_ROWS in found) == is_empty


def test_the_cookbook_answers_twenty_questions():
    page = COOKBOOK.read_text()
    questions = re.findall(r"^### .*\?$", page, re.MULTILINE)
    assert len(questions) >= 20
    assert len([printed for _, printed in SQL_BLOCK.findall(page) if printed]) == len(questions)


def test_the_notebook_runs(small_home):
    outputs = [
        output
        for cell in json.loads(executed(NOTEBOOK.read_text(), small_home))["cells"]
        for output in cell.get("outputs", [])
    ]
    stored = [
        output
        for cell in json.loads(NOTEBOOK.read_text())["cells"]
        for output in cell.get("outputs", [])
    ]
    assert [each["output_type"] for each in outputs] == [each["output_type"] for each in stored]


def test_python_of_the_page_about_notebooks_runs(small_home):
    blocks = re.findall(r"```python\n(.*?)```", NOTEBOOKS.read_text(), re.DOTALL)
    assert len(blocks) == 3
    names = {}
    for block in blocks:
        if "import xarray" in block and importlib.util.find_spec("xarray") is None:
            continue
        exec(block.replace("data/demo", str(small_home)), names)  # noqa: S102
    assert names["assets"]["asset"].tolist() == names["frame"]["asset"].sort_values().tolist()
