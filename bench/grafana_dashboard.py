"""The Grafana dashboard in `docs/bi/grafana`, over PostgreSQL, made of the panels below.

    .venv/bin/python -m bench.grafana_dashboard

Its import prompts for the data source; asset and provider are chosen above its panels.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "docs/bi/grafana/liquidations.json"

SOURCE = {"type": "grafana-postgresql-datasource", "uid": "${DS_LIQHEAT}"}

VARIABLES = {
    "asset": "select asset from marts.assets order by open_interest_usd desc nulls last",
    "provider": (
        "select distinct provider from marts.cascade_scenarios_newest where asset = '$asset' "
        "order by provider"
    ),
}

_HEIGHT = 9


@dataclass(frozen=True, slots=True)
class GrafanaPanel:
    """One panel.

    Parameters
    ----------
    title : str
        Above it.
    kind : str
        Grafana's name of its kind.
    sql : str
        Its query; ``$__timeFilter`` is the span chosen, ``$asset`` and ``$provider`` are names.
    unit : str
        Grafana's name of the unit of its numbers.
    width : int
        Of 24 columns.
    """

    title: str
    kind: str
    sql: str
    unit: str = "currencyUSD"
    width: int = 12

    @property
    def form(self) -> str:
        """How Grafana reads the rows."""
        return "time_series" if self.kind == "timeseries" else "table"


PANELS = (
    GrafanaPanel(
        "Assets, the largest first",
        "table",
        "select asset, grade, price, open_interest_usd, forced_long_within_5_percent_usd,\n"
        "    forced_short_within_5_percent_usd, as_of\n"
        "from marts.assets\n"
        "order by open_interest_usd desc nulls last",
        width=24,
    ),
    GrafanaPanel(
        "$asset: price",
        "timeseries",
        'select as_of as "time", price\n'
        "from marts.market_context_hourly\n"
        "where asset = '$asset' and $__timeFilter(as_of)\n"
        "order by as_of",
    ),
    GrafanaPanel(
        "$asset: open interest by venue, each contract counted once",
        "timeseries",
        'select as_of as "time", venue as metric, open_interest_usd as value\n'
        "from marts.venue_open_interest_hourly\n"
        "where asset = '$asset' and $__timeFilter(as_of)\n"
        "order by as_of, venue",
    ),
    GrafanaPanel(
        "$asset: where positions would be forced now, by $provider",
        "barchart",
        "select to_char(price_low, 'FM999999990.00####') as price,\n"
        "    sum(liquidation_usd) filter (where side = 'long') as longs,\n"
        "    sum(liquidation_usd) filter (where side = 'short') as shorts\n"
        "from marts.liquidation_heatmap_newest\n"
        "where asset = '$asset' and provider = '$provider' and venue = 'all'\n"
        "group by price_low\n"
        "order by price_low",
    ),
    GrafanaPanel(
        "$asset: bands by what is expected to be forced in 24 hours, by $provider",
        "table",
        "select side, price_low, price_high, distance_bps, liquidation_usd,\n"
        "    touch_probability_24h_ratio, expected_forced_usd_24h\n"
        "from marts.liquidation_bands_newest\n"
        "where asset = '$asset' and provider = '$provider' and venue = 'all'\n"
        "order by expected_forced_usd_24h desc nulls last",
        unit="short",
    ),
    GrafanaPanel(
        "$asset: liquidations that venues published",
        "timeseries",
        'select as_of as "time", realised_long_liquidation_usd as longs,\n'
        "    realised_short_liquidation_usd as shorts\n"
        "from marts.market_context_hourly\n"
        "where asset = '$asset' and $__timeFilter(as_of)\n"
        "order by as_of",
    ),
    GrafanaPanel(
        "$asset: funding, scaled to 8 hours",
        "timeseries",
        'select as_of as "time", funding_rate_8h_ratio\n'
        "from marts.market_context_hourly\n"
        "where asset = '$asset' and $__timeFilter(as_of)\n"
        "order by as_of",
        unit="percentunit",
    ),
    GrafanaPanel(
        "$asset: forced by a move of price, with the cascade, by $provider",
        "barchart",
        "select round(100 * shock_ratio::numeric) || ' %' as shock, forced_usd\n"
        "from marts.cascade_scenarios_newest\n"
        "where asset = '$asset' and provider = '$provider' and venue = 'all'\n"
        "order by shock_ratio",
    ),
    GrafanaPanel(
        "Grades other than A, with reasons",
        "table",
        "select asset, venue, grade, reasons_text\n"
        "from marts.asset_quality_newest\n"
        "where grade <> 'A'\n"
        "order by grade desc, asset, venue",
        unit="short",
    ),
    GrafanaPanel(
        "Age of the newest hour",
        "stat",
        "select extract(epoch from now() - max(as_of)) as age from marts.assets",
        unit="s",
    ),
    GrafanaPanel(
        "What is missing",
        "table",
        "select venue, instrument, kind, gap_from, gap_to, missing_count, is_lost\n"
        "from marts.data_gaps\n"
        "order by gap_from desc\n"
        "limit 100",
        unit="short",
    ),
)


def _panel(number: int, panel: GrafanaPanel, x: int, y: int) -> dict[str, Any]:
    return {
        "id": number,
        "title": panel.title,
        "type": panel.kind,
        "datasource": SOURCE,
        "gridPos": {"h": _HEIGHT, "w": panel.width, "x": x, "y": y},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {},
        "targets": [
            {
                "refId": "A",
                "datasource": SOURCE,
                "rawQuery": True,
                "editorMode": "code",
                "format": panel.form,
                "rawSql": panel.sql,
            }
        ],
    }


def _variable(name: str, sql: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": sql,
        "definition": sql,
        "refresh": 1,
        "includeAll": False,
        "multi": False,
    }


def dashboard() -> dict[str, Any]:
    """Return the dashboard: panels from left to right, then down."""
    panels: list[dict[str, Any]] = []
    x = y = 0
    for number, panel in enumerate(PANELS, 1):
        if x + panel.width > 24:
            x, y = 0, y + _HEIGHT
        panels.append(_panel(number, panel, x, y))
        x += panel.width
    return {
        "__inputs": [
            {
                "name": "DS_LIQHEAT", "label": "liqheat", "type": "datasource",
                "pluginId": SOURCE["type"], "description": "The PostgreSQL outlet.",
            }
        ],
        "__requires": [{"type": "datasource", "id": SOURCE["type"], "name": "PostgreSQL"}],
        "title": "Liquidations",
        "uid": "liqheat",
        "tags": ["liqheat"],
        "timezone": "utc",
        "time": {"from": "now-7d", "to": "now"},
        "refresh": "5m",
        "schemaVersion": 39,
        "templating": {"list": [_variable(name, sql) for name, sql in VARIABLES.items()]},
        "panels": panels,
    }  # fmt: skip


def text() -> str:
    """Return the file's text."""
    return json.dumps(dashboard(), indent=1) + "\n"


def main() -> None:
    """Write the dashboard."""
    FILE.write_text(text())


if __name__ == "__main__":
    main()
