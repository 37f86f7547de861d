"""What a panel is made from, and what all panels share.

Belongs here: the input of every panel, what all of them show, UTC times and signed figures in
words. Does not belong here: what one panel shows (its module), numbers that the command line
prints too (``jobs.read.figures``).
"""

import re
from dataclasses import dataclass
from datetime import datetime

from jobs.build.hourly_maps import ALL_VENUES
from jobs.settings import Settings
from plots.warning import MapWarning
from warehouse.read import Reader
from web.view import View

_FIGURE = re.compile(r"(?<=\d) (?=[%kMB]\b|%)|(?<=[kMB\d]) (?=USD\b)")
"""The space between a figure and its unit."""


@dataclass(frozen=True, slots=True)
class PanelInput:
    """What a panel is made from.

    Parameters
    ----------
    reader : Reader
        The published file.
    view : View
        Asset, provider, venue, hour and window.
    settings : Settings
        Where runs, landing files and reports of the home are.
    now : datetime
        The time, UTC.
    shock_percent : float or None
        Move of price that the reader of the cascade panel chose [percent].
    """

    reader: Reader
    view: View
    settings: Settings
    now: datetime
    shock_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPanel:
    """What panels on an asset show; each adds its own.

    Parameters
    ----------
    asset : str
        The asset.
    as_of : datetime or None
        The hour; None where nothing is shown of any.
    notes : tuple of str
        What the figures rest on, and how to read them.
    missing : str
        Why there is nothing, empty where there is something.
    """

    asset: str
    as_of: datetime | None = None
    notes: tuple[str, ...] = ()
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMapPanel(ShownPanel):
    """What panels on one map show; each adds its own.

    Parameters
    ----------
    provider, venue : str
        Whose map, in words.
    price : str
        Close of the hour.
    warning : MapWarning or None
        Why the map is not fit to act on.
    """

    provider: str
    venue: str
    price: str = ""
    warning: MapWarning | None = None


def utc(instant: datetime | None) -> str:
    """Return an instant to the minute, UTC."""
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"


def glued(text: str) -> str:
    r"""Return text in which a figure and its unit stay on one line.

    Examples
    --------
    >>> glued("12.3 M USD, 20 %").split(" ")
    ['12.3\xa0M\xa0USD,', '20\xa0%']
    """
    return _FIGURE.sub("\u00a0", text)


def venue_in_words(venue: str) -> str:
    """Return the venue of a map in words."""
    return "all venues" if venue == ALL_VENUES else venue


def signed_percent(ratio: float | None, form: str = ".1f") -> str:
    """Return a change in percent with its sign.

    Examples
    --------
    >>> signed_percent(-0.0213), signed_percent(0.0)
    ('-2.1 %', '+0.0 %')
    """
    return "" if ratio is None else f"{100 * ratio:+{form}} %"
