"""The Superset export in `docs/bi/superset`: datasets from contracts, charts from their list.

    .venv/bin/python -m bench.superset_export

Metrics follow what a column measures (`warehouse.measures`): a stock has a sum only where a row is
of the newest hour, so that no chart can add up hours. Charts and filters are listed in
`bench/superset_charts.py`.
"""

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml

from bench.superset_charts import (
    CALCULATED,
    CHARTS,
    DATASETS,
    FILTERS,
    QUERIES,
    WIDE,
    SupersetChart,
    SupersetFilter,
)
from warehouse.contracts import Column, Relation, relations

FOLDER = Path(__file__).parents[1] / "docs/bi/superset"
DATABASE = "liqheat"
PLACEHOLDER = "duckdb:////path/to/data/published/liqheat.duckdb?access_mode=read_only"
DASHBOARD = "Liquidations"

# Aggregations over hours, and within an hour, by their function in SQL.
_FUNCTIONS = {"sum": "SUM", "avg": "AVG", "min": "MIN", "max": "MAX"}

_TYPES = {"BOOLEAN": "BOOLEAN", "VARCHAR": "STRING", "TIMESTAMP": "TIMESTAMP", "DATE": "DATE"}

# Units by the part of a column's name that says them: what is read, and the format of numbers.
_UNITS = {
    "usd": ("USD", "SMART_NUMBER"),
    "base": ("base asset", "SMART_NUMBER"),
    "bps": ("bps", ",.0f"),
    "seconds": ("s", ",.0f"),
    "ratio": ("", ".1%"),
}
_FORMATS = {
    "funding_rate_8h_ratio": ".4%",
    **dict.fromkeys(("price", "price_low", "price_high", "price_peak"), ",.6~r"),
}

# The page's colours of sides, and calm ones for the rest.
_LONG, _SHORT = "#1f7fb3", "#bf6f12"


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"liqheat/superset/{name}"))


def is_of_one_hour(relation: Relation) -> bool:
    """Whether all rows of an asset are of one hour, so that stocks may be summed."""
    return "as_of" not in relation.grain


def heading_of(column: Column) -> str:
    """Return a column's name as words, with its unit: ``open interest [USD]``."""
    words = column.name.split("_")
    unit = next((_UNITS[word][0] for word in words if word in _UNITS), "")
    text = " ".join(word for word in words if word not in _UNITS)
    text = text.replace("within 5 percent", "within 5 %")
    return f"{text} [{unit}]" if unit else text


def format_of(column: Column) -> str | None:
    """Return the format of a column's numbers in D3's language; None for Superset's own."""
    unit = next((word for word in column.name.split("_") if word in _UNITS), None)
    return _FORMATS.get(column.name, _UNITS[unit][1] if unit else None)


def metrics_of(relation: Relation, column: Column) -> list[dict[str, Any]]:
    """Return the metrics of a column that mean something over the rows of a relation."""
    if column.measure is None or column.is_nested:
        return []
    within = is_of_one_hour(relation)
    names = column.measure.within_hour if within else column.measure.over_hours
    return [
        {
            "metric_name": f"{name}_{column.name}",
            "verbose_name": heading_of(column) + ("" if name == "sum" else f", {name}"),
            "metric_type": name,
            "expression": f"{_FUNCTIONS[name]}({column.name})",
            "description": column.comment,
            "d3format": format_of(column),
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
                "verbose_name": heading_of(column),
                "is_dttm": column.is_instant,
                "type": _TYPES.get(column.published_type, "NUMERIC" if column.is_number else None),
                "groupby": True,
                "filterable": True,
                "description": column.comment,
            }
            for column in relation.columns
            if not column.is_nested
        ]
        + [
            {
                "column_name": column,
                "verbose_name": column.replace("_", " "),
                "expression": expression,
                "is_dttm": False,
                "type": "NUMERIC",
                "groupby": True,
                "filterable": True,
            }
            for column, expression in CALCULATED.get(name, {}).items()
        ],
        "version": "1.0.0",
        "database_uuid": _uuid("database"),
    }


def chart_of(chart: SupersetChart) -> dict[str, Any]:
    """Return a chart, with the query that it sends."""
    filters = [{"col": name, "op": "==", "val": value} for name, value in chart.where.items()]
    params: dict[str, Any] = {
        "viz_type": chart.viz_type,
        "adhoc_filters": [
            {
                "expressionType": "SIMPLE", "clause": "WHERE", "subject": name, "operator": "==",
                "comparator": value,
            }
            for name, value in chart.where.items()
        ],
        "row_limit": 10000,
        "time_range": "No filter",
    }  # fmt: skip
    query: dict[str, Any] = {"filters": filters, "row_limit": 10000, "time_range": "No filter"}
    if chart.is_raw:
        params |= _table_params(chart)
        query |= {
            "columns": list(chart.columns),
            "orderby": [json.loads(each) for each in chart.more.get("order_by_cols", ())],
        }
    else:
        params |= (
            _heatmap_params(chart) if chart.viz_type == "heatmap_v2" else _series_params(chart)
        )
        params |= {"time_grain_sqla": chart.grain} if chart.grain else {}
        query |= {"columns": [_axis(chart), *chart.columns[1:]], "metrics": list(chart.metrics)}
    params |= chart.more
    return {
        "slice_name": chart.title,
        "description": chart.note or None,
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
        "uuid": _chart_uuid(chart),
        "version": "1.0.0",
        "dataset_uuid": _uuid(f"datasets/{chart.dataset}"),
    }


def _chart_uuid(chart: SupersetChart) -> str:
    return _uuid(f"charts/{chart.title}")


