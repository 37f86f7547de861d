"""What can be requested of a venue, and which declared endpoints serve it.

Belongs here: kinds of requests, and the specs of a product that answer them. Does not belong here:
making requests (`sources.venues.client`), which to make (jobs know watermarks and gaps).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sources.venues.declaration import Candles, Product, ResponseSpec
from sources.venues.endpoints import Endpoint

RequestKind = Literal[
    "instrument",
    "ohlcv",
    "mark_ohlc",
    "open_interest_now",
    "open_interest",
    "funding_rate",
    "long_short_ratio",
    "leverage_bracket",
    "realised_liquidation",
]
"""Record kinds, and ``open_interest_now``: current ``open_interest`` instead of its history."""

SPAN_KINDS: tuple[RequestKind, ...] = (
    "ohlcv",
    "mark_ohlc",
    "open_interest",
    "funding_rate",
    "long_short_ratio",
    "realised_liquidation",
)
"""Kinds that are requested over a time span, for one instrument."""

PRODUCT_FIELDS: dict[str, str] = {
    "open_interest": "open_interest_history",
    "funding_rate": "funding",
    "realised_liquidation": "liquidations",
    "long_short_ratio": "ratios",
}
"""The field of a product that serves a kind, where it has another name."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a venue.

    Parameters
    ----------
    venue : str
        Its name.
    kind : RequestKind
        The data requested.
    instruments : tuple of str
        Exactly one for kinds with a span, none for ``instrument``.
    start, end : datetime or None
        Span of the records, from start up to, not including, end; None for kinds without one.
    """

    venue: str
    kind: RequestKind
    instruments: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None


def endpoints_of(spec: ResponseSpec) -> tuple[Endpoint, ...]:
    """Return the endpoints of a spec, from the most recent to the furthest back."""
    older = spec.older if isinstance(spec, Candles) else None
    return (spec.endpoint,) if older is None else (spec.endpoint, older)


def specs_of(product: Product, kind: RequestKind) -> list[ResponseSpec]:
    """Return the specs of a product for a kind with a span."""
    declared = getattr(product, PRODUCT_FIELDS.get(kind, kind))
    if isinstance(declared, tuple):
        return list(declared)
    return [] if declared is None else [declared]


def specs_of_call(product: Product, endpoint: Endpoint) -> list[tuple[ResponseSpec, Endpoint]]:
    """Return the specs that are read from the same response as an endpoint, each with its own."""
    return [
        (spec, one)
        for kind in SPAN_KINDS
        for spec in specs_of(product, kind)
        for one in endpoints_of(spec)
        if one.is_same_call(endpoint)
    ]
