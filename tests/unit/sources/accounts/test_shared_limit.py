"""Ingestion and sweeps together never send more than the venue allows."""

import asyncio
from datetime import UTC, datetime

import aiohttp
import pytest
from standin import DAY, HOUR, MINUTE, Faults, PopulationParameters, Standin, synthetic_market

from sources.accounts.info_client import InfoClient
from sources.accounts.weight_budget import WeightBudget
from sources.venues.connection import Connection

START = 1_772_323_200_000
NOW = START + 2 * DAY


@pytest.fixture(scope="module")
def market():
    return synthetic_market(
        start=START,
        end=START + 3 * DAY,
        venues=("hyperliquid",),
        assets={"BTC": 70_000.0, "SOL": 90.0, "PEPE": 4e-6},
    )


def instant(milliseconds):
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


async def test_weights_of_both_are_those_the_venue_counts(market, quick_client, tmp_path):
    few = PopulationParameters(accounts=120, trades_per_second=2.0)
    async with Standin(market, now=NOW, faults=Faults(seed=1), accounts=few) as standin:

        async def sleep(seconds):
            # Each sleeps by itself: together they wait longer than they need.
            await standin.advance(round(seconds * 1000) + 1)

        def seconds():
            return standin.now / 1000

        # Two processes: two budgets on one file.
        path = tmp_path / "weights.sqlite"
        ours, theirs = (WeightBudget(path, seconds, sleep) for _ in range(2))
        url = f"{standin.base_url}/hyperliquid"
        connection = Connection(standin.base_url, timeout_seconds=5.0, shared_budget=theirs)

        async def sweep(session):
            info = InfoClient(session, url, ours, sleep=sleep)
            for address in standin.population.addresses * 10:
                await info.state(address)

        async def ingest():
            rows = 0
            opened = quick_client(
                "hyperliquid", standin.base_url, lambda: instant(standin.now), connection=connection
            )
            async with opened as client:
                for name in await client.known_instruments():
                    span = (instant(NOW - DAY), instant(NOW - HOUR))
                    for batches in (
                        await client.ohlcv(name, *span),
                        await client.funding(name, *span),
                        await client.open_interest_now([name]),
                        await client.brackets([name]),
                    ):
                        rows += sum(batch.table.num_rows for batch in batches)
            return rows

        async with aiohttp.ClientSession() as session:
            sweeping = asyncio.create_task(sweep(session))
            assert await ingest() > 3 * 250
            await sweeping
            await standin.advance(MINUTE)
            info = InfoClient(session, url, ours, sleep=sleep)
            await info.contexts()
            await info.state(standin.population.addresses[0])
        ledger = standin.ledger("hyperliquid")
        assert ledger.refused == 0
        assert 900 < ledger.peaks["weight"] <= 1200
        # What both believe to have used is what was counted.
        for budget in (ours, theirs):
            assert budget.usage().used == ledger.used(seconds(), "weight") == 22
            budget.close()