def _table_params(chart: SupersetChart) -> dict[str, Any]:
    columns = {each.name: each for each in relation_of(chart.dataset).columns}
    return {
        "query_mode": "raw",
        "all_columns": list(chart.columns),
        "page_length": 0,
        "show_cell_bars": False,
        "table_timestamp_format": "%Y-%m-%d %H:%M",
        "column_config": {
            name: {"d3NumberFormat": format_of(columns[name])}
            for name in chart.columns
            if format_of(columns[name])
        },
    }


def _series_params(chart: SupersetChart) -> dict[str, Any]:
    axis, *groups = chart.columns
    return {
        "x_axis": axis,
        "groupby": groups,
        "metrics": list(chart.metrics),
        "x_axis_time_format": "%Y-%m-%d",
        "y_axis_format": "SMART_NUMBER",
        "rich_tooltip": True,
    }


def _heatmap_params(chart: SupersetChart) -> dict[str, Any]:
    axis, group = chart.columns
    return {
        "x_axis": axis,
        "groupby": group,
        "metric": chart.metrics[0],
        "normalize_across": "heatmap",
        "sort_x_axis": "alpha_asc",
        "sort_y_axis": "alpha_asc",
        "linear_color_scheme": "schemeBlues",
        "legend_type": "continuous",
        "yscale_interval": 10,
        "bottom_margin": 30,
        "left_margin": 45,
        "x_axis_time_format": "%d %H:%M",
        "y_axis_format": "SMART_NUMBER",
    }


def _axis(chart: SupersetChart) -> str | dict[str, str]:
    axis = chart.columns[0]
    if chart.grain is None:
        return axis
    return {
        "label": axis, "sqlExpression": axis, "expressionType": "SQL",
        "columnType": "BASE_AXIS", "timeGrain": chart.grain,
    }  # fmt: skip


def filter_of(each: SupersetFilter) -> dict[str, Any]:
    """Return a filter of the dashboard, over the charts that follow it."""
    shared = {
        "id": f"NATIVE_FILTER-liqheat-{each.name}",
        "name": each.title,
        "type": "NATIVE_FILTER",
        "description": "",
        "cascadeParentIds": [],
        "scope": {
            "rootPath": ["ROOT_ID"],
            "excluded": [
                place for place, chart in enumerate(CHARTS, 1) if each.name not in chart.filters
            ],
        },
    }
    if each.dataset is None:
        return shared | {
            "filterType": "filter_time",
            "targets": [{}],
            "controlValues": {"enableEmptyFilter": False},
            "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
        }
    chosen = {"col": each.name, "op": "IN", "val": [each.value]}
    return shared | {
        "filterType": "filter_select",
        "targets": [
            {"column": {"name": each.name}, "datasetUuid": _uuid(f"datasets/{each.dataset}")}
        ],
        # One value, never none: maps of several providers must not be added up.
        "controlValues": {
            "multiSelect": False, "enableEmptyFilter": True, "defaultToFirstItem": False,
            "inverseSelection": False, "searchAllOptions": False,
        },
        "defaultDataMask": {
            "extraFormData": {"filters": [chosen]},
            "filterState": {"value": [each.value], "label": each.value},
            "ownState": {},
        },
    }  # fmt: skip


def _rows() -> list[list[int]]:
    """Return the charts of each row of the dashboard, by number: two, or a wide one alone."""
    rows: list[list[int]] = []
    for number, chart in enumerate(CHARTS):
        is_open = rows and len(rows[-1]) == 1 and CHARTS[rows[-1][0]].title not in WIDE
        if is_open and chart.title not in WIDE:
            rows[-1].append(number)
        else:
            rows.append([number])
    return rows


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    position: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": [], "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": DASHBOARD}},
    }
    for place, numbers in enumerate(_rows()):
        row = f"ROW-{place}"
        position["GRID_ID"]["children"].append(row)
        position[row] = {
            "type": "ROW", "id": row, "children": [f"CHART-{number}" for number in numbers],
            "parents": ["ROOT_ID", "GRID_ID"], "meta": {"background": "BACKGROUND_TRANSPARENT"},
        }  # fmt: skip
        for number in numbers:
            chart, name = CHARTS[number], f"CHART-{number}"
            position[name] = {
                "type": "CHART", "id": name, "children": [], "parents": ["ROOT_ID", "GRID_ID", row],
                "meta": {
                    "chartId": number + 1, "uuid": _chart_uuid(chart), "sliceName": chart.title,
                    "height": 50, "width": 12 // len(numbers),
                },
            }  # fmt: skip
    return {
        "dashboard_title": DASHBOARD,
        "description": "Positions that would be forced, what was, and how far to trust each map.",
        "slug": "liqheat",
        "published": True,
        "uuid": _uuid("dashboard"),
        "position": position,
        "metadata": {
            "color_scheme": "",
            "refresh_frequency": 0,
            # A click on an asset would filter charts that have another one chosen: nothing is left.
            "cross_filters_enabled": False,
            "filter_bar_orientation": "HORIZONTAL",
            "native_filter_configuration": [filter_of(each) for each in FILTERS],
            "label_colors": _label_colors(),
        },
        "version": "1.0.0",
    }


def _label_colors() -> dict[str, str]:
    """Return the colours of sides, wherever a series is one."""
    series = {
        label: _LONG if "long" in column.name else _SHORT
        for name in DATASETS
        for column in relation_of(name).columns
        if {"long", "short"} & set(column.name.split("_"))
        for metric in metrics_of(relation_of(name), column)
        for label in (metric["metric_name"], metric["verbose_name"])
        if metric["metric_type"] == "sum"
    }
    return {"long": _LONG, "short": _SHORT, **series}


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
    """Write the export anew."""
    for left in FOLDER.rglob("*.yaml"):
        left.unlink()
    for path, content in files().items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_text(text_of(content))


if __name__ == "__main__":
    main()
