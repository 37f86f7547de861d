"""The Superset export in `docs` is made of contracts, and no chart adds up a stock over hours."""

import json

import pytest
import yaml

from bench.superset_charts import CALCULATED, CHARTS, DATASETS, FILTERS, QUERIES
from bench.superset_export import (
    FOLDER,
    dashboard,
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
        for expression in CALCULATED.get(name, {}).values():
            values = reader.execute(f"select distinct {expression} from {source}").fetchall()
            # Short enough for an axis.
            assert all(len(f"{value:.10g}") <= 8 for (value,) in values)
    assert len(row) == len(dataset["metrics"])
    assert row[0] > 0


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_a_chart_shows_one_asset_and_provider_or_each_by_itself(chart):
    """Maps of two providers are two answers: a chart that adds them up is wrong."""
    relation = relation_of(chart.dataset)
    for name in {"asset", "provider", "venue", "tier"} & set(relation.grain):
        assert name in {*chart.columns, *chart.filters, *chart.where}, name
    followed = set(chart.filters) - {"time"}
    assert followed <= set(relation.column_names)
    assert ("time" in chart.filters) == (relation.is_hourly and chart.dataset not in QUERIES)


def test_filters_choose_what_is_there_and_leave_out_charts_that_show_all():
    identities = {content["uuid"] for path, content in files().items() if "datasets/" in path}
    configured = dashboard()["metadata"]["native_filter_configuration"]
    assert [each["name"] for each in configured] == [each.title for each in FILTERS]
    for wanted, written in zip(FILTERS, configured, strict=True):
        excluded = {CHARTS[number - 1].title for number in written["scope"]["excluded"]}
        assert excluded == {each.title for each in CHARTS if wanted.name not in each.filters}
        assert excluded != {each.title for each in CHARTS}
        if wanted.dataset:
            assert written["targets"][0]["datasetUuid"] in identities
            assert wanted.name in relation_of(wanted.dataset).column_names


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
