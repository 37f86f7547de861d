"""What all pictures share: colours, layout, round ticks, and the page they are written to."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from plots.ticks import price_ticks

BACKGROUND = "#11131a"
INK = "#c9ced9"
MUTED = "#8d94a6"

# Height of the labels under an axis, and of a line of a footnote [pixels].
_LABELS_PX, _LINE_PX = 24, 17

# Longs are cold and shorts warm, both from the page's own dark to bright, distinct also without
# red or green (checked with a deuteranopia simulation of these two ramps).
RAMPS = {
    "long": ["#11131a", "#12304a", "#17608a", "#2a9bc4", "#7fd3ea", "#e4fbff"],
    "short": ["#11131a", "#45230f", "#8a4410", "#cf7a12", "#f5bb4b", "#fff3cf"],
}


def set_layout(figure: go.Figure, title: str, subtitle: str, **layout: Any) -> None:  # noqa: ANN401
    """Set the title and the looks of a figure.

    Parameters
    ----------
    figure : Figure
        The picture; changed.
    title, subtitle : str
        Lines above it, as HTML.
    **layout
        More of plotly's layout.
    """
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
        bargap=0,
        barmode="overlay",
        hovermode="closest",
        **layout,
    )


def set_price_axis(figure: go.Figure, low: float, high: float, **axis: Any) -> None:  # noqa: ANN401
    """Show prices from low to high on the logarithmic axis of all panels."""
    ticks = price_ticks(low, high)
    figure.update_yaxes(
        type="log",
        range=[np.log10(low), np.log10(high)],
        tickvals=ticks,
        ticktext=[f"{tick:,.6g}" for tick in ticks],
        zeroline=False,
        **axis,
    )


def mark_price(figure: go.Figure, price: float) -> None:
    """Draw a dotted line at a price."""
    figure.add_hline(y=price, line={"color": INK, "width": 1, "dash": "dot"})


def add_note(figure: go.Figure, text: str, **look: Any) -> None:  # noqa: ANN401
    """Write text over the figure, its lower left corner at x and y [share of the figure]."""
    corner = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    figure.add_annotation(text=text, showarrow=False, **{**corner, **look})


def add_footnote(figure: go.Figure, lines: Sequence[str]) -> None:
    """Write lines under the figure, below the labels of its axes, and make room for them."""
    bottom = figure.layout.margin.b
    figure.update_layout(margin={"b": bottom + _LABELS_PX + _LINE_PX * len(lines)})
    add_note(
        figure,
        "<br>".join(lines),
        x=0,
        y=0,
        yanchor="top",
        yshift=-bottom - _LABELS_PX // 2,
        align="left",
        font={"size": 12, "color": MUTED},
    )


def write_figure(figure: go.Figure, path: Path, *, script: str | None = None) -> None:
    """Write the figure as one HTML file that needs no other file and no network.

    Parameters
    ----------
    figure : Figure
        The picture.
    path : Path
        The HTML file.
    script : str, optional
        JavaScript run once the figure is drawn; ``{plot_id}`` is the id of its element.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    body = figure.to_html(
        include_plotlyjs=True,
        full_html=False,
        post_script=script,
        config={"displaylogo": False, "scrollZoom": True, "responsive": True},
    )
    title = str(figure.layout.title.text).split("<br>")[0]
    path.write_text(
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title>"
        f"<style>html, body {{ margin: 0; background: {BACKGROUND} }} "
        ".plotly-graph-div { height: 100vh !important }</style></head>"
        f"<body>{body}</body></html>",
        encoding="utf-8",
    )
