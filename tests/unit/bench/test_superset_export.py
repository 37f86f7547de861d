"""The Superset export in `docs` is made of contracts, and no chart adds up a stock over hours."""

import json

import pytest
import yaml

from bench.superset_export import (
    CHARTS,
    DATASETS,
    FOLDER,
    QUERIES,
    dataset_of,
    files,
    is_of_one_hour,
    relation_of,
    text_of,
)
from jobs.read.query import open_reader
from jobs.settings import Settings


def test_the_export_is_up_to_date():
    written = {
        path.relative_to(FOLDER).as_posix(): path.read_text() for path in FOLDER.rglob("*.yaml")
    }
    current = {path: text_of(content) for path, content in files().items()}
    assert written == current, "run `python -m bench.superset_export`"


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_a_chart_uses_what_its_dataset_has(chart):
    dataset = dataset_of(chart.dataset)
    columns = {column["column_name"] for column in dataset["columns"]}
    assert {*chart.columns, *chart.where} <= columns
    assert set(chart.metrics) <= {metric["metric_name"] for metric in dataset["metrics"]}


@pytest.mark.parametrize("name", DATASETS)
def test_a_stock_is_summed_in_one_hour_only(name):
    relation = relation_of(name)
    stocks = {
        column.name
        for column in relation.columns
        if column.measure is not None and column.measure.name == "stock"
    }
    summed = {
        metric["metric_name"].removeprefix("sum_")
        for metric in dataset_of(name)["metrics"]
        if metric["metric_type"] == "sum"
    }
    assert is_of_one_hour(relation) or not summed & stocks


@pytest.mark.parametrize("name", DATASETS)
def test_metrics_are_computed(small_home, name):
    dataset = dataset_of(name)
    source = f"({dataset['sql']})" if name in QUERIES else f"marts.{name}"
    expressions = ", ".join(metric["expression"] for metric in dataset["metrics"])
    with open_reader(Settings(home=small_home)) as reader:
        (row,) = reader.execute(f"select {expressions} from {source}").fetchall()
    assert len(row) == len(dataset["metrics"])
    assert row[0] > 0


def test_charts_on_the_dashboard_are_those_of_the_export():
    dashboard = yaml.safe_load((FOLDER / "dashboards/liquidations.yaml").read_text())
    placed = {
        each["meta"]["uuid"]
        for each in dashboard["position"].values()
        if isinstance(each, dict) and each["type"] == "CHART"
    }
    charts = [yaml.safe_load(path.read_text()) for path in FOLDER.glob("charts/*.yaml")]
    assert placed == {chart["uuid"] for chart in charts}
    assert all(json.loads(chart["query_context"])["queries"] for chart in charts)
