"""Venues side by side: what one does costs the others nothing."""

import asyncio
import datetime as dt
from contextlib import AsyncExitStack

import pytest
from standin import MINUTE

from sources.venues import rounds
from sources.venues.pacer import RequestPolicy
from sources.venues.plausibility import Observation
from sources.venues.request import Request
from sources.venues.rounds import run_round

BAR = 5 * MINUTE
SYMBOLS = ("BTC/USDT:USDT", "ETH/USDT:USDT")


def instant(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, tz=dt.UTC)


@pytest.fixture
async def round_of(client_at, standin):
    """Return a runner of rounds over venues, which keeps what is landed."""
    async with AsyncExitStack() as stack:

        async def run(venues, requests, land=None, clients=None, **settings):
            opened = clients or [
                await stack.enter_async_context(
                    client_at(venue, policy=RequestPolicy(attempts=2, give_up_after=3))
                )
                for venue in venues
            ]
            landed = []
            report = await run_round(opened, requests, land or landed.append, **settings)
            return report, landed

        yield run


def requests_of(venue, standin, kinds=("ohlcv", "mark_ohlc", "funding_rate")):
    now = instant(standin.now)
    start = now - dt.timedelta(hours=9)
    snapshot = Request(venue, "open_interest_now", SYMBOLS)
    return [snapshot] + [
        Request(venue, kind, (symbol,), start, now) for kind in kinds for symbol in SYMBOLS
    ]


def count(landed, kind, venue=None):
    return sum(
        1
        for batch in landed
        if batch.kind == kind
        for row in batch.table.to_pylist()
        if venue in (None, row["venue"])
    )


async def test_every_request_has_its_outcome_and_every_record_is_landed(round_of, standin):
    venues = ["binance", "bybit", "okx"]
    requests = [one for venue in venues for one in requests_of(venue, standin)]
    report, landed = await round_of(venues, requests)
    assert [outcome.request for outcome in report.outcomes] == requests
    assert {outcome.status for outcome in report.outcomes} == {"done"}
    assert sum(outcome.rows for outcome in report.outcomes) == sum(
        batch.table.num_rows for batch in landed
    )
    assert count(landed, "open_interest") == 6
    for venue in venues:
        assert count(landed, "ohlcv", venue) == 2 * 107
        assert report.venues[venue].calls >= 7
    # Rows of a kind are landed together, not request by request.
    assert len(landed) == 3 * 4


async def test_a_venue_that_is_down_costs_itself_only(round_of, standin):
    standin.faults.add("server_error", venue="bybit", status=502)
    venues = ["binance", "bybit", "okx"]
    requests = [one for venue in venues for one in requests_of(venue, standin)]
    report, landed = await round_of(venues, requests)
    status = {(one.request.venue, one.status) for one in report.outcomes}
    assert status == {("binance", "done"), ("okx", "done"), ("bybit", "unavailable")}
    assert count(landed, "ohlcv", "bybit") == 0
    assert count(landed, "ohlcv", "okx") == 2 * 107
    assert report.venues["bybit"].errors
    assert "bybit" in str(report.venues["bybit"].last_error)


async def test_a_venue_that_fails_after_listing_is_given_up_soon(round_of, standin, client_at):
    venue = "okx"
    async with client_at(venue, policy=RequestPolicy(attempts=2, give_up_after=3)) as client:
        await client.known_instruments()
        standin.faults.add("server_error", venue=venue)
        many = [one for _ in range(30) for one in requests_of(venue, standin)]
        report, _ = await round_of([venue], many, clients=[client])
        statuses = [one.status for one in report.outcomes]
        assert set(statuses) == {"unavailable", "not_reached"}
        assert statuses.count("not_reached") > 150
        # Three requests of two attempts each, and what was under way beside them.
        assert report.venues[venue].calls < 1 + 2 * (3 + client.concurrency)
        assert report.venues[venue].skipped > 150


async def test_a_slow_venue_ends_with_its_budget_and_what_came_is_landed(
    round_of, standin, client_at
):
    async with client_at("okx") as client:
        await client.known_instruments()
        standin.faults.add("latency", venue="okx", endpoint="mark_candles", seconds=30.0)
        report, landed = await round_of(
            ["okx"], requests_of("okx", standin), clients=[client], budget_seconds=1.5
        )
    status = {one.request.kind: one.status for one in report.outcomes}
    assert status["mark_ohlc"] == "not_reached"
    assert status["ohlcv"] == status["open_interest_now"] == "done"
    assert count(landed, "ohlcv") == 2 * 107
    assert count(landed, "mark_ohlc") == 0


async def test_one_answer_that_serves_three_requests_is_requested_once(round_of, standin):
    now = instant(standin.now)
    start = now - dt.timedelta(hours=1)
    kinds = ("open_interest", "realised_liquidation", "long_short_ratio")
    requests = [Request("gate", kind, (SYMBOLS[0],), start, now) for kind in kinds]
    report, landed = await round_of(["gate"], requests)
    assert {one.status for one in report.outcomes} == {"done"}
    assert report.venues["gate"].calls == 2
    assert count(landed, "open_interest") == 12
    assert count(landed, "long_short_ratio") == 4 * 12
    periods = {
        row["period_start_at"]
        for batch in landed
        if batch.kind == "realised_liquidation"
        for row in batch.table.to_pylist()
    }
    # The period that ended last is in, although its open interest was requested by its end.
    assert max(periods) == instant(standin.now // BAR * BAR - BAR)


async def test_kinds_a_venue_does_not_publish_are_rejected_and_cost_no_call(round_of, standin):
    now = instant(standin.now)
    requests = [
        Request("mexc", "open_interest", (SYMBOLS[0],), now - dt.timedelta(hours=1), now),
        Request("mexc", "ohlcv", ("NOPE/USDT:USDT",), now - dt.timedelta(hours=1), now),
    ]
    report, landed = await round_of(["mexc"], requests)
    assert [one.status for one in report.outcomes] == ["rejected", "rejected"]
    assert report.venues["mexc"].calls == 1
    assert landed == []


async def test_previous_observations_reach_the_door(round_of, standin):
    previous = {
        "okx": {SYMBOLS[0]: Observation(instant(standin.now - BAR), 1e9)},
    }
    report, landed = await round_of(
        ["okx"], [Request("okx", "open_interest_now", SYMBOLS)], previous=previous
    )
    del report
    assert count(landed, "open_interest") in (1, 2)


async def test_instruments_are_a_request_like_others(round_of):
    report, landed = await round_of(["gate"], [Request("gate", "instrument")])
    assert report.outcomes[0].status == "done"
    assert count(landed, "instrument") == 5


async def test_large_results_are_landed_on_the_way(round_of, standin, monkeypatch):
    monkeypatch.setattr(rounds, "ROWS_PER_LANDING", 100)
    now = instant(standin.now)
    landed = []

    async def land(batch):
        await asyncio.sleep(0)
        landed.append(batch.table.num_rows)

    request = Request("okx", "open_interest", (SYMBOLS[0],), now - dt.timedelta(hours=24), now)
    report, _ = await round_of(["okx"], [request], land=land)
    assert report.outcomes[0].status == "done"
    assert len(landed) >= 2
    assert sum(landed) == report.outcomes[0].rows


async def test_requests_without_a_client_are_a_mistake(round_of):
    with pytest.raises(ValueError, match="names 'bybit', but clients are open for okx"):
        await round_of(["okx"], [Request("bybit", "instrument")])
