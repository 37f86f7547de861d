"""What commands draw: which map, with which words around it, and where the page goes."""

from datetime import UTC, datetime
from pathlib import Path

from plots.heatmap import FOLLOW_VIEW, draw_heatmap, read_plot_data
from plots.provider_panels import draw_comparison, read_comparison
from plots.style import write_page
from plots.warning import put_warning, read_warning
from warehouse.read import ReadLimits


def plot_asset(
    published: Path,
    asset: str,
    target: Path,
    *,
    provider: str,
    venue: str,
    days: float,
    reach_ratio: float | None = None,
    until: datetime | None = None,
    limits: ReadLimits | None = None,
) -> Path:
    """Write the heatmap page of an asset, under a warning where it is graded C; return its path.

    Parameters
    ----------
    published : Path
        The published file.
    asset, provider, venue : str
        Which map.
    target : Path
        The HTML file.
    days, reach_ratio, until, limits
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
        limits=limits,
    )
    where = "all venues" if venue == "all" else venue
    newest = data.hours[-1].strftime("%Y-%m-%d %H:%M UTC")
    figure = draw_heatmap(
        data,
        title=f"{asset}: where positions would be force-closed",
        subtitle=f"estimate by {provider}, {where}, up to {newest}; "
        "an assumption about leverage, one input among many",
    )
    warning = read_warning(published, asset, venue, data.hours[-1].replace(tzinfo=UTC), limits)
    if warning is not None:
        put_warning(figure, warning, above_px=8)
    write_page(figure, target, script=FOLLOW_VIEW.read_text(encoding="utf-8"))
    return target


def plot_comparison(
    published: Path,
    asset: str,
    target: Path,
    *,
    venue: str,
    until: datetime | None = None,
    limits: ReadLimits | None = None,
) -> Path:
    """Write the page that sets providers side by side and return its path.

    Parameters
    ----------
    published : Path
        The published file.
    asset, venue : str
        Whose maps.
    target : Path
        The HTML file.
    until, limits
        As in ``read_comparison``.
    """
    data = read_comparison(published, asset, venue=venue, until=until, limits=limits)
    where = "all venues" if venue == "all" else venue
    figure = draw_comparison(
        data,
        title=f"{asset}, {where}, {data.as_of:%Y-%m-%d %H:%M} UTC: who says what",
        subtitle="share of each side within 20 % of price. Bright: more than the mean of all; "
        "dim: as all; outline: less; grey: prices of which the provider does not speak",
    )
    warning = read_warning(published, asset, venue, data.as_of, limits)
    if warning is not None:
        put_warning(figure, warning, above_px=60)
    write_page(figure, target)
    return target
