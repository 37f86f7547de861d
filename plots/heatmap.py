"""The heatmap of one asset as a self-contained HTML page, drawn from the published file.

Belongs here: what the picture shows and how. Figures are those of the tables; nothing is modelled.

The page opens on the prices within reach in a day or so, and holds the whole map to zoom out to.
Colours, ticks and the profile follow what is in view (``heatmap.js``), so that little mass near
price is not dark because much lies far away.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import pyarrow as pa
from plotly.subplots import make_subplots

from plots.source import PublishedMaps
from plots.style import (
    BACKGROUND,
    MUTED,
    RAMPS,
    add_note,
    length_ticks,
    mark_price,
    set_layout,
    set_price_axis,
)
from warehouse.errors import NotPublished
from warehouse.read import Reader

FOLLOW_VIEW = Path(__file__).with_name("heatmap.js")
"""Script of the page that fits colours, ticks and the profile to what is in view."""

FloatArray = npt.NDArray[np.float64]

# Places of labels on a colour bar, as shares of its length.
_COLOR_TICKS = [0.15, 0.433, 0.717, 1.0]

_WARM_UP = "#b9a36a"
_VEIL = "rgba(84, 88, 99, {})"
_UP, _DOWN = "#f4f6fb", MUTED

# Half of the colour scale is for bins below this quantile of the non-empty ones in view, so that
# weak bands show beside strong ones; the few brightest share one colour.
_KNEE_QUANTILE = 0.80
_TOP_QUANTILE = 0.999

# First shown on either side of price: three times the volatility of a day, within bounds [ratio].
_DAYS_OF_VOLATILITY = 3.0
_LEAST_REACH, _UNKNOWN_REACH, _MOST_REACH = 0.03, 0.15, 0.30

# Least start-up mass of a side that is mentioned and veiled in grey [ratio].
_LEAST_START_UP = 0.01


@dataclass(frozen=True, slots=True)
class PlotData:
    """The hours and bins of one picture.

    Parameters
    ----------
    hours : list of datetime
        Instants of the maps.
    candles : dict of str to ndarray of float64, shape (n_hours,)
        open, high, low, close of the hour before each [USD per unit of the asset].
    bin_edges : ndarray of float64, shape (n_bins + 1,)
        Prices between which bins lie [USD per unit of the asset].
    liquidation_usd, start_up_usd : dict of str to ndarray of float64, shape (n_bins, n_hours)
        Map by side, and its part placed when the series began [USD]; NaN where empty.
    is_warm_up : ndarray of bool, shape (n_hours,)
        Whether most of the open interest belongs to series in warm-up.
    unit : str
        usd, or relative.
    view : tuple of float
        Lowest and highest price shown first [USD per unit of the asset].
    """

    hours: list[datetime]
    candles: dict[str, FloatArray]
    bin_edges: FloatArray
    liquidation_usd: dict[str, FloatArray]
    start_up_usd: dict[str, FloatArray]
    is_warm_up: npt.NDArray[np.bool_]
    unit: str
    view: tuple[float, float]

    @property
    def bin_centers(self) -> FloatArray:
        """Prices in the middle of the bins, shape (n_bins,)."""
        return np.asarray(np.sqrt(self.bin_edges[1:] * self.bin_edges[:-1]))

    @property
    def in_view(self) -> slice:
        """Bins shown first."""
        low, high = np.searchsorted(self.bin_edges, self.view)
        return slice(max(int(low) - 1, 0), int(high))

    def settled_usd(self, side: str) -> FloatArray:
        """Return a side of the map without start-up mass, shape (n_bins, n_hours) [USD]."""
        return self.liquidation_usd[side] - np.nan_to_num(self.start_up_usd[side])

    def start_up_ratio(self, side: str) -> float:
        """Return the share of start-up mass in a side of the newest map, in view [0-1]."""
        held, started = (
            float(np.nansum(grids[side][self.in_view, -1]))
            for grids in (self.liquidation_usd, self.start_up_usd)
        )
        return started / held if held > 0.0 else 0.0


def read_plot_data(
    maps: PublishedMaps, *, provider: str, days: float, reach_ratio: float | None = None
) -> PlotData:
    """Return the hours and bins to draw.

    Parameters
    ----------
    maps : PublishedMaps
        Asset, venue and newest hour.
    provider : str
        Whose estimate.
    days : float
        Hours drawn, counted back from the newest [days].
    reach_ratio : float, optional
        Prices shown first beyond those traded, on either side of the newest [ratio]; 0.15 is 15 %.
        By default three times the volatility of a day.

    Raises
    ------
    NotPublished
        There is no such map; the message names those there are.
    """
    which = [maps.asset, provider, maps.venue]
    with maps.open() as reader:
        newest = _read_newest(reader, which, maps.until)
        window = [*which, newest - timedelta(days=days), newest]
        candles = _arrays(_read_candles(reader, window))
        rows = _arrays(
            reader.execute(
                """
                select
                    as_of, side, bin_index, price_low, price_high, liquidation_usd, start_up_usd,
                    unit,
                from marts.liquidation_heatmap_hourly
                where asset = ? and provider = ? and venue = ? and as_of > ? and as_of <= ?
                """,
                window,
            ).to_arrow_table()
        )
        warm_up = reader.execute(
            """
            select as_of
            from marts.series_books_hourly
            where
                asset = ? and provider = ? and ? in (venue, 'all') and as_of > ? and as_of <= ?
            group by as_of
            having
                coalesce(sum(open_interest_base) filter (where is_warm_up), 0)
                > 0.5 * sum(open_interest_base)
            """,
            window,
        ).fetchnumpy()["as_of"]
        if reach_ratio is None:
            reach_ratio = _read_reach(reader, [maps.asset, maps.venue, newest])
    instants = np.unique(np.concatenate((rows["as_of"], candles["as_of"])))
    at = np.searchsorted(instants, candles["as_of"])
    drawn = {name: np.full(len(instants), np.nan) for name in ("open", "high", "low", "close")}
    for name, values in drawn.items():
        values[at] = candles[name]
    first, last = int(rows["bin_index"].min()), int(rows["bin_index"].max())
    price = float(candles["close"][-1])
    return PlotData(
        hours=[instant.astype("datetime64[us]").item() for instant in instants],
        candles=drawn,
        # Bins are equally wide in log price, with or without a row.
        bin_edges=np.geomspace(rows["price_low"].min(), rows["price_high"].max(), last - first + 2),
        liquidation_usd=_grids(rows, "liquidation_usd", instants, first, last),
        start_up_usd=_grids(rows, "start_up_usd", instants, first, last),
        is_warm_up=np.isin(instants, warm_up.astype(instants.dtype)),
        unit=str(rows["unit"][0]),
        view=(
            min(price * (1.0 - reach_ratio), float(candles["low"].min())),
            max(price * (1.0 + reach_ratio), float(candles["high"].max())),
        ),
    )


def _read_newest(reader: Reader, which: list[str], until: datetime | None) -> datetime:
    """Return the newest hour of a map; the error names the maps there are."""
    newest = reader.execute(
        "select max(as_of) from derived.heatmap "
        "where asset = ? and provider = ? and venue = ? "
        "and as_of <= coalesce(?, 'infinity'::timestamptz)",
        [*which, until],
    ).fetchone()
    if newest is None or newest[0] is None:
        asset, provider, venue = which
        known = reader.execute(
            "select distinct asset || ' ' || provider || ' ' || venue from derived.heatmap "
            "where asset = ? or (select count(*) from derived.heatmap where asset = ?) = 0 "
            "order by 1 limit 40",
            [asset, asset],
        ).fetchall()
        raise NotPublished(
            f"no map of {asset} by {provider} on {venue} is published; there are: "
            + ("; ".join(row[0] for row in known) or "none, run `liqheat run` first")
        )
    hour: datetime = newest[0]
    return hour


def _read_candles(reader: Reader, window: list[Any]) -> pa.Table:
    """Return the bars of the hours; without bars, the price around which each map was drawn."""
    asset, _, _, start, end = window
    candles = reader.execute(
        "select as_of, open, high, low, price as close from marts.market_context_hourly "
        "where asset = ? and as_of > ? and as_of <= ? order by as_of",
        [asset, start, end],
    ).to_arrow_table()
    if candles.num_rows > 0:
        return candles
    return reader.execute(
        "select as_of, any_value(price) as open, open as high, open as low, open as close "
        "from derived.heatmap where asset = ? and provider = ? and venue = ? "
        "and as_of > ? and as_of <= ? group by as_of order by as_of",
        window,
    ).to_arrow_table()


def _read_reach(reader: Reader, which: list[Any]) -> float:
    """Return how far from price the page opens [ratio]."""
    row = reader.execute(
        "select any_value(volatility_day_ratio) from marts.liquidation_bands_hourly "
        "where asset = ? and venue in (?, 'all') and as_of = ?",
        which,
    ).fetchone()
    if row is None or row[0] is None:
        return _UNKNOWN_REACH
    return min(max(_DAYS_OF_VOLATILITY * float(row[0]), _LEAST_REACH), _MOST_REACH)


def _grids(
    rows: dict[str, npt.NDArray[Any]],
    column: str,
    instants: npt.NDArray[Any],
    first: int,
    last: int,
) -> dict[str, FloatArray]:
    """Return a column by side, shape (n_bins, n_hours); NaN where there is no row."""
    grids = {}
    for side in RAMPS:
        own = rows["side"] == side
        grid = np.full((last - first + 1, len(instants)), np.nan)
        hour = np.searchsorted(instants, rows["as_of"][own])
        grid[rows["bin_index"][own] - first, hour] = rows[column][own]
        grids[side] = grid
    return grids


def _arrays(table: pa.Table) -> dict[str, npt.NDArray[Any]]:
    return {name: table.column(name).to_numpy() for name in table.column_names}


def _usd(value: float) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Colours: linear below the knee [USD], logarithmic above, up to a top [asinh(USD / knee)]."""

    knee: float
    top: float

    @classmethod
    def of_view(cls, data: PlotData) -> Self:
        """Return the scale that fits what is shown first."""
        seen = np.concatenate([data.settled_usd(side)[data.in_view].ravel() for side in RAMPS])
        held = seen[seen > 0]
        quantiles = [_KNEE_QUANTILE, _TOP_QUANTILE]
        knee, top = (np.quantile(held, quantiles) if len(held) else np.ones(2)).tolist()
        return cls(knee, float(np.arcsinh(top / knee)))


