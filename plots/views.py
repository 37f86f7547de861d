"""The pages that commands write: which map, the words around it, the warning over it."""

import html
from datetime import UTC, datetime
from pathlib import Path

import plotly.graph_objects as go

from plots.comparison_svg import draw_comparison
from plots.evidence import evidence_sentences, map_in_words, read_evidence
from plots.heatmap import FOLLOW_VIEW, draw_heatmap
from plots.heatmap_data import read_plot_data
from plots.provider_panels import read_comparison
from plots.source import PublishedMaps
from plots.static_page import PageWords, write_page
from plots.style import BACKGROUND, add_footnote, add_note, write_figure
from plots.warning import read_warning

_SIGNAL = "#f0c419"
_WARNING_PX = 48


def plot_asset(
    maps: PublishedMaps,
    target: Path,
    *,
    provider: str,
    days: float,
    reach_ratio: float | None = None,
) -> Path:
    """Write the heatmap page of an asset, under a warning where it is graded C; return its path.

    Parameters
    ----------
    maps : PublishedMaps
        Asset, venue and newest hour.
    target : Path
        The HTML file.
    provider, days, reach_ratio
        As in ``read_plot_data``.
    """
    data = read_plot_data(maps, provider=provider, days=days, reach_ratio=reach_ratio)
    newest = data.hours[-1].replace(tzinfo=UTC)
    with maps.open() as reader:
        evidence = read_evidence(reader, asset=maps.asset, provider=provider, as_of=newest)
    figure = draw_heatmap(
        data,
        title=f"{maps.asset}: where positions would be force-closed",
        subtitle=f"{map_in_words(data.semantics, evidence)} by {provider}, {maps.venue_label}, "
        f"up to {newest:%Y-%m-%d %H:%M UTC}; one input among many",
    )
    if evidence is not None:
        add_footnote(figure, evidence_sentences(evidence))
    _add_warning(figure, maps, newest, above_px=8)
    write_figure(figure, target, script=FOLLOW_VIEW.read_text(encoding="utf-8"))
    return target


def plot_comparison(maps: PublishedMaps, target: Path) -> Path:
    """Write the page with the maps of all providers side by side; return its path.

    Parameters
    ----------
    maps : PublishedMaps
        Asset, venue and hour.
    target : Path
        The HTML file.
    """
    data = read_comparison(maps)
    with maps.open() as reader:
        warning = read_warning(reader, asset=maps.asset, venue=maps.venue, as_of=data.as_of)
    words = PageWords(
        f"{maps.asset}, {maps.venue_label}, {data.as_of:%Y-%m-%d %H:%M} UTC: map by map",
        "share of each side within 20 % of price. Dim: up to the mean of all maps; "
        "bright: above it; outline: below it; hatched: prices that the provider does not cover",
        warning,
    )
    write_page(target, words, f'<div class="wide" tabindex="0">{draw_comparison(data)}</div>')
    return target


def _add_warning(figure: go.Figure, maps: PublishedMaps, as_of: datetime, *, above_px: int) -> None:
    """Put the warning of an asset, if it has one, between the title and the plot.

    Parameters
    ----------
    figure : Figure
        The picture; changed.
    maps : PublishedMaps
        Asset and venue.
    as_of : datetime
        The newest hour drawn.
    above_px : int
        Distance from the plot to the warning [pixels].
    """
    with maps.open() as reader:
        warning = read_warning(reader, asset=maps.asset, venue=maps.venue, as_of=as_of)
    if warning is None:
        return
    figure.update_layout(
        title={"y": 0.975, "yref": "container", "yanchor": "top"},
        margin={"t": figure.layout.margin.t + _WARNING_PX + 10},
    )
    text = f"<b>{html.escape(warning.title)}</b><br>{html.escape(warning.reason)}"
    font = {"size": 13, "color": BACKGROUND}
    box = {"bgcolor": _SIGNAL, "borderpad": 6, "align": "left"}
    add_note(figure, text, x=0, y=1, yshift=above_px, font=font, **box)
