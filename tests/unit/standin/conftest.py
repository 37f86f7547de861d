"""One small market, a stand-in of it, and ccxt clients that are pointed at it and closed."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from standin import (
    DAY,
    MINUTE,
    VENUES,
    MarketData,
    Pace,
    Standin,
    follow_clock,
    point_at,
    synthetic_market,
)

START = 1_772_323_200_000  # 2026-03-01
NOW = START + 7 * MINUTE + 1_234


@pytest.fixture(scope="session")
def market() -> MarketData:
    return synthetic_market(
        start=START - 40 * DAY,
        end=START + DAY,
        venues=VENUES,
        assets={"BTC": 70_000.0, "SOL": 90.0, "PEPE": 4e-6},
        inverse_assets=("BTC",),
        pace=Pace(liquidations_per_day=480.0),
        seed=7,
    )


@pytest.fixture
async def standin(market: MarketData) -> AsyncIterator[Standin]:
    async with Standin(market, now=NOW) as running:
        yield running


@pytest.fixture
async def connect(standin: Standin) -> AsyncIterator[Callable[..., Any]]:
    """Return a maker of ccxt clients that speak to the stand-in and live in its time."""
    import ccxt.async_support
    import ccxt.pro

    clients: list[Any] = []

    async def make(venue: str, *, is_pro: bool = False, **settings: Any) -> Any:
        library = ccxt.pro if is_pro else ccxt.async_support
        # Pacing costs time and is only of interest where limits are tested.
        paced = {"timeout": 5_000, "enableRateLimit": False, **settings}
        # ccxt keeps KuCoin's futures under an id of their own.
        client = getattr(library, {"kucoin": "kucoinfutures"}.get(venue, venue))(paced)
        client.timeout_on_exit = 0
        clients.append(client)
        point_at(client, standin.base_url)
        follow_clock(client, standin)
        await client.load_markets()
        return client

    yield make
    for client in clients:
        await client.close()
