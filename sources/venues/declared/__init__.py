"""What each venue publishes, in which unit and how far back: one module per venue.

Belongs here: facts about a venue, each with the ccxt function or the venue's page it comes from.
Does not belong here: code that acts on them. No other module of this package names a venue. A new
module here with a ``VENUE`` is a new venue; `sources.venues.declaration` explains the terms.

How to read a declaration::

    Endpoint(
        method="publicGetV5MarketOpenInterest",     # ccxt's endpoint method
        params={"symbol": "{id}", "startTime": "{start}"},
        rows=("result", "list"),                    # path to the rows in the response
        columns={"time": "timestamp", "amount": "openInterest"},
        limit=200, paging="windows", period_seconds=300,
        source="where these facts come from",
    )

Requests go through ccxt's endpoint methods (``fapiPublicGetKlines``): ccxt builds, signs and
throttles them, and responses are read by the columns declared here. ccxt's unified functions are
not used for data: they drop fields (taker volume, mark price, position side), read the wall clock,
truncate pages, and convert the contract volume of inverse contracts into coins.
"""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from sources.errors import VenueRejected
from sources.venues.declaration import Venue


def _load_venues() -> Mapping[str, Venue]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__, f"{__name__}."))
    venues: list[Venue] = [import_module(name).VENUE for name in names]
    return MappingProxyType({venue.name: venue for venue in venues})


VENUES: Mapping[str, Venue] = _load_venues()
"""Every declared venue by name."""


def find_venue(name: str) -> Venue:
    """Return the declaration of a venue.

    Raises
    ------
    VenueRejected
        Where none is declared.
    """
    if name not in VENUES:
        raise VenueRejected(f"no venue is called {name!r}; declared are {', '.join(VENUES)}")
    return VENUES[name]


def venues_with_one_side() -> list[str]:
    """Return the venues that publish one-sided open interest beside the sum of both sides.

    Examples
    --------
    >>> venues_with_one_side()
    ['bybit']
    """
    snapshots = {venue.name: venue.products[0].open_interest_now for venue in VENUES.values()}
    return [
        name
        for name, snapshot in snapshots.items()
        if snapshot is not None and "one_side" in snapshot.endpoint.columns
    ]


def sides_counted_by(venue: str) -> int:
    """Return how many sides a venue's own open interest counts; 1 where it is not declared.

    Examples
    --------
    >>> sides_counted_by("binance"), sides_counted_by("hyperliquid"), sides_counted_by("lighter")
    (1, 2, 1)
    """
    products = VENUES[venue].products if venue in VENUES else ()
    series = [one for p in products for one in (p.open_interest_now, p.open_interest_history)]
    return max((one.sides_counted for one in series if one is not None), default=1)
