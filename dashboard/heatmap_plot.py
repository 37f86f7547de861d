"""The heatmap of one asset as a self-contained HTML page, drawn from the published file.

Belongs here: what the picture shows and how. Figures are the tables' own; nothing is modelled.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import pyarrow as pa
from plotly.subplots import make_subplots

from dashboard.style import BACKGROUND, INK, MUTED, RAMPS, length_ticks, price_ticks
from warehouse.errors import NotPublished
from warehouse.read import ReadLimits, open_published

FloatArray = npt.NDArray[np.float64]

_UP, _DOWN = "#f4f6fb", MUTED

# Half of the colour scale is spent on bins below this quantile of the non-empty ones, so that
# weak bands are seen beside strong ones.
_KNEE_QUANTILE = 0.80


@dataclass(frozen=True, slots=True)
class PlotData:
    """What one picture is drawn from.

    Parameters
    ----------
    hours : list of datetime
        Instants of the maps.
    candles : dict of str to ndarray of float64, shape (n_hours,)
        open, high, low, close of the hour before each [USD per unit of the asset].
    bin_edges : ndarray of float64, shape (n_bins + 1,)
        Prices between which bins lie [USD per unit of the asset].
    liquidation_usd : dict of str to ndarray of float64, shape (n_bins, n_hours)
        Map by side [USD]; NaN where nothing stands.
    unit : str
        usd, or relative.
    """

    hours: list[datetime]
    candles: dict[str, FloatArray]
    bin_edges: FloatArray
    liquidation_usd: dict[str, FloatArray]
    unit: str


def read_plot_data(
    published: Path,
    asset: str,
    *,
    provider: str,
    venue: str,
    days: float,
    reach_ratio: float,
    until: datetime | None = None,
    limits: ReadLimits | None = None,
) -> PlotData:
    """Return the hours and bins to draw.

    Parameters
    ----------
    published : Path
        The published file.
    asset, provider, venue : str
        Which map.
    days : float
        Hours drawn, counted back from the newest [days].
    reach_ratio : float
        Prices drawn, either way from those traded [ratio]; 0.15 is 15 %.
    until : datetime, optional
        Newest hour drawn; by default the newest there is.
    limits : ReadLimits, optional
        Memory and time of the reading.

    Raises
    ------
    NotPublished
        There is no such map; the message names those there are.
    """
    which = [asset, provider, venue]
    with open_published(published, limits=limits) as connection:
        newest = connection.execute(
            "select max(as_of) from derived.heatmap "
            "where asset = ? and provider = ? and venue = ? "
            "and as_of <= coalesce(?, 'infinity'::timestamptz)",
            [*which, until],
        ).fetchone()
        if newest is None or newest[0] is None:
            known = connection.execute(
                "select distinct asset || ' ' || provider || ' ' || venue from derived.heatmap "
                "where asset = ? or (select count(*) from derived.heatmap where asset = ?) = 0 "
                "order by 1 limit 40",
                [asset, asset],
            ).fetchall()
            raise NotPublished(
                f"no map of {asset} by {provider} on {venue} is published; there are: "
                + ("; ".join(row[0] for row in known) or "none, run `liqheat run` first")
            )
        window = [*which, newest[0] - timedelta(days=days), newest[0]]
        candle_table = connection.execute(
            "select as_of, open, high, low, price from marts.market_context_hourly "
            "where asset = ? and as_of > ? and as_of <= ? order by as_of",
            [asset, *window[3:]],
        ).to_arrow_table()
        if candle_table.num_rows == 0:
            # Without bars there is the price around which each map was drawn.
            candle_table = connection.execute(
                "select as_of, any_value(price) as open, open as high, open as low, open as price "
                "from derived.heatmap where asset = ? and provider = ? and venue = ? "
                "and as_of > ? and as_of <= ? group by as_of order by as_of",
                window,
            ).to_arrow_table()
        row_table = connection.execute(
            "select as_of, side, bin_index, liquidation_usd, unit "
            "from marts.liquidation_heatmap_hourly "
            "where asset = ? and provider = ? and venue = ? and as_of > ? and as_of <= ? "
            "and price_high > ? and price_low < ?",
            [
                *window,
                float(_arrays(candle_table)["low"].min()) * (1 - reach_ratio),
                float(_arrays(candle_table)["high"].max()) * (1 + reach_ratio),
            ],
        ).to_arrow_table()
    candles, rows = _arrays(candle_table), _arrays(row_table)
    instants = np.unique(np.concatenate((rows["as_of"], candles["as_of"])))
    first, last = int(rows["bin_index"].min()), int(rows["bin_index"].max())
    maps = {}
    for side in ("long", "short"):
        held = rows["side"] == side
        grid = np.full((last - first + 1, len(instants)), np.nan)
        column = np.searchsorted(instants, rows["as_of"][held])
        grid[rows["bin_index"][held] - first, column] = rows["liquidation_usd"][held]
        maps[side] = grid
    at = np.searchsorted(instants, candles["as_of"])
    drawn = {}
    for name, source in (("open", "open"), ("high", "high"), ("low", "low"), ("close", "price")):
        drawn[name] = np.full(len(instants), np.nan)
        drawn[name][at] = candles[source]
    return PlotData(
        hours=[instant.astype("datetime64[us]").item() for instant in instants],
        candles=drawn,
        bin_edges=np.exp((2 * np.arange(first, last + 2) - 0.5) * 0.001),
        liquidation_usd=maps,
        unit=str(rows["unit"][0]),
    )


def _arrays(table: pa.Table) -> dict[str, npt.NDArray[Any]]:
    return {name: table.column(name).to_numpy() for name in table.column_names}


def _usd(value: float) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _intensity(usd: FloatArray, knee: float) -> FloatArray:
    """Return colour positions: linear below the knee, logarithmic above, 0 where empty."""
    return np.asarray(np.arcsinh(usd / knee))


def draw_heatmap(data: PlotData, *, title: str, subtitle: str) -> go.Figure:
    """Return the figure: the map under candles, and its newest hour as a profile at the right."""
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, column_widths=[0.84, 0.16], horizontal_spacing=0.012
    )
    held = np.concatenate([grid[grid > 0] for grid in data.liquidation_usd.values()])
    knee = float(np.quantile(held, _KNEE_QUANTILE)) if len(held) else 1.0
    # The few brightest bins share one colour, so that a first hour that places all open interest
    # at one price does not dim every other.
    top = float(_intensity(np.quantile(held, [0.999]), knee)[0]) if len(held) else 1.0
    centers = np.sqrt(data.bin_edges[1:] * data.bin_edges[:-1])
    for position, (side, grid) in enumerate(data.liquidation_usd.items()):
        ramp = RAMPS[side]
        ticks = np.linspace(0.15, 1.0, 4) * top
        figure.add_trace(
            go.Heatmap(
                x=data.hours,
                y=centers,
                z=_intensity(grid, knee).astype(np.float32),
                customdata=np.round(grid / 1e6, 3).astype(np.float32),
                zmin=0.0,
                zmax=top,
                colorscale=[[i / (len(ramp) - 1), color] for i, color in enumerate(ramp)],
                hovertemplate=f"{side} %{{y:,.6~g}}<br>%{{x|%d %b %H:%M}}<br>"
                f"%{{customdata:,.3f}} M {data.unit.upper()}<extra></extra>",
                colorbar={
                    "title": {"text": f"{side}s", "font": {"size": 12}},
                    "tickvals": ticks,
                    "ticktext": [_usd(float(np.sinh(tick) * knee)) for tick in ticks],
                    "len": 0.42,
                    "y": 0.23 if side == "long" else 0.77,
                    "x": 1.01,
                    "thickness": 10,
                    "outlinewidth": 0,
                },
                name=f"{side}s",
                showlegend=False,
                legendrank=position,
            ),
            row=1,
            col=1,
        )
        newest = np.nan_to_num(grid[:, -1])
        figure.add_trace(
            go.Bar(
                x=newest / 1e6,
                y=centers,
                orientation="h",
                width=np.diff(data.bin_edges),
                marker={"color": ramp[3], "line": {"width": 0}},
                hovertemplate=f"{side} %{{y:,.6~g}}<br>"
                f"%{{x:,.3f}} M {data.unit.upper()}<extra></extra>",
                name=f"{side}s",
                showlegend=False,
            ),
            row=1,
            col=2,
        )
    figure.add_trace(
        go.Candlestick(
            x=data.hours,
            open=data.candles["open"],
            high=data.candles["high"],
            low=data.candles["low"],
            close=data.candles["close"],
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
        figure.add_hline(y=float(closes[-1]), line={"color": INK, "width": 1, "dash": "dot"})
    figure.update_layout(
        title={
            "text": f"{title}<br><span style='font-size:13px;color:{MUTED}'>{subtitle}</span>",
            "x": 0.01,
            "xanchor": "left",
        },
        template="plotly_dark",
        paper_bgcolor=BACKGROUND,
        plot_bgcolor=BACKGROUND,
        font={"family": "system-ui, sans-serif", "color": INK, "size": 12},
        margin={"l": 70, "r": 30, "t": 80, "b": 50},
        bargap=0,
        barmode="overlay",
        xaxis_rangeslider_visible=False,
        hovermode="closest",
    )
    figure.update_xaxes(showgrid=False, zeroline=False)
    figure.update_yaxes(
        showgrid=False, zeroline=False, type="log", range=list(np.log10(data.bin_edges[[0, -1]]))
    )
    prices = price_ticks(float(data.bin_edges[0]), float(data.bin_edges[-1]))
    figure.update_yaxes(tickvals=prices, ticktext=[f"{tick:,.6g}" for tick in prices])
    figure.update_xaxes(title_text="UTC", row=1, col=1)
    unit = "M USD" if data.unit == "usd" else data.unit
    longest = max(
        float(np.nan_to_num(grid[:, -1]).max(initial=0.0)) / 1e6
        for grid in data.liquidation_usd.values()
    )
    # The 0 would stand in the last label of the hours.
    lengths = length_ticks(longest)[1:]
    figure.update_xaxes(
        title_text=f"{unit} a bin,<br>newest hour",
        tickvals=lengths,
        ticktext=[f"{tick:,.6g}" for tick in lengths],
        row=1,
        col=2,
    )
    return figure
