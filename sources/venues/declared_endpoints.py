"""The endpoints a venue declares, and the small response that shows what is declared of each.

Belongs here: where a declaration is, which rows to request for its examination. Does not belong
here: the examination (`sources.venues.conformance`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sources.venues.declaration import Funding, LongShortRatio, Product, Venue
from sources.venues.endpoints import Endpoint
from sources.venues.margin_specs import GrowingMargins, StepBrackets
from sources.venues.pagination import PageRequest
from sources.venues.payload import milliseconds
from sources.venues.request import PRODUCT_FIELDS, SPAN_KINDS, endpoints_of, specs_of

_HOUR_MS = 3_600_000
LONGEST_FUNDING_HOURS = 8.0
"""The longest funding interval of any venue."""

# Rows on a regular grid, rows of a longer span, and the span of trades.
_SAMPLE_ROWS = 100
_SAMPLE_OF_A_SPAN = 5
_TRADES_SPAN_MS = _HOUR_MS


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between a response and its declaration.

    Parameters
    ----------
    field : str
        A cell, the labels, the order.
    found : str
        What the response has.
    declared : str
        What is declared.
    mend : str
        The declaration to correct, as an expression over `VENUES`.
    file : str
        The file it is in.
    """

    field: str
    found: str
    declared: str
    mend: str
    file: str = "sources/venues/declared/"

    @property
    def words(self) -> str:
        """Return it as one sentence."""
        return (
            f"{self.field}: {self.found}; declared is {self.declared}. "
            f"See {self.mend} in {self.file}"
        )


@dataclass(frozen=True, slots=True)
class DeclaredEndpoint:
    """One endpoint of a product, and where it is declared.

    Parameters
    ----------
    kind : str
        Its request kind, ``mark_price``, or ``leverage_bracket``.
    place : str
        Expression over `VENUES` of the spec.
    path : str
        Expression over `VENUES` of the endpoint.
    endpoint : Endpoint or None
        The endpoint; None where the list of instruments contains the data.
    spec : object
        What the response contains; None for mark prices.
    newer : Endpoint or None
        The endpoint for more recent rows.
    """

    kind: str
    place: str
    path: str
    endpoint: Endpoint | None
    spec: Any
    newer: Endpoint | None = None

    @property
    def name(self) -> str:
        """Return the kind in words, unique within the product."""
        measure = [self.spec.measure] if isinstance(self.spec, LongShortRatio) else []
        return " ".join([self.kind, *measure, *(["older"] if self.newer else [])])

    def column_difference(self, cell: str, found: str) -> Difference:
        """Return a difference of one declared column."""
        columns = {} if self.endpoint is None else self.endpoint.columns
        if cell not in columns:
            return Difference(cell, found, "a usable figure", self.place)
        place = f'{self.path}.columns["{cell}"]'
        return Difference(cell, found, f"column {columns[cell]!r}", place)


def declared_endpoints(venue: Venue, product: Product) -> Iterator[DeclaredEndpoint]:
    """Yield the endpoints of a product in the order in which to examine them.

    Candles come first, the newest last of them: their closes value open interest.
    """
    root = f'VENUES["{venue.name}"].products[{venue.products.index(product)}]'
    for kind in SPAN_KINDS:
        for number, spec in enumerate(specs_of(product, kind)):
            index = f"[{number}]" if isinstance(spec, LongShortRatio) else ""
            place = f"{root}.{PRODUCT_FIELDS.get(kind, kind)}{index}"
            endpoints = endpoints_of(spec)
            for at, endpoint in reversed(list(enumerate(endpoints))):
                name = "older" if at else "endpoint"
                newer = endpoints[at - 1] if at else None
                yield DeclaredEndpoint(kind, place, f"{place}.{name}", endpoint, spec, newer)
    if (now := product.open_interest_now) is not None:
        place = f"{root}.open_interest_now"
        yield DeclaredEndpoint("open_interest_now", place, f"{place}.endpoint", now.endpoint, now)
    if product.mark_price is not None:
        place = f"{root}.mark_price"
        yield DeclaredEndpoint("mark_price", place, place, product.mark_price, None)
    if (brackets := product.brackets) is not None:
        place = f"{root}.brackets"
        own = None if isinstance(brackets, StepBrackets | GrowingMargins) else brackets.endpoint
        yield DeclaredEndpoint("leverage_bracket", place, f"{place}.endpoint", own, brackets)


def choose_sample(declared: DeclaredEndpoint, now_ms: int) -> PageRequest | None:
    """Return which rows of an endpoint show what is declared of it; None without a span.

    On a regular grid: a hundred final labels, both ends of which must be in the response. Where a
    response holds one end of a longer span: a span several times as long as the response.
    """
    endpoint, spec = declared.endpoint, declared.spec
    if endpoint is None or declared.kind not in SPAN_KINDS:
        return None
    step = endpoint.period_seconds * 1000
    end_ms = now_ms
    if declared.newer is not None and declared.newer.reach is not None:
        end_ms -= milliseconds(declared.newer.reach) + _HOUR_MS
    if step:
        count = min(endpoint.limit, _SAMPLE_ROWS)
        # Statistics come some minutes late.
        last = (end_ms - endpoint.settles_after_seconds * 1000) // step * step - 2 * step
        return PageRequest(last - (count - 1) * step, last, min(endpoint.limit, count + 2))
    has_limit = "{limit}" in endpoint.params.values()
    limit = min(endpoint.limit, _SAMPLE_OF_A_SPAN) if has_limit else endpoint.limit
    if isinstance(spec, Funding):
        hours = spec.interval_hours or LONGEST_FUNDING_HOURS
        length = (3 if has_limit else 2) * limit * round(hours * _HOUR_MS)
    else:
        length = _TRADES_SPAN_MS
        if endpoint.longest_span is not None:
            length = milliseconds(endpoint.longest_span) - _TRADES_SPAN_MS
    if endpoint.reach is not None:
        length = min(length, milliseconds(endpoint.reach) - _TRADES_SPAN_MS)
    return PageRequest(end_ms - length, end_ms, limit)
