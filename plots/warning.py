"""The warning over the picture of an asset that is not fit to act on.

Belongs here: what is said of it and how it looks. Grades are the tables' own.
"""

from datetime import datetime
from pathlib import Path

import plotly.graph_objects as go

from warehouse.read import ReadLimits, open_published

_SIGNAL = "#f0c419"
_ON_SIGNAL = "#11131a"
_LINES = 2
_LINE_PX = 17

# Reasons named; `liqheat quality` has them all with their figures.
_REASONS = 5


def read_warning(
    published: Path, asset: str, venue: str, as_of: datetime, limits: ReadLimits | None = None
) -> str | None:
    """Return why an asset is not fit to act on, None where it is.

    A venue without data of its own is as good as the asset.

    Parameters
    ----------
    published : Path
        The published file.
    asset, venue : str
        What is drawn.
    as_of : datetime
        The newest hour drawn.
    limits : ReadLimits, optional
        Memory and time of the reading.
    """
    with open_published(published, limits=limits) as connection:
        row = connection.execute(
            "select grade, list_transform(list_filter(reasons, "
            "lambda reason: reason.severity <> 'information'), lambda reason: reason.name) "
            "from marts.asset_quality_hourly where asset = ? and venue in (?, 'all') "
            "and as_of = ? order by venue = 'all' limit 1",
            [asset, venue, as_of],
        ).fetchone()
    if row is None:
        return (
            "<b>Not graded: too little is known to act on. Default views hide these bands.</b><br>"
            f"no bars of {asset} stand beside this map; `liqheat quality {asset}` says more"
        )
    if row[0] != "C":
        return None
    names = [name.replace("_", " ") for name in row[1]]
    more = f" and {len(names) - _REASONS} more" if len(names) > _REASONS else ""
    return (
        f"<b>Grade C: too noisy to act on. Default views hide these bands.</b><br>"
        f"{', '.join(names[:_REASONS])}{more}; `liqheat quality {asset}` says more"
    )


def put_warning(figure: go.Figure, text: str, *, above_px: int) -> None:
    """Put a warning between the title and what is drawn, and make room for it.

    Parameters
    ----------
    figure : Figure
        The picture; changed.
    text : str
        Two lines.
    above_px : int
        Pixels kept free between the plot and the warning.
    """
    height = _LINES * _LINE_PX + 14
    figure.update_layout(
        title={"y": 0.975, "yref": "container", "yanchor": "top"},
        margin={"t": figure.layout.margin.t + height + 10},
    )
    figure.add_annotation(
        text=text,
        xref="paper",
        yref="paper",
        x=0,
        y=1,
        xanchor="left",
        yanchor="bottom",
        yshift=above_px,
        align="left",
        showarrow=False,
        font={"size": 13, "color": _ON_SIGNAL},
        bgcolor=_SIGNAL,
        borderpad=6,
    )
