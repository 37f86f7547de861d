"""The Superset export in `docs/bi/superset`: datasets from contracts, charts from the list below.

    .venv/bin/python -m bench.superset_export

Metrics follow what a column measures (`warehouse.measures`): a stock has a sum only where a row is
of the newest hour, so that no chart can add up hours.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml

from warehouse.contracts import Column, Relation, relations

FOLDER = Path(__file__).parents[1] / "docs/bi/superset"
DATABASE = "liqheat"
PLACEHOLDER = "duckdb:////path/to/data/published/liqheat.duckdb?access_mode=read_only"
DASHBOARD = "Liquidations"

DATASETS = (
    "assets",
    "asset_quality_newest",
    "cascade_scenarios_newest",
    "liquidation_bands_newest",
    "liquidation_forecast_hourly",
    "liquidation_heatmap_hourly",
    "liquidation_heatmap_newest",
    "liquidation_heatmap_newest_day",
    "market_context_hourly",
    "venue_open_interest_hourly",
)

# Datasets that are a query. The newest published hour counts, not today: a demo ends in the past.
QUERIES = {
    "liquidation_heatmap_newest_day": (
        "liquidation_heatmap_hourly",
        "SELECT * FROM marts.liquidation_heatmap_hourly\n"
        "WHERE as_of > (SELECT max(as_of) FROM marts.assets) - INTERVAL '1' DAY\n"
        "AND liquidation_usd > 0 AND price_low > price * 0.9 AND price_high < price * 1.1",
    ),
}

# Aggregations over hours, and within an hour, by their function in SQL.
_FUNCTIONS = {"sum": "SUM", "avg": "AVG", "min": "MIN", "max": "MAX"}

_TYPES = {"BOOLEAN": "BOOLEAN", "VARCHAR": "STRING", "TIMESTAMP": "TIMESTAMP", "DATE": "DATE"}


@dataclass(frozen=True, slots=True)
class SupersetChart:
    """One chart.

    Parameters
    ----------
    title : str
        Above it.
    dataset : str
        Relation in ``marts``.
    viz_type : str
        Superset's name of the kind.
    metrics : tuple of str
        Names of the dataset's metrics.
    columns : tuple of str
        Columns grouped by, the axis first; of a raw table those shown.
    where : dict of str to str
        Values of columns.
    grain : str, optional
        ISO 8601 length by which instants of the axis are grouped.
    more : dict
        Other controls.
    """

    title: str
    dataset: str
    viz_type: str
    metrics: tuple[str, ...]
    columns: tuple[str, ...]
    where: dict[str, str] = field(default_factory=dict)
    grain: str | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        """Its identity in every Superset."""
        return _uuid(f"charts/{self.title}")

    @property
    def is_raw(self) -> bool:
        """Whether rows are shown as they are."""
        return not self.metrics


_MAP = {"asset": "BTC", "provider": "turnover", "venue": "all"}
_FORECAST = {"asset": "BTC", "provider": "turnover", "tier": "all"}

CHARTS = (
    SupersetChart(
        "Assets, the largest first",
        "assets",
        "table",
        (),
        (
            "asset", "grade", "price", "open_interest_usd", "funding_rate_8h_ratio",
            "forced_long_within_5_percent_usd", "forced_short_within_5_percent_usd", "as_of",
        ),
        more={"order_by_cols": ['["open_interest_usd", false]']},
    ),
    SupersetChart(
        "Forced within 5 % of price, by asset",
        "assets",
        "echarts_timeseries_bar",
        ("sum_forced_long_within_5_percent_usd", "sum_forced_short_within_5_percent_usd"),
        ("asset",),
    ),
    SupersetChart(
        "BTC: where positions would be forced, newest hour",
        "liquidation_heatmap_newest",
        "echarts_timeseries_bar",
        ("sum_liquidation_usd",),
        ("price_low", "side"),
        _MAP,
        more={"xAxisForceCategorical": True, "stack": "Stack"},
    ),
    SupersetChart(
        "BTC: the map of the last day",
        "liquidation_heatmap_newest_day",
        "heatmap_v2",
        ("max_liquidation_usd",),
        ("as_of", "price_low"),
        _MAP,
        grain="PT1H",
    ),
    SupersetChart(
        "BTC: bands by what is expected to be forced in 24 hours",
        "liquidation_bands_newest",
        "table",
        (),
        (
            "side", "price_low", "price_high", "distance_bps", "liquidation_usd",
            "touch_probability_24h_ratio", "expected_forced_usd_24h",
        ),
        _MAP,
        more={"order_by_cols": ['["expected_forced_usd_24h", false]']},
    ),
    SupersetChart(
        "BTC: forced by a move of price, with the cascade",
        "cascade_scenarios_newest",
        "echarts_timeseries_bar",
        ("max_forced_usd",),
        ("shock_ratio",),
        _MAP,
        more={"xAxisForceCategorical": True},
    ),
    SupersetChart(
        "BTC: open interest by venue, each contract counted once",
        "venue_open_interest_hourly",
        "echarts_area",
        ("avg_open_interest_usd",),
        ("as_of", "venue"),
        {"asset": "BTC"},
        grain="PT1H",
        more={"stack": "Stack"},
    ),
    SupersetChart(
        "Funding by day, scaled to 8 hours",
        "market_context_hourly",
        "echarts_timeseries_line",
        ("avg_funding_rate_8h_ratio",),
        ("as_of", "asset"),
        grain="P1D",
    ),
    SupersetChart(
        "BTC: liquidations that venues published, by day",
        "market_context_hourly",
        "echarts_timeseries_bar",
        ("sum_realised_long_liquidation_usd", "sum_realised_short_liquidation_usd"),
        ("as_of",),
        {"asset": "BTC"},
        grain="P1D",
    ),
    SupersetChart(
        "BTC: expected and published liquidations, by day",
        "liquidation_forecast_hourly",
        "echarts_timeseries_bar",
        ("sum_expected_usd", "sum_realised_usd"),
        ("as_of",),
        _FORECAST,
        grain="P1D",
    ),
    SupersetChart(
        "Grades by venue, with reasons",
        "asset_quality_newest",
        "table",
        (),
        ("asset", "venue", "grade", "reasons_text"),
        more={"order_by_cols": ['["grade", false]', '["asset", true]']},
    ),
)  # fmt: skip


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"liqheat/superset/{name}"))


def is_of_one_hour(relation: Relation) -> bool:
    """Whether all rows of an asset are of one hour, so that stocks may be summed."""
    return "as_of" not in relation.grain


def metrics_of(relation: Relation, column: Column) -> list[dict[str, Any]]:
    """Return the metrics of a column that mean something over the rows of a relation."""
    if column.measure is None or column.is_nested:
        return []
    within = is_of_one_hour(relation)
    names = column.measure.within_hour if within else column.measure.over_hours
    return [
        {
            "metric_name": f"{name}_{column.name}",
            "verbose_name": f"{column.name}, {name}",
            "metric_type": name,
            "expression": f"{_FUNCTIONS[name]}({column.name})",
            "description": column.comment,
        }
        for name in names
        if name in _FUNCTIONS
    ]


def relation_of(dataset: str) -> Relation:
    """Return the relation whose columns a dataset has."""
    name, _ = QUERIES.get(dataset, (dataset, None))
    return relations()[f"marts.{name}"]


def dataset_of(name: str) -> dict[str, Any]:
    """Return a dataset."""
    relation = relation_of(name)
    return {
        "table_name": name,
        "main_dttm_col": relation.instant if relation.is_hourly else "as_of",
        "description": relation.description,
        "schema": "marts",
        "sql": QUERIES[name][1] if name in QUERIES else None,
        "filter_select_enabled": True,
        "uuid": _uuid(f"datasets/{name}"),
        "metrics": [
            {
                "metric_name": "count",
                "verbose_name": "rows",
                "metric_type": "count",
                "expression": "COUNT(*)",
            },
            *(metric for column in relation.columns for metric in metrics_of(relation, column)),
        ],
        "columns": [
            {
                "column_name": column.name,
                "is_dttm": column.is_instant,
                "type": _TYPES.get(column.published_type, "NUMERIC" if column.is_number else None),
                "groupby": True,
                "filterable": True,
                "description": column.comment,
            }
            for column in relation.columns
            if not column.is_nested
        ],
        "version": "1.0.0",
        "database_uuid": _uuid("database"),
    }


def chart_of(chart: SupersetChart) -> dict[str, Any]:
    """Return a chart, with the query that it sends."""
    filters = [{"col": name, "op": "==", "val": value} for name, value in chart.where.items()]
    adhoc = [
        {
            "expressionType": "SIMPLE", "clause": "WHERE", "subject": name, "operator": "==",
            "comparator": value,
        }
        for name, value in chart.where.items()
    ]  # fmt: skip
    params: dict[str, Any] = {
        "viz_type": chart.viz_type,
        "adhoc_filters": adhoc,
        "row_limit": 10000,
        "time_range": "No filter",
        **chart.more,
    }
    query: dict[str, Any] = {"filters": filters, "row_limit": 10000, "time_range": "No filter"}
    if chart.is_raw:
        params |= {
            "query_mode": "raw",
            "all_columns": list(chart.columns),
            "server_page_length": 10,
        }
        query |= {
            "columns": list(chart.columns),
            "orderby": [json.loads(each) for each in chart.more.get("order_by_cols", ())],
        }
    else:
        axis, *groups = chart.columns
        is_heatmap = chart.viz_type == "heatmap_v2"
        params |= {
            "x_axis": axis,
            "groupby": groups[0] if is_heatmap else groups,
            **({"metric": chart.metrics[0]} if is_heatmap else {"metrics": list(chart.metrics)}),
            **({"time_grain_sqla": chart.grain} if chart.grain else {}),
        }
        if is_heatmap:
            params |= {
                "normalize_across": "heatmap", "sort_x_axis": "alpha_asc",
                "sort_y_axis": "alpha_asc", "linear_color_scheme": "fire",
                "legend_type": "continuous",
            }  # fmt: skip
        query |= {"columns": [_axis(chart), *groups], "metrics": list(chart.metrics)}
    return {
        "slice_name": chart.title,
        "viz_type": chart.viz_type,
        "params": params,
        "query_context": json.dumps(
            {
                "datasource": {"id": 0, "type": "table"},
                "force": False,
                "queries": [query],
                "form_data": params,
                "result_format": "json",
                "result_type": "full",
            }
        ),
        "uuid": chart.uuid,
        "version": "1.0.0",
        "dataset_uuid": _uuid(f"datasets/{chart.dataset}"),
    }


def _axis(chart: SupersetChart) -> str | dict[str, str]:
    axis = chart.columns[0]
    if chart.grain is None:
        return axis
    return {
        "label": axis, "sqlExpression": axis, "expressionType": "SQL",
        "columnType": "BASE_AXIS", "timeGrain": chart.grain,
    }  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Return the dashboard: two charts a row, one that is left over across it."""
    position: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": [], "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": DASHBOARD}},
    }
    for number, chart in enumerate(CHARTS):
        row = f"ROW-{number // 2}"
        if row not in position:
            position["GRID_ID"]["children"].append(row)
            position[row] = {
                "type": "ROW", "id": row, "children": [], "parents": ["ROOT_ID", "GRID_ID"],
                "meta": {"background": "BACKGROUND_TRANSPARENT"},
            }  # fmt: skip
        name = f"CHART-{number}"
        position[row]["children"].append(name)
        is_last = number == len(CHARTS) - 1
        position[name] = {
            "type": "CHART", "id": name, "children": [], "parents": ["ROOT_ID", "GRID_ID", row],
            "meta": {
                "chartId": number + 1, "uuid": chart.uuid, "sliceName": chart.title, "height": 50,
                "width": 12 if is_last and number % 2 == 0 else 6,
            },
        }  # fmt: skip
    return {
        "dashboard_title": DASHBOARD,
        "description": "Positions that would be forced, what was, and how far to trust each map.",
        "slug": "liqheat",
        "uuid": _uuid("dashboard"),
        "position": position,
        "metadata": {"color_scheme": "", "refresh_frequency": 0},
        "version": "1.0.0",
    }


