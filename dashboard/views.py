"""What commands draw: which map, with which words around it, and where the page goes."""

from datetime import datetime
from pathlib import Path

from dashboard.heatmap_plot import draw_heatmap, read_plot_data, write_heatmap


def plot_asset(
    published: Path,
    asset: str,
    target: Path,
    *,
    provider: str,
    venue: str,
    days: float,
    reach_ratio: float,
    until: datetime | None = None,
) -> Path:
    """Write the heatmap page of an asset and return its path.

    Parameters
    ----------
    published : Path
        The published file.
    asset, provider, venue : str
        Which map.
    target : Path
        The HTML file.
    days, reach_ratio, until
        As in ``read_plot_data``.
    """
    data = read_plot_data(
        published,
        asset,
        provider=provider,
        venue=venue,
        days=days,
        reach_ratio=reach_ratio,
        until=until,
    )
    where = "all venues" if venue == "all" else venue
    newest = data.hours[-1].strftime("%Y-%m-%d %H:%M UTC")
    figure = draw_heatmap(
        data,
        title=f"{asset}: where positions would be force-closed",
        subtitle=f"estimate by {provider}, {where}, up to {newest}; "
        "an assumption about leverage, one input among many",
    )
    write_heatmap(figure, target)
    return target
