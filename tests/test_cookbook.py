"""What the pages of `docs` show of SQL runs, and answers are those of the demo."""

import importlib.util
import json
import re

import pytest

from bench.cookbook import COOKBOOK, DOCS, answer, sql_blocks
from bench.notebook import NOTEBOOK, executed
from jobs.read.query import open_reader
from jobs.settings import Settings

ROOT = DOCS.parent
DEMO = ROOT / "data/demo"
NOTEBOOKS = DOCS / "bi/notebooks.md"

# Pages whose SQL is not for the published file: files of a home, and PostgreSQL with its own tests.
ELSEWHERE = {"backup.md", "postgres.md", "grafana.md"}

BLOCKS = [
    pytest.param(page, sql, printed, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.glob("**/*.md"))
    if page.name not in ELSEWHERE
    for number, (sql, printed) in enumerate(sql_blocks(page.read_text()))
]


@pytest.fixture(scope="module")
def reader(small_home):
    with open_reader(Settings(home=small_home)) as opened:
        yield opened


@pytest.mark.parametrize(("page", "sql", "printed"), BLOCKS)
def test_a_block_of_sql_runs_and_has_the_columns_shown(reader, page, sql, printed):
    answer(reader, sql)
    if printed is not None:
        assert printed.split("\n")[0].split() == list(reader.columns)


def test_the_cookbook_answers_twenty_questions():
    page = COOKBOOK.read_text()
    questions = re.findall(r"^### .*\?$", page, re.MULTILINE)
    assert len(questions) >= 20
    assert len([printed for _, printed in sql_blocks(page) if printed]) == len(questions)


def changed_at(*folders):
    return max(path.stat().st_mtime for each in folders for path in (ROOT / each).rglob("*.*"))


def test_answers_are_those_of_the_demo():
    """`make soak` builds a demo and compares; here one is compared that is there already."""
    published = DEMO / "published/liqheat.duckdb"
    if not published.exists():
        pytest.skip("no demo in data/demo: `make demo` makes one")
    if published.stat().st_mtime < changed_at("sql", "transforms", "jobs/build", "sources"):
        pytest.skip("data/demo is older than the code: `make demo` makes it again")
    with open_reader(Settings(home=DEMO)) as opened:
        for sql, printed in sql_blocks(COOKBOOK.read_text()):
            assert printed == answer(opened, sql), sql
    assert executed(NOTEBOOK.read_text(), DEMO) == NOTEBOOK.read_text()


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