def draw_heatmap(data: PlotData, *, title: str, subtitle: str) -> go.Figure:
    """Return the figure: the map under candles, and its newest hour as a profile at the right."""
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, column_widths=[0.84, 0.16], horizontal_spacing=0.012
    )
    scale = _Scale.of_view(data)
    for side in RAMPS:
        figure.add_trace(_draw_map(data, side, scale), row=1, col=1)
        figure.add_trace(_draw_profile(data, side), row=1, col=2)
    ratios = {side: data.start_up_ratio(side) for side in RAMPS}
    if max(ratios.values()) >= _LEAST_START_UP:
        figure.add_trace(_draw_start_up(data), row=1, col=1)
        for side in RAMPS:
            figure.add_trace(_draw_start_up_profile(data, side), row=1, col=2)
        parts = " and ".join(f"{100 * ratio:.0f} % of {side}s" for side, ratio in ratios.items())
        subtitle += f"<br>grey: start-up mass, placed when the series began; {parts} in view"
    figure.add_trace(
        go.Candlestick(
            x=data.hours,
            **data.candles,
            increasing={"line": {"color": _UP, "width": 1}, "fillcolor": _UP},
            decreasing={"line": {"color": _DOWN, "width": 1}, "fillcolor": _DOWN},
            name="price",
            showlegend=False,
        ),
        row=1,
        col=1,
    )
    closes = data.candles["close"][~np.isnan(data.candles["close"])]
    if len(closes):
        mark_price(figure, float(closes[-1]))
    _mark_warm_up(figure, data)
    _lay_out(figure, data, title, subtitle)
    figure.update_layout(
        meta={
            "knee": scale.knee,
            "quantiles": [_KNEE_QUANTILE, _TOP_QUANTILE],
            "ticks": _COLOR_TICKS,
        }
    )
    return figure


