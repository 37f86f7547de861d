"""The charts, datasets and filters of the Superset dashboard, as they read.

Belongs here: what is shown. Does not belong here: how Superset spells it
(``bench.superset_export``).
"""

from dataclasses import dataclass, field
from typing import Any

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

# Columns that charts group by, with as few digits as keep bins apart. The file and PostgreSQL
# both take this SQL as Superset passes it on, which spells LOG10 as PostgreSQL does not.
_DIGITS = "POWER(10, 4 - FLOOR(LN(price_low) / LN(10)))"
_FIVE_DIGITS = f"FLOOR(price_low * {_DIGITS} + 0.5) / {_DIGITS}"
CALCULATED = {
    "liquidation_heatmap_newest": {"price_from": _FIVE_DIGITS},
    "liquidation_heatmap_newest_day": {"price_from": _FIVE_DIGITS},
    "cascade_scenarios_newest": {"move_percent": "ROUND(shock_ratio * 100)"},
}


@dataclass(frozen=True, slots=True)
class SupersetFilter:
    """A filter above the dashboard.

    Parameters
    ----------
    name : str
        The column that it filters; ``time`` for the instants of charts over hours.
    title : str
        Before it.
    dataset : str, optional
        Where its values come from, one row or few each; None for a span of time.
    value : str, optional
        Chosen at first.
    """

    name: str
    title: str
    dataset: str | None = None
    value: str | None = None


FILTERS = (
    SupersetFilter("asset", "Asset", "assets", "BTC"),
    SupersetFilter("provider", "Provider", "cascade_scenarios_newest", "turnover"),
    SupersetFilter("time", "Time of charts by hour and by day"),
)


@dataclass(frozen=True, slots=True)
class SupersetChart:
    """One chart.

    Parameters
    ----------
    title : str
        Above it, with the unit.
    dataset : str
        Relation in ``marts``.
    viz_type : str
        Superset's name of the kind.
    metrics : tuple of str
        Names of the dataset's metrics.
    columns : tuple of str
        Columns grouped by, the axis first; of a raw table those shown.
    filters : tuple of str
        Filters of the dashboard that it follows.
    where : dict of str to str
        Values of columns, whatever the filters.
    grain : str, optional
        ISO 8601 length by which instants of the axis are grouped.
    note : str
        Explanation in the corner of the chart.
    more : dict
        Other controls.
    """

    title: str
    dataset: str
    viz_type: str
    metrics: tuple[str, ...]
    columns: tuple[str, ...]
    filters: tuple[str, ...] = ()
    where: dict[str, str] = field(default_factory=dict)
    grain: str | None = None
    note: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def is_raw(self) -> bool:
        """Whether rows are shown as they are."""
        return not self.metrics


_ALL = {"venue": "all"}
_STACKED = {"stack": "Stack"}
_MAP = ("asset", "provider")

CHARTS = (
    SupersetChart(
        "Assets, the largest first",
        "assets",
        "table",
        (),
        (
            "asset", "grade", "price", "open_interest_usd", "funding_rate_8h_ratio",
            "forced_long_within_5_percent_usd", "forced_short_within_5_percent_usd",
            "expected_forced_long_usd_24h", "expected_forced_short_usd_24h", "as_of",
        ),
        note="Grade C is noise: see the reasons at the end.",
        more={"order_by_cols": ['["open_interest_usd", false]']},
    ),
    SupersetChart(
        "Liquidation map of the newest hour, by price, USD",
        "liquidation_heatmap_newest",
        "echarts_timeseries_bar",
        ("sum_liquidation_usd",),
        ("price_from", "side"),
        _MAP,
        _ALL,
        note="A stock: what is open at the newest hour, by bin of price. Longs lie below price.",
        more={"xAxisForceCategorical": True, **_STACKED},
    ),
    SupersetChart(
        "Liquidation map of the last day, within 10 % of price, USD",
        "liquidation_heatmap_newest_day",
        "heatmap_v2",
        ("max_liquidation_usd",),
        ("as_of", "price_from"),
        _MAP,
        _ALL,
        grain="PT1H",
        note="A stock: each column is what was open at that hour. Hours are never added up.",
    ),
    SupersetChart(
        "Bands by what is expected to be forced in 24 hours",
        "liquidation_bands_newest",
        "table",
        (),
        (
            "side", "price_low", "price_high", "distance_bps", "liquidation_usd",
            "touch_probability_24h_ratio", "expected_forced_usd_24h",
        ),
        _MAP,
        _ALL,
        note="Odds follow from volatility alone: they do not know that a band is there.",
        more={"order_by_cols": ['["expected_forced_usd_24h", false]']},
    ),
    SupersetChart(
        "Forced by a move of price in %, cascade included, USD",
        "cascade_scenarios_newest",
        "echarts_timeseries_bar",
        ("max_forced_usd",),
        ("move_percent", "side"),
        _MAP,
        _ALL,
        note="Moves of 1, 2, 3, 5 and 10 %: one scenario each, not to be added up.",
        more={"xAxisForceCategorical": True, **_STACKED},
    ),
    SupersetChart(
        "Forced within 5 % of price, by asset, USD",
        "assets",
        "echarts_timeseries_bar",
        ("sum_forced_long_within_5_percent_usd", "sum_forced_short_within_5_percent_usd"),
        ("asset",),
        note="On each asset's default map, newest hour; longs by a fall, shorts by a rise.",
        more={"x_axis_sort": "sum_forced_long_within_5_percent_usd", "x_axis_sort_asc": False},
    ),
    SupersetChart(
        "Open interest by venue, each contract counted once, USD",
        "venue_open_interest_hourly",
        "echarts_area",
        ("avg_open_interest_usd",),
        ("as_of", "venue"),
        ("asset", "time"),
        grain="PT1H",
        note="A stock by hour. With a longer grain it is the mean of hours.",
        more=_STACKED,
    ),
    SupersetChart(
        "Funding scaled to 8 hours, mean of the day",
        "market_context_hourly",
        "echarts_timeseries_line",
        ("avg_funding_rate_8h_ratio",),
        ("as_of",),
        ("asset", "time"),
        grain="P1D",
        more={"y_axis_format": ".3%"},
    ),
    SupersetChart(
        "Liquidations that venues published, by day, USD",
        "market_context_hourly",
        "echarts_timeseries_bar",
        ("sum_realised_long_liquidation_usd", "sum_realised_short_liquidation_usd"),
        ("as_of",),
        ("asset", "time"),
        grain="P1D",
        note="A flow: hours add up to days.",
        more=_STACKED,
    ),
    SupersetChart(
        "Liquidations expected and published, by day, USD",
        "liquidation_forecast_hourly",
        "echarts_timeseries_bar",
        ("sum_expected_usd", "sum_realised_usd"),
        ("as_of",),
        ("asset", "provider", "time"),
        {"tier": "all"},
        grain="P1D",
        note="A flow: hours add up to days. Expected by the model for the path that price took.",
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

WIDE = ("Assets, the largest first", "Grades by venue, with reasons")
"""Charts that have a row of the dashboard to themselves."""
