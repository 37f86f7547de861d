"""A client of a venue, at a stand-in of the market or at answers written by hand."""

import asyncio
import datetime as dt
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from standin import DAY, MINUTE, VENUES, Faults, Standin, synthetic_market

from sources.venues.client import VenueClient
from sources.venues.connection import Connection
from sources.venues.pacer import RequestPolicy, Timing
from sources.venues.request import Request

START = 1_772_323_200_000  # 2026-03-01
NOW = START + 2 * DAY + 7 * MINUTE + 12_345


def instant(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, tz=dt.UTC)


@pytest.fixture(scope="session")
def market():
    return synthetic_market(
        start=START,
        end=START + 3 * DAY,
        venues=VENUES,
        assets={"BTC": 70_000.0, "ETH": 2_100.0, "PEPE": 4e-6},
        inverse_assets=("BTC", "ETH"),
    )


@pytest.fixture
async def standin(market) -> AsyncIterator[Standin]:
    async with Standin(market, now=NOW, faults=Faults(seed=1), enforce_limits=False) as one:
        yield one


class FetchingClient(VenueClient):
    """A client with a method for each kind of data, which returns all batches at once."""

    async def collect(self, kind, instruments, start=None, end=None, previous=None):
        request = Request(self.venue.name, kind, tuple(instruments), start, end)
        return [batch async for part in self.fetch(request, previous) for batch in part]

    async def ohlcv(self, instrument, start, end):
        return await self.collect("ohlcv", [instrument], start, end)

    async def mark_ohlc(self, instrument, start, end):
        return await self.collect("mark_ohlc", [instrument], start, end)

    async def open_interest_now(self, instruments, previous=None):
        return await self.collect("open_interest_now", instruments, previous=previous)

    async def open_interest_history(self, instrument, start, end, previous=None):
        return await self.collect("open_interest", [instrument], start, end, previous)

    async def funding(self, instrument, start, end):
        return await self.collect("funding_rate", [instrument], start, end)

    async def long_short_ratio(self, instrument, start, end):
        return await self.collect("long_short_ratio", [instrument], start, end)

    async def liquidations(self, instrument, start, end):
        return await self.collect("realised_liquidation", [instrument], start, end)

    async def brackets(self, instruments):
        return await self.collect("leverage_bracket", instruments)


@pytest.fixture
def quick_client() -> Callable[..., Any]:
    """Return an opener of clients that neither wait long nor tell the real time."""

    @asynccontextmanager
    async def opened(
        venue: str, base_url: str, clock: Callable[[], dt.datetime], **settings: Any
    ) -> AsyncIterator[VenueClient]:
        slept: list[float] = settings.pop("slept", [])

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            await asyncio.sleep(0)

        connection = settings.pop("connection", Connection(base_url, timeout_seconds=5.0))
        client = FetchingClient(
            venue,
            clock=clock,
            rng=random.Random(0),  # noqa: S311 (jitter)
            connection=connection,
            policy=settings.pop("policy", RequestPolicy()),
            timing=Timing(settings.pop("sleep", sleep)),
            **settings,
        )
        async with client:
            # The pace of real venues is tested by itself.
            client._exchange.enableRateLimit = False
            yield client

    return opened


@pytest.fixture
def client_at(standin, quick_client):
    """Return an opener of clients at the stand-in, in its time."""
    return lambda venue, **settings: quick_client(
        venue, standin.base_url, lambda: instant(standin.now), **settings
    )


@dataclass
class Answers:
    """A server with scripted answers: one answer for each path, or a function."""

    base_url: str = ""
    by_path: dict[str, Any] = field(default_factory=dict)
    requests: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        answer = self.by_path.get(request.path)
        if callable(answer):
            answer = answer(request)
            if isinstance(answer, Awaitable):
                answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        if answer is None:
            return web.Response(status=404, text=f"nothing at {request.path}")
        return web.Response(text=json.dumps(answer), content_type="application/json")


@pytest.fixture
async def answers() -> AsyncIterator[Answers]:
    """Yield a server on loopback whose answers a test writes."""
    said = Answers()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", said.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    said.base_url = f"http://127.0.0.1:{port}"
    yield said
    await runner.cleanup()