def _draw_map(data: PlotData, side: str, scale: _Scale) -> go.Heatmap:
    ramp, grid = RAMPS[side], data.liquidation_usd[side]
    ticks = np.array(_COLOR_TICKS) * scale.top
    return go.Heatmap(
        x=data.hours,
        y=data.bin_centers,
        z=np.arcsinh(grid / scale.knee).astype(np.float32),
        customdata=np.round(grid / 1e6, 3).astype(np.float32),
        zmin=0.0,
        zmax=scale.top,
        colorscale=[[i / (len(ramp) - 1), color] for i, color in enumerate(ramp)],
        hovertemplate=f"{side} %{{y:,.6~g}}<br>%{{x|%d %b %H:%M}}<br>"
        f"%{{customdata:,.3f}} M {data.unit.upper()}<extra></extra>",
        colorbar={
            "title": {"text": f"{side}s", "font": {"size": 12}},
            "tickvals": ticks,
            "ticktext": [_usd(float(np.sinh(tick) * scale.knee)) for tick in ticks],
            "len": 0.42,
            "y": 0.23 if side == "long" else 0.77,
            "x": 1.01,
            "thickness": 10,
            "outlinewidth": 0,
        },
        name=f"{side}s",
        meta="map",
        showlegend=False,
    )


def _draw_profile(data: PlotData, side: str) -> go.Bar:
    """Return a side of the newest hour without start-up mass as bars."""
    return go.Bar(
        x=np.nan_to_num(data.settled_usd(side)[:, -1]) / 1e6,
        y=data.bin_centers,
        orientation="h",
        width=np.diff(data.bin_edges),
        marker={"color": RAMPS[side][3], "line": {"width": 0}},
        hovertemplate=f"{side} %{{y:,.6~g}}<br>%{{x:,.3f}} M {data.unit.upper()}<extra></extra>",
        name=f"{side}s",
        meta="profile",
        showlegend=False,
    )


