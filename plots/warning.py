"""The warning over the picture of an asset that is not fit to act on.

Belongs here: its words and looks. Does not belong here: grades, which the published tables hold.
"""

from datetime import datetime

import plotly.graph_objects as go

from plots.source import PublishedMaps
from plots.style import BACKGROUND, add_note
from warehouse.queries import named_query

_SIGNAL = "#f0c419"
_HEIGHT_PX = 48

# Reasons named; `liqheat quality` shows all of them with their figures.
_NAMED_REASONS = 5


def read_warning(maps: PublishedMaps, as_of: datetime) -> str | None:
    """Return why an asset is not fit to act on, None where it is.

    A venue without a grade of its own has the asset's.

    Parameters
    ----------
    maps : PublishedMaps
        Asset and venue.
    as_of : datetime
        The newest hour drawn.
    """
    with maps.open() as reader:
        row = reader.execute(
            named_query("grade_of_map"),
            {"asset": maps.asset, "venue": maps.venue, "as_of": as_of},
        ).fetchone()
    if row is None:
        return (
            "<b>Not graded: too little is known to act on. Default views hide these bands.</b><br>"
            f"there are no bars of {maps.asset} for this map; "
            f"`liqheat quality {maps.asset}` says more"
        )
    grade, reasons = row
    if grade != "C":
        return None
    names = [reason.replace("_", " ") for reason in reasons]
    more = f" and {len(names) - _NAMED_REASONS} more" if len(names) > _NAMED_REASONS else ""
    return (
        f"<b>Grade C: too noisy to act on. Default views hide these bands.</b><br>"
        f"{', '.join(names[:_NAMED_REASONS])}{more}; `liqheat quality {maps.asset}` says more"
    )


def add_warning(figure: go.Figure, maps: PublishedMaps, as_of: datetime, *, above_px: int) -> None:
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
    text = read_warning(maps, as_of)
    if text is None:
        return
    figure.update_layout(
        title={"y": 0.975, "yref": "container", "yanchor": "top"},
        margin={"t": figure.layout.margin.t + _HEIGHT_PX + 10},
    )
    font = {"size": 13, "color": BACKGROUND}
    box = {"bgcolor": _SIGNAL, "borderpad": 6, "align": "left"}
    add_note(figure, text, x=0, y=1, yshift=above_px, font=font, **box)
