"""docs/bi/grafana: the dashboard is what its panels make, and their SQL runs on PostgreSQL."""

import re
from pathlib import Path

import pytest
from workbench.outlet import Publications, copy

from bench.grafana_dashboard import FILE, PANELS, VARIABLES, text

PAGE = Path(__file__).parents[3] / "docs" / "bi" / "grafana.md"

# What Grafana puts in place of its names.
SPAN = re.compile(r"\$__timeFilter\((\w+)\)")
BETWEEN = r"\1 between '2026-01-03T00:00:00Z' and '2026-01-11T00:00:00Z'"


def filled(sql, asset="BTC", provider="turnover"):
    return SPAN.sub(BETWEEN, sql).replace("$asset", asset).replace("$provider", provider)


def test_the_dashboard_is_up_to_date():
    assert FILE.read_text() == text(), "run `python -m bench.grafana_dashboard`"


@pytest.fixture(scope="module")
def run(postgres, tmp_path_factory):
    publications = Publications(tmp_path_factory.mktemp("grafana"))
    publications.publish({"2026-01-10 23:00": 1.0})
    database = postgres.make_database()
    copy(postgres.url(database), publications)
    return lambda sql: postgres.run(database, sql)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_choice_is_filled(run, name):
    rows = run(filled(VARIABLES[name]))
    assert rows
    assert all(isinstance(row[0], str) for row in rows)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_the_query_of_a_panel_runs(run, panel):
    sql = filled(panel.sql)
    assert "$" not in sql
    assert isinstance(run(sql), list)
    if panel.kind == "timeseries":
        assert 'as_of as "time"' in sql


def test_sql_of_the_page_runs(run):
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 1
    for block in blocks:
        run(filled(block))
