"""The pages that commands write: which map, the words around it, the warning over it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from plots.comparison_svg import draw_comparison
from plots.evidence import evidence_sentences, map_in_words, read_evidence
from plots.heatmap_page import draw_heatmap
from plots.map_grid import read_grid
from plots.provider_panels import read_comparison
from plots.source import PublishedMaps, newest_hour
from plots.static_page import PageWords, write_page
from plots.warning import read_warning


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
    provider : str
        Whose estimate.
    days : float
        Hours drawn, counted back from the newest [days].
    reach_ratio : float, optional
        Prices shown first on either side of the newest [ratio]; 0.15 is 15 %. By default three
        times the volatility of a day.

    Raises
    ------
    NotPublished
        There is no such map; the message names those there are.
    """
    with maps.open() as reader:
        newest = newest_hour(reader, maps, provider)
        grid = read_grid(
            reader,
            asset=maps.asset,
            provider=provider,
            venue=maps.venue,
            from_at=newest - timedelta(days=days),
            until_at=newest,
        )
        evidence = read_evidence(reader, asset=maps.asset, provider=provider, as_of=newest)
        warning = read_warning(reader, asset=maps.asset, venue=maps.venue, as_of=newest)
    if reach_ratio is not None:
        grid = replace(grid, meta={**grid.meta, "reach_ratio": reach_ratio})
    title = f"{maps.asset}: where positions would be force-closed"
    words = PageWords(
        title,
        f"{map_in_words(grid.meta['semantics'], evidence)} by {provider}, {maps.venue_label}, "
        f"up to {newest:%Y-%m-%d %H:%M UTC}; one input among many",
        warning,
        [] if evidence is None else evidence_sentences(evidence),
    )
    # Default views hide the bands of an asset that is not fit to act on.
    write_page(target, words, draw_heatmap(grid, label=title, shows_bands=warning is None))
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
