"""What all pictures share: colours, round prices on an axis, and the page they are written to."""

import html
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

BACKGROUND = "#11131a"
INK = "#c9ced9"
MUTED = "#8d94a6"

# Longs are cold and shorts warm, both from the page's own dark to bright, told apart also by
# people who see no red or green (checked with a deuteranopia simulation of these two ramps).
RAMPS = {
    "long": ["#11131a", "#12304a", "#17608a", "#2a9bc4", "#7fd3ea", "#e4fbff"],
    "short": ["#11131a", "#45230f", "#8a4410", "#cf7a12", "#f5bb4b", "#fff3cf"],
}


def price_ticks(low: float, high: float) -> list[float]:
    """Return round prices, about ten of them, between two prices."""
    step = (high - low) / 10
    size = 10.0 ** np.floor(np.log10(step))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= step)
    return [float(tick) for tick in np.arange(np.ceil(low / step) * step, high, step)]


def length_ticks(longest: float) -> list[float]:
    """Return 0 and two or three round lengths, none so near the end that its label sticks out."""
    if not longest > 0:
        return [0.0]
    step = price_ticks(0.0, 3.0 * longest)[1]
    return [float(tick) for tick in np.arange(0.0, 0.85 * longest, step)]


def page_name(title: str) -> str:
    """Return the file name of a page; whatever stands in a name, it is one file of its folder.

    Examples
    --------
    >>> page_name("../../x")
    '.._.._x.html'
    """
    return "".join(one if one.isalnum() or one in "._-+$" else "_" for one in title) + ".html"


def write_page(figure: go.Figure, path: Path, *, script: str | None = None) -> None:
    """Write the figure as one HTML file that needs nothing else, not even a network.

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
