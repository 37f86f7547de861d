"""The heatmap of one asset as a self-contained HTML page, drawn from the published file.

Belongs here: how it is drawn. Does not belong here: reading what it shows (``heatmap_data``).

The page opens on the prices within reach in a day or so, and holds the whole map to zoom out to.
Colours, ticks and the profile follow what is in view (``heatmap.js``), so that little mass near
price is not dark because much lies far away.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from plots.heatmap_data import PlotData
from plots.style import (
    BACKGROUND,
    MUTED,
    RAMPS,
    add_note,
    mark_price,
    set_layout,
    set_price_axis,
)
from plots.ticks import length_ticks

FOLLOW_VIEW = Path(__file__).with_name("heatmap.js")
"""Script of the page that fits colours, ticks and the profile to what is in view."""

# Places of labels on a colour bar, as shares of its length.
_COLOR_TICKS = [0.15, 0.433, 0.717, 1.0]

_WARM_UP = "#b9a36a"
_VEIL = "rgba(84, 88, 99, {})"
_PALE = "rgba(244, 246, 251, 0.28)"
_UP, _DOWN = "#f4f6fb", MUTED

# Half of the colour scale is for bins below this quantile of the non-empty ones in view, so that
# weak bands show beside strong ones; the few brightest share one colour.
_KNEE_QUANTILE = 0.80
_TOP_QUANTILE = 0.999

# Least start-up mass of a side that is mentioned and veiled in grey [ratio].
_LEAST_START_UP = 0.01


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
    if any(np.isfinite(own).any() for own in data.interval_usd.values()):
        for side in RAMPS:
            figure.add_trace(_draw_interval(data, side), row=1, col=2)
        subtitle += "<br>pale bars at the right: 80 % interval of each bin, from the fit alone"
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


def _draw_interval(data: PlotData, side: str) -> go.Bar:
    """Return the 80 % interval of a side of the newest hour as pale bars over the profile."""
    low, high = np.nan_to_num(data.interval_usd[side]) / 1e6
    profile = _draw_profile(data, side)
    return profile.update(
        x=high - low,
        base=low,
        marker={"color": _PALE},
        customdata=np.stack((low, high), axis=1),
        hovertemplate=f"{side} %{{y:,.6~g}}<br>80 % interval %{{customdata[0]:,.3f}} to "
        f"%{{customdata[1]:,.3f}} M {data.unit.upper()}<extra></extra>",
        name="80 % interval",
        meta="interval",
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
    newest = [
        values
        for side in RAMPS
        for values in (
            data.settled_usd(side)[data.in_view, -1],
            data.interval_usd[side][1, data.in_view],
        )
    ]
    longest = max(float(np.nan_to_num(values).max(initial=0.0)) / 1e6 for values in newest)
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
