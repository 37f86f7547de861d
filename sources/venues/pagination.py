"""Spans cut into calls, and pages turned: for each way in which venues page.

Belongs here: placeholders, bounds, pages. Does not belong here: making the calls
(`sources.venues.session`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sources.errors import VenueUnavailable
from sources.venues.declaration import Venue
from sources.venues.endpoints import Endpoint
from sources.venues.instruments import Instrument
from sources.venues.page_reader import Page
from sources.venues.payload import milliseconds

# More pages than any span needs: a venue that repeats itself must not keep us in a loop.
_MOST_PAGES = 2000


@dataclass(frozen=True, slots=True)
class Span:
    """Labels to request from an endpoint.

    Parameters
    ----------
    endpoint : Endpoint
        The endpoint.
    first_ms, end_ms : int
        From the first label up to, not including, the end [ms].
    """

    endpoint: Endpoint
    first_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The rows of one call.

    Parameters
    ----------
    first_ms, last_ms : int
        First and last label [ms].
    limit, page : int
        Most rows, and number of the page, for endpoints that take them.
    """

    first_ms: int
    last_ms: int
    limit: int = 1
    page: int = 1


# Makes one call and reads its response, once for each spec: the first page decides how to go on.
Turn = Callable[[PageRequest], Awaitable[list[Page]]]
Pages = AsyncIterator[list[Page]]


def cut_spans(endpoints: Sequence[Endpoint], start_ms: int, end_ms: int, now_ms: int) -> list[Span]:
    """Return which labels to request from which endpoint, oldest first.

    Parameters
    ----------
    endpoints : sequence of Endpoint
        From the most recent to the furthest back.
    start_ms, end_ms : int
        Labels wanted, from start up to, not including, end [ms].
    now_ms : int
        The time [ms]: labels beyond an endpoint's reach or not yet final are not requested.
    """
    spans: list[Span] = []
    for endpoint in endpoints:
        reached_ms = start_ms
        if endpoint.reach is not None:
            reached_ms = max(start_ms, now_ms - milliseconds(endpoint.reach))
        first_ms, last_end_ms = reached_ms, min(end_ms, now_ms + 1)
        if endpoint.period_seconds:
            step = endpoint.period_seconds * 1000
            first_ms = -(-reached_ms // step) * step
            newest_final = (now_ms - endpoint.settles_after_seconds * 1000) // step * step
            last_end_ms = min(-(-end_ms // step) * step, newest_final + step)
        if first_ms < last_end_ms:
            spans.insert(0, Span(endpoint, first_ms, last_end_ms))
        end_ms = min(end_ms, reached_ms)
    return spans


def placeholders(venue: Venue, instrument: Instrument) -> dict[str, object]:
    """Return the values of an instrument's placeholders."""
    info = instrument.market.get("info") or {}
    pair = next((info[key] for key in venue.pair_keys if info.get(key)), instrument.market_id)
    return {
        "id": instrument.market_id,
        "coin": instrument.coin,
        "settle": instrument.market.get("settleId"),
        "pair": pair,
    }


def fill(params: object, values: Mapping[str, object]) -> Any:  # noqa: ANN401 (nested like the parameters)
    """Return request parameters with their placeholders filled.

    Examples
    --------
    >>> fill({"s": "{id}-mark", "req": {"from": "{start}"}, "n": 5}, {"id": "X", "start": 7})
    {'s': 'X-mark', 'req': {'from': 7}, 'n': 5}
    """
    if isinstance(params, Mapping):
        return {key: fill(value, values) for key, value in params.items()}
    if not isinstance(params, str):
        return params
    name = params[1:-1]
    if params.startswith("{") and params.endswith("}") and name in values:
        return values[name]
    return params.format_map(dict(values))


def bounds(endpoint: Endpoint, first_ms: int, last_ms: int) -> dict[str, object]:
    """Return the placeholders of the first and last label, in the endpoint's unit."""
    unit = 1000 if endpoint.time_unit == "s" else 1
    return {
        "start": first_ms // unit + endpoint.start_shift,
        "end": last_ms // unit + endpoint.end_shift,
    }


def turn_pages(span: Span, turn: Turn, now_ms: int) -> Pages:
    """Return the pages of a span in the way its endpoint pages.

    Parameters
    ----------
    span : Span
        The labels.
    turn : Callable
        Makes one call and reads its response.
    now_ms : int
        The time [ms].
    """
    paging = span.endpoint.paging
    if paging == "windows":
        return _turn_windows(span, turn)
    if paging == "numbered":
        return _turn_numbered(span, turn)
    if paging == "latest":
        return _turn_latest(span, turn, now_ms)
    return _turn_from_edge(span, turn)


async def _turn_windows(span: Span, turn: Turn) -> Pages:
    step = span.endpoint.period_seconds * 1000
    most = span.endpoint.limit
    if span.endpoint.longest_span is not None:
        most = min(most, milliseconds(span.endpoint.longest_span) // step)
    for first in range(span.first_ms, span.end_ms, most * step):
        last = min(first + (most - 1) * step, span.end_ms - step)
        # Two more than there are labels: a venue that adds the running row must not drop another.
        yield await turn(PageRequest(first, last, min(most, (last - first) // step + 3)))


async def _turn_from_edge(span: Span, turn: Turn) -> Pages:
    """Turn pages that hold the newest (or oldest) rows of what remains of the span."""
    endpoint = span.endpoint
    for chunk_first, chunk_last in _chunks(span):
        first, last, repeats_row = chunk_first, chunk_last, False
        for _ in range(_MOST_PAGES):
            pages = await turn(PageRequest(first, last, endpoint.limit))
            if repeats_row and not pages[0].received:
                # Taken for the end, an empty page would hide a hole.
                raise VenueUnavailable(
                    f"{endpoint.method}: a page is empty that must repeat the last row before it; "
                    "try again"
                )
            yield pages
            labels = pages[0].labels
            if pages[0].received < endpoint.limit or not len(labels):
                break
            # The row at the edge is requested again: others may share its instant.
            if endpoint.paging == "newest":
                edge = int(labels.min())
                repeats_row = edge < last
                last = edge if repeats_row else last - 1
            else:
                edge = int(labels.max())
                repeats_row = edge > first
                first = edge if repeats_row else first + 1
            if first > last:
                break


async def _turn_numbered(span: Span, turn: Turn) -> Pages:
    for page in range(1, _MOST_PAGES):
        request = PageRequest(span.first_ms, span.end_ms - 1, span.endpoint.limit, page)
        pages = await turn(request)
        yield pages
        labels = pages[0].labels
        if pages[0].received < span.endpoint.limit or not len(labels):
            break
        if int(labels.min()) < span.first_ms:
            break


async def _turn_latest(span: Span, turn: Turn, now_ms: int) -> Pages:
    limit = span.endpoint.limit
    if span.endpoint.period_seconds:
        step = span.endpoint.period_seconds * 1000
        limit = min(limit, (now_ms - span.first_ms) // step + 2)
    yield await turn(PageRequest(span.first_ms, span.end_ms - 1, limit))


def _chunks(span: Span) -> list[tuple[int, int]]:
    """Return first and last instant [ms] of the pieces no longer than a request may cover."""
    longest = span.endpoint.longest_span
    length = span.end_ms - span.first_ms if longest is None else milliseconds(longest)
    return [
        (first, min(first + length, span.end_ms) - 1)
        for first in range(span.first_ms, span.end_ms, length)
    ]