def _draw_start_up(data: PlotData) -> go.Heatmap:
    """Return a veil over bins, greyer where more of a bin is start-up mass."""
    held, started = (
        np.sum([np.nan_to_num(grid) for grid in grids.values()], axis=0)
        for grids in (data.liquidation_usd, data.start_up_usd)
    )
    ratio = np.where(started > 0.0, started / np.where(held > 0.0, held, 1.0), np.nan)
    return go.Heatmap(
        x=data.hours,
        y=data.bin_centers,
        z=ratio.astype(np.float32),
        zmin=0.0,
        zmax=1.0,
        colorscale=[[0.0, _VEIL.format(0)], [1.0, _VEIL.format(0.95)]],
        showscale=False,
        hoverinfo="skip",
        name="start-up mass (click to hide)",
        meta="start-up",
        legendgroup="start-up",
        showlegend=True,
    )


def _draw_start_up_profile(data: PlotData, side: str) -> go.Bar:
    """Return the start-up mass of the newest hour as bars at the end of the profile's."""
    profile = _draw_profile(data, side)
    started = np.nan_to_num(data.start_up_usd[side][:, -1]) / 1e6
    return profile.update(
        x=started,
        base=profile.x,
        marker={"color": _VEIL.format(1)},
        customdata=started,
        hovertemplate=f"{side}, start-up mass %{{y:,.6~g}}<br>"
        f"%{{customdata:,.3f}} M {data.unit.upper()}<extra></extra>",
        name="start-up mass",
        meta=None,
        legendgroup="start-up",
    )


def _mark_warm_up(figure: go.Figure, data: PlotData) -> None:
    """Draw a strip under the hours in which most of the map is in warm-up."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], data.is_warm_up.astype(np.int8), [0]))))
    half = timedelta(minutes=30)
    for begin, end in edges.reshape(-1, 2):
        figure.add_shape(
            type="rect",
            xref="x",
            yref="paper",
            x0=data.hours[begin] - half,
            x1=data.hours[end - 1] + half,
            y0=0.0,
            y1=0.008,
            fillcolor=_WARM_UP,
            line_width=0,
        )
    if len(edges):
        text = "warm-up: over 5 % is still the starting open interest"
        font = {"size": 11, "color": _WARM_UP}
        add_note(figure, text, x=0.004, y=0.01, font=font, bgcolor=BACKGROUND)


def _lay_out(figure: go.Figure, data: PlotData, title: str, subtitle: str) -> None:
    set_layout(
        figure,
        title,
        subtitle,
        margin={"l": 70, "r": 30, "t": 80 + 17 * subtitle.count("<br>"), "b": 50},
        legend={"x": 0.84, "xanchor": "right", "y": 1.0, "yanchor": "bottom"},
        xaxis_rangeslider_visible=False,
    )
    figure.update_xaxes(showgrid=False, zeroline=False)
    set_price_axis(figure, *data.view, showgrid=False)
    figure.update_xaxes(title_text="UTC (double-click shows the whole map)", row=1, col=1)
    unit = "M USD" if data.unit == "usd" else data.unit
    longest = max(
        float(np.nan_to_num(data.settled_usd(side)[data.in_view, -1]).max(initial=0.0)) / 1e6
        for side in RAMPS
    )
    # The 0 would overlap the last label of the hours.
    lengths = length_ticks(longest)[1:]
    figure.update_xaxes(
        title_text=f"{unit} a bin,<br>newest hour",
        range=[0.0, 1.05 * longest or 1.0],
        tickvals=lengths,
        ticktext=[f"{tick:,.6g}" for tick in lengths],
        row=1,
        col=2,
    )
