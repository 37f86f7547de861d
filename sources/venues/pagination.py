"""Requests in pieces: placeholders filled, spans cut, pages turned.

Belongs here: how a span becomes calls, for each way venues page. Does not belong here: making the
calls (`sources.venues.client`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sources.errors import VenueUnavailable
from sources.venues.declaration import Endpoint, Venue
from sources.venues.instruments import Instrument
from sources.venues.responses import Page

# More pages than any span needs: a venue that repeats itself must not hold us for ever.
_MOST_PAGES = 2000


@dataclass(frozen=True, slots=True)
class Span:
    """Labels to ask an endpoint for.

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


# First and last label wanted [ms], limit, page number: what the readings make of the answer.
Turn = Callable[[int, int, int, int], Awaitable[list[Page]]]
Pages = AsyncIterator[list[Page]]


def cut_spans(endpoints: Sequence[Endpoint], start_ms: int, end_ms: int, now_ms: int) -> list[Span]:
    """Return which endpoint to ask for which labels, oldest first.

    Parameters
    ----------
    endpoints : sequence of Endpoint
        From the most recent to the furthest reaching.
    start_ms, end_ms : int
        Labels wanted, from start up to, not including, end [ms].
    now_ms : int
        The time [ms]: nothing beyond an endpoint's reach, nor not yet final, is asked for.
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


def milliseconds(span: timedelta) -> int:
    """Return a span of time as whole milliseconds."""
    return span // timedelta(milliseconds=1)


def placeholders(venue: Venue, instrument: Instrument) -> dict[str, object]:
    """Return what the placeholders of an instrument stand for."""
    info = instrument.market.get("info") or {}
    pair = next((info[key] for key in venue.pair_keys if info.get(key)), instrument.market_id)
    return {
        "id": instrument.market_id,
        "coin": instrument.coin,
        "settle": instrument.market.get("settleId"),
        "pair": pair,
    }


def fill(params: object, values: Mapping[str, object]) -> Any:  # noqa: ANN401 (as nested as given)
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
    """Return the placeholders of the first and last label wanted, in the endpoint's unit."""
    unit = 1000 if endpoint.time_unit == "s" else 1
    return {
        "start": first_ms // unit + endpoint.start_shift,
        "end": last_ms // unit + endpoint.end_shift,
    }


async def _windows(span: Span, turn: Turn, now_ms: int) -> Pages:  # noqa: ARG001
    step = span.endpoint.period_seconds * 1000
    most = span.endpoint.limit
    if span.endpoint.longest_span is not None:
        most = min(most, milliseconds(span.endpoint.longest_span) // step)
    for first in range(span.first_ms, span.end_ms, most * step):
        last = min(first + (most - 1) * step, span.end_ms - step)
        # Two more than there are labels: a venue that adds the running row must not drop another.
        yield await turn(first, last, min(most, (last - first) // step + 3), 1)


async def _newest(span: Span, turn: Turn, now_ms: int) -> Pages:  # noqa: ARG001
    chunks = _chunks(span)
    for first, last in chunks:
        is_told = False
        for _ in range(_MOST_PAGES):
            pages = await turn(first, last, span.endpoint.limit, 1)
            _require_rows(pages, span, is_told=is_told)
            yield pages
            labels = pages[0].labels
            if pages[0].received < span.endpoint.limit or not len(labels):
                break
            # The oldest row is asked for again: others may share its instant.
            oldest = int(labels.min())
            is_told = oldest < last
            last = oldest if is_told else last - 1
            if last < first:
                break


async def _oldest(span: Span, turn: Turn, now_ms: int) -> Pages:  # noqa: ARG001
    for chunk_first, last in _chunks(span):
        first, is_told = chunk_first, False
        for _ in range(_MOST_PAGES):
            pages = await turn(first, last, span.endpoint.limit, 1)
            _require_rows(pages, span, is_told=is_told)
            yield pages
            labels = pages[0].labels
            if pages[0].received < span.endpoint.limit or not len(labels):
                break
            newest = int(labels.max())
            is_told = newest > first
            first = newest if is_told else first + 1
            if first > last:
                break


def _require_rows(pages: Sequence[Page], span: Span, *, is_told: bool) -> None:
    """Refuse an empty page bounded by a row already told: taken for the end, it hides a hole."""
    if is_told and not pages[0].received:
        raise VenueUnavailable(
            f"{span.endpoint.method}: a page is empty that must repeat the last row before it; "
            "ask again"
        )


async def _numbered(span: Span, turn: Turn, now_ms: int) -> Pages:  # noqa: ARG001
    for page in range(1, _MOST_PAGES):
        pages = await turn(span.first_ms, span.end_ms - 1, span.endpoint.limit, page)
        yield pages
        labels = pages[0].labels
        if pages[0].received < span.endpoint.limit or not len(labels):
            break
        if int(labels.min()) < span.first_ms:
            break


async def _latest(span: Span, turn: Turn, now_ms: int) -> Pages:
    limit = span.endpoint.limit
    if span.endpoint.period_seconds:
        step = span.endpoint.period_seconds * 1000
        limit = min(limit, (now_ms - span.first_ms) // step + 2)
    yield await turn(span.first_ms, span.end_ms - 1, limit, 1)


def _chunks(span: Span) -> list[tuple[int, int]]:
    """Return first and last instant [ms] of the pieces no longer than a request may cover."""
    length = (
        span.end_ms - span.first_ms
        if span.endpoint.longest_span is None
        else milliseconds(span.endpoint.longest_span)
    )
    return [
        (first, min(first + length, span.end_ms) - 1)
        for first in range(span.first_ms, span.end_ms, length)
    ]


_WAYS: Mapping[str, Callable[[Span, Turn, int], Pages]] = {
    "windows": _windows,
    "newest": _newest,
    "oldest": _oldest,
    "numbered": _numbered,
    "latest": _latest,
}


def turn_pages(span: Span, turn: Turn, now_ms: int) -> Pages:
    """Return the pages of a span in the way its endpoint has them.

    Parameters
    ----------
    span : Span
        What is wanted.
    turn : Callable
        Makes one call and reads its answer.
    now_ms : int
        The time [ms].
    """
    return _WAYS[span.endpoint.paging](span, turn, now_ms)
