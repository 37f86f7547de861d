"""Accounts of Hyperliquid: their book adds up, follows the venue's rule, and is what is served."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from standin import DAY as A_DAY
from standin import (
    HOUR,
    MINUTE,
    MarketData,
    Population,
    PopulationParameters,
    Standin,
    synthetic_market,
)
from standin.population.book import all_prices, liquidation_price, required

START = 1_772_323_200_000
FEW = PopulationParameters(accounts=120, trades_per_second=2.0)


@pytest.fixture(scope="module")
def coins() -> MarketData:
    return synthetic_market(
        start=START - A_DAY,
        end=START + A_DAY,
        venues=("hyperliquid",),
        assets={"BTC": 70_000.0, "SOL": 90.0, "PEPE": 4e-6},
    )


def population(coins: MarketData, **changed: Any) -> Population:
    parameters = PopulationParameters(**{"accounts": 120, "trades_per_second": 2.0, **changed})
    return Population(coins, start=START, names=["BTC", "SOL", "kPEPE"], parameters=parameters)


@pytest.fixture
async def standin(coins: MarketData) -> AsyncIterator[Standin]:
    async with Standin(coins, now=START, accounts=FEW) as running:
        yield running


class Client:
    """A client of one stand-in."""

    def __init__(self, standin: Standin, session: aiohttp.ClientSession) -> None:
        self.url = f"{standin.base_url}/hyperliquid"
        self.session = session

    async def info(self, kind: str, **fields: Any) -> Any:
        async with self.session.post(f"{self.url}/info", json={"type": kind, **fields}) as answer:
            return await answer.json(content_type=None) if answer.status == 200 else answer.status

    async def listed(self) -> Any:
        async with self.session.get(f"{self.url}/Mainnet/leaderboard") as answer:
            return await answer.json()


@pytest.fixture
async def client(standin: Standin) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(standin, session)


def test_every_contract_has_a_long_and_a_short_to_the_last_lot(coins: MarketData) -> None:
    people = population(coins)
    people.advance(START + HOUR)
    lots = np.bincount(people.book.coin, weights=people.book.lots, minlength=len(people.names))
    assert_allclose(lots, 0.0, atol=0)
    assert people.tape.counts[0] - people.first_trade > 1000


def test_it_is_the_same_however_often_it_is_moved_on(coins: MarketData) -> None:
    often, seldom = population(coins), population(coins)
    for minute in range(1, 11):
        often.advance(START + minute * MINUTE)
    seldom.advance(START + 10 * MINUTE)
    for one, other in zip(often.book, seldom.book, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_gives_other_accounts(coins: MarketData) -> None:
    assert population(coins, seed=1).addresses[0] != population(coins).addresses[0]


def test_nobody_stands_beyond_his_liquidation_price(coins: MarketData) -> None:
    people = population(coins)
    people.advance(START + HOUR)
    book = people.true_book()
    traders = people.book.kind[book.account] < 2
    price, mark = book.liquidation_price[traders], book.mark[book.coin[traders]]
    beyond = np.where(book.is_long[traders], price / mark, mark / price) - 1.0
    # Within the second in which the mark has moved, but no one has been liquidated yet.
    assert np.nanmax(beyond) < 1e-3
    assert set(people.hours) == {START}


@pytest.mark.parametrize("lots", [5, -5, 40_000, -40_000])
def test_equity_is_the_requirement_at_the_liquidation_price(lots: int) -> None:
    lot, mark, free, most = 0.01, 60_000.0, 3_000.0, 40
    price = liquidation_price(lots, lot, mark, abs(lots) * lot * free, most)
    equity = abs(lots) * lot * free + lots * lot * (price - mark)
    assert_allclose(equity, required(abs(lots) * lot * price, most), rtol=1e-12)


def test_the_rule_gives_the_price_that_the_formula_of_an_isolated_long_gives() -> None:
    # 25 times at a coin of 40 times: E (1 - 1/L) / (1 - 1.25 %).
    price = liquidation_price(1, 0.1, 60_000.0, 6_000.0 / 25, 40)
    assert_allclose(price, 60_000 * (1 - 1 / 25) / (1 - 0.0125), rtol=1e-12)


async def test_states_are_the_true_book(standin: Standin, client: Client) -> None:
    standin.enforce_limits = False
    await standin.advance(10 * MINUTE)
    people = standin.population
    assert people is not None
    served: list[tuple[str, str, float, float]] = []
    for address in people.addresses:
        for dex in people.dexes:
            state = await client.info("clearinghouseState", user=address, dex=dex)
            assert state["time"] == standin.now
            served += [
                (
                    address,
                    row["position"]["coin"],
                    float(row["position"]["szi"]),
                    float(row["position"]["liquidationPx"] or np.nan),
                )
                for row in state["assetPositions"]
            ]
    prices = all_prices(people.book)
    used = np.flatnonzero(people.book.lots)
    true = [
        (
            people.addresses[people.book.account[slot]],
            people.names[people.book.coin[slot]],
            people.book.lots[slot] * people.book.lot[people.book.coin[slot]],
            prices[slot],
        )
        for slot in used
    ]
    served.sort()
    true.sort()
    assert [row[:2] for row in served] == [row[:2] for row in true]
    assert_allclose([row[2] for row in served], [row[2] for row in true], rtol=1e-9)
    assert_allclose([row[3] for row in served], [row[3] for row in true], rtol=1e-6)


async def test_open_interest_counts_both_sides(standin: Standin, client: Client) -> None:
    people = standin.population
    assert people is not None
    universe, contexts = await client.info("metaAndAssetCtxs")
    assert [coin["name"] for coin in universe["universe"]] == ["BTC", "SOL", "kPEPE"]
    sent = [float(context["openInterest"]) for context in contexts]
    assert_allclose(sent, 2 * people.open_interest()[:3], rtol=1e-9)
    universe, _ = await client.info("metaAndAssetCtxs", dex="xyz")
    assert {coin["name"] for coin in universe["universe"]} == {"xyz:GOLD", "xyz:SILVER"}
    assert await client.info("metaAndAssetCtxs", dex="nowhere") == 500


async def test_weights_are_counted_by_the_clock_of_the_stand_in(
    standin: Standin, client: Client
) -> None:
    user = standin.population.addresses[0] if standin.population else ""
    for _ in range(600):
        assert await client.info("clearinghouseState", user=user) != 429
    assert await client.info("clearinghouseState", user=user) == 429
    await standin.advance(MINUTE)
    assert await client.info("clearinghouseState", user=user) != 429
    # What was refused was sent all the same.
    assert standin.ledger("hyperliquid").peaks["weight"] == 1202


async def test_trades_name_both_accounts(standin: Standin, client: Client) -> None:
    people = standin.population
    assert people is not None
    async with client.session.ws_connect(f"{client.url}/ws") as socket:
        await socket.send_json(
            {"method": "subscribe", "subscription": {"type": "trades", "coin": "BTC"}}
        )
        assert (await socket.receive_json())["channel"] == "subscriptionResponse"
        assert (await socket.receive_json())["data"] == []
        await standin.advance(5 * MINUTE)
        trades = (await asyncio.wait_for(socket.receive_json(), 5))["data"]
        await socket.send_json({"method": "ping"})
        assert await socket.receive_json() == {"channel": "pong"}
    assert {trade["coin"] for trade in trades} == {"BTC"}
    assert len({trade["tid"] for trade in trades}) == len(trades) > 10
    for trade in trades:
        assert set(trade["users"]) <= set(people.addresses)
        assert START <= trade["time"] < standin.now
    buyer = trades[0]["users"][0]
    fills = await client.info("userFillsByTime", user=buyer, startTime=START)
    assert trades[0]["tid"] in {fill["tid"] for fill in fills}


async def test_liquidated_accounts_have_a_fill_that_says_so(coins: MarketData) -> None:
    people = population(coins, accounts=600)
    people.advance(START + 3 * HOUR)
    from standin.population import wording

    total = int(people.tape.counts[0])
    forced = np.flatnonzero(people.tape.method[:total] > 0)
    forced = forced[forced >= people.first_trade]
    assert len(forced)
    for row in forced:
        account = int(people.tape.liquidated[row])
        fills = wording.fills_of(people, people.addresses[account], START, people.now)
        actual = [fill["liquidation"] for fill in fills if "liquidation" in fill]
        assert people.addresses[account] in {each["liquidatedUser"] for each in actual}


async def test_the_leaderboard_lacks_the_poorest(standin: Standin, client: Client) -> None:
    rows = (await client.listed())["leaderboardRows"]
    values = [float(row["accountValue"]) for row in rows]
    assert 50 < len(rows) < FEW.accounts
    assert len({row["ethAddress"] for row in rows}) == len(rows)
    assert values[0] == max(values)


async def test_faults_of_accounts(standin: Standin, client: Client) -> None:
    people = standin.population
    assert people is not None
    holder = people.addresses[int(np.argmax(people.book.n_positions))]
    whole = await client.info("clearinghouseState", user=holder)
    size = len(whole["assetPositions"])

    standin.faults.add("missing_field", endpoint="account_state", symbol=holder, times=1)
    partial = await client.info("clearinghouseState", user=holder)
    assert {len(row["position"]) for row in partial["assetPositions"]} >= {10}

    standin.faults.add("zero_size", endpoint="account_state", times=1)
    zero = await client.info("clearinghouseState", user=holder)
    assert sum(row["position"]["szi"] == "0.0" for row in zero["assetPositions"]) == 1

    standin.faults.add("empty", endpoint="account_state", times=1)
    assert (await client.info("clearinghouseState", user=holder))["assetPositions"] == []

    standin.faults.add("stale_state", endpoint="account_state", after=1, times=1)
    fresh = await client.info("clearinghouseState", user=holder)
    await standin.advance(MINUTE)
    assert await client.info("clearinghouseState", user=holder) == fresh
    assert (await client.info("clearinghouseState", user=holder))["time"] == standin.now

    standin.faults.add("reorganised_list", times=1)
    assert set(await client.listed()) == {"data"}
    standin.faults.add("limit_factor", venue="hyperliquid", factor=0.001)
    assert await client.info("clearinghouseState", user=holder) == 429
    standin.faults.clear()

    people.steer(rename=("SOL", "SOLANA"), vanish=holder)
    universe, _ = await client.info("metaAndAssetCtxs")
    assert "SOLANA" in {coin["name"] for coin in universe["universe"]}
    assert (await client.info("clearinghouseState", user=holder))["assetPositions"] == []
    assert size


async def test_a_broken_subscription_is_refused(standin: Standin, client: Client) -> None:
    async with client.session.ws_connect(f"{client.url}/ws") as socket:
        for sent in ("{", json.dumps({"method": "subscribe", "subscription": {"type": "trades"}})):
            await socket.send_str(sent)
            assert (await socket.receive_json())["channel"] == "error"
