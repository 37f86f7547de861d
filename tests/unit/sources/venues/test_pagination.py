"""Spans become calls that ask for every label once, and for nothing that cannot be had."""

import dataclasses
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.errors import VenueUnavailable
from sources.venues.endpoints import Endpoint
from sources.venues.page_reader import Page
from sources.venues.pagination import Span, bounds, cut_spans, fill, turn_pages

STEP = 300_000
NOW = 1_772_323_200_000
GRID = Endpoint("m", {}, {}, "s", limit=100, paging="windows", period_seconds=300)


class Venue:
    """Publishes labels on a grid or anywhere, as one of the ways of paging would."""

    def __init__(self, labels, endpoint, order):
        self.labels = np.array(sorted(labels), dtype=np.int64)
        self.endpoint = endpoint
        self.order = order
        self.calls = []

    async def turn(self, request):
        first_ms, last_ms, limit, page = dataclasses.astuple(request)
        self.calls.append((first_ms, last_ms, limit, page))
        rows = self.labels[(self.labels >= first_ms) & (self.labels <= last_ms)]
        if self.order == "numbered":
            newest_first = self.labels[::-1]
            rows = newest_first[(page - 1) * limit : page * limit]
        else:
            rows = rows[-limit:] if self.order == "newest" else rows[:limit]
        return [Page([], rows, len(rows))]

    async def read_labels(self, span):
        found = set()
        async for pages in turn_pages(span, self.turn, NOW):
            found.update(pages[0].labels.tolist())
        return found


@settings(deadline=None)
@given(
    first=st.integers(0, 5000),
    count=st.integers(1, 3000),
    limit=st.integers(2, 1000),
    order=st.sampled_from(["oldest", "newest"]),
)
async def test_windows_take_every_label_in_the_fewest_calls(first, count, limit, order):
    start = NOW - (first + count) * STEP
    endpoint = dataclasses.replace(GRID, limit=limit)
    venue = Venue(range(start - 5 * STEP, start + (count + 5) * STEP, STEP), endpoint, order)
    span = Span(endpoint, start, start + count * STEP)
    assert await venue.read_labels(span) >= set(range(start, start + count * STEP, STEP))
    assert len(venue.calls) == -(-count // limit)
    for first_ms, last_ms, limit_sent, _ in venue.calls:
        assert (last_ms - first_ms) // STEP + 1 <= limit_sent <= limit


@settings(deadline=None)
@given(
    labels=st.lists(st.integers(0, 10_000), max_size=300),
    limit=st.integers(2, 50),
    way=st.sampled_from(["newest", "oldest", "numbered"]),
    span=st.tuples(st.integers(0, 10_000), st.integers(1, 10_000)),
)
async def test_irregular_labels_are_all_reached_even_where_they_share_instants(
    labels, limit, way, span
):
    # More rows of one instant than fit in an answer cannot be separated by any bound.
    labels = [label for label in labels if labels.count(label) < limit]
    endpoint = dataclasses.replace(GRID, limit=limit, paging=way, period_seconds=0)
    venue = Venue(labels, endpoint, way)
    first, end = span[0], span[0] + span[1]
    actual = await venue.read_labels(Span(endpoint, first, end))
    assert actual >= {label for label in labels if first <= label < end}


async def test_venue_that_repeats_itself_does_not_hold_us_for_ever():
    endpoint = dataclasses.replace(GRID, limit=2, paging="newest", period_seconds=0)
    calls = 0

    async def turn(request):
        nonlocal calls
        calls += 1
        return [Page([], np.array([50, 50]), 2)]

    async for _ in turn_pages(Span(endpoint, 0, 100), turn, NOW):
        pass
    assert calls < 200


@pytest.mark.parametrize("way", ["newest", "oldest"])
async def test_an_empty_page_after_a_full_one_is_no_end(way):
    endpoint = dataclasses.replace(GRID, limit=10, paging=way, period_seconds=0)
    venue = Venue(range(100), endpoint, way)
    turn = venue.turn

    async def failing(*page):
        pages = await turn(*page)
        return [Page([], pages[0].labels[:0], 0)] if len(venue.calls) == 3 else pages

    venue.turn = failing
    with pytest.raises(VenueUnavailable, match="m: a page is empty that must repeat the last row"):
        await venue.read_labels(Span(endpoint, 0, 100))


async def test_long_spans_are_cut_where_the_venue_bounds_them():
    endpoint = dataclasses.replace(
        GRID, paging="newest", period_seconds=0, limit=10, longest_span=timedelta(hours=48)
    )
    venue = Venue([], endpoint, "newest")
    hours = 3_600_000
    await venue.read_labels(Span(endpoint, 0, 100 * hours))
    assert [(first // hours, -(-last // hours)) for first, last, _, _ in venue.calls] == [
        (0, 48),
        (48, 96),
        (96, 100),
    ]


@settings(deadline=None)
@given(
    start=st.integers(-4000, 10),
    length=st.integers(1, 4000),
    offset=st.integers(0, STEP - 1),
    settles=st.sampled_from([0, 300]),
)
def test_span_holds_exactly_the_final_labels_wanted(start, length, offset, settles):
    endpoint = dataclasses.replace(GRID, settles_after_seconds=settles)
    start_ms = NOW + start * STEP + offset
    end_ms = start_ms + length * STEP
    now_ms = NOW + 7 * STEP + 12_345
    spans = cut_spans((endpoint,), start_ms, end_ms, now_ms)
    wanted = [
        label
        for label in range(NOW + (start - 2) * STEP, end_ms + 2 * STEP, STEP)
        if start_ms <= label < end_ms and label + settles * 1000 <= now_ms
    ]
    actual = [label for span in spans for label in range(span.first_ms, span.end_ms, STEP)]
    assert actual == wanted


def test_recent_and_older_endpoints_share_a_span_without_gap_or_overlap():
    recent = dataclasses.replace(GRID, method="recent", reach=timedelta(seconds=300 * 100))
    older = dataclasses.replace(GRID, method="older")
    spans = cut_spans((recent, older), NOW - 250 * STEP + 7, NOW, NOW + 1000)
    assert [span.endpoint.method for span in spans] == ["older", "recent"]
    assert spans[0].end_ms == spans[1].first_ms
    assert spans[0].first_ms == NOW - 249 * STEP
    assert spans[1].end_ms == NOW


def test_what_lies_beyond_the_reach_is_not_requested():
    endpoint = dataclasses.replace(GRID, reach=timedelta(days=30))
    spans = cut_spans((endpoint,), NOW - 40 * 86_400_000, NOW - 31 * 86_400_000, NOW)
    assert spans == []


@pytest.mark.parametrize(
    ("unit", "shifts", "expected"),
    [
        ("ms", (0, 0), {"start": 600_000, "end": 900_000}),
        ("ms", (-1, 1), {"start": 599_999, "end": 900_001}),
        ("s", (0, 1), {"start": 600, "end": 901}),
    ],
)
def test_bounds_are_in_the_unit_of_the_venue(unit, shifts, expected):
    endpoint = dataclasses.replace(GRID, time_unit=unit, start_shift=shifts[0], end_shift=shifts[1])
    assert bounds(endpoint, 600_000, 900_000) == expected


def test_placeholders_inside_nested_parameters_are_filled():
    params = {"type": "candleSnapshot", "req": {"coin": "{coin}", "startTime": "{start}"}}
    assert fill(params, {"coin": "kPEPE", "start": 5}) == {
        "type": "candleSnapshot",
        "req": {"coin": "kPEPE", "startTime": 5},
    }