def files() -> dict[str, dict[str, Any]]:
    """Return the export by path below its folder."""
    found: dict[str, dict[str, Any]] = {
        # Superset reads the instant and does nothing with it.
        "metadata.yaml": {
            "version": "1.0.0", "type": "Dashboard", "timestamp": "2026-01-15T00:00:00+00:00",
        },
        f"databases/{DATABASE}.yaml": {
            "database_name": DATABASE,
            "sqlalchemy_uri": PLACEHOLDER,
            "expose_in_sqllab": True,
            "allow_ctas": False,
            "allow_cvas": False,
            "allow_dml": False,
            "extra": {"metadata_params": {}, "engine_params": {}},
            "uuid": _uuid("database"),
            "version": "1.0.0",
        },
        "dashboards/liquidations.yaml": dashboard(),
    }  # fmt: skip
    for name in DATASETS:
        found[f"datasets/{DATABASE}/{name}.yaml"] = dataset_of(name)
    for number, chart in enumerate(CHARTS, 1):
        found[f"charts/{number:02d}_{chart.dataset}.yaml"] = chart_of(chart)
    return found


def text_of(content: dict[str, Any]) -> str:
    """Return a file's text."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)


def main() -> None:
    """Write the export."""
    for path, content in files().items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_text(text_of(content))


if __name__ == "__main__":
    main()
