"""Answers come within the shared weight, are requested again while that helps, and name nobody."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import numpy as np
import pytest
from standin import DAY, MINUTE, PopulationParameters, Standin, synthetic_market

from sources.accounts.info_client import (
    InfoClient,
    InfoPolicy,
    read_contexts,
    read_dexes,
)
from sources.accounts.weight_budget import WeightBudget
from sources.errors import ProviderRejected, ProviderUnavailable
from sources.retry import RetryPolicy

START = 1_772_323_200_000
ONCE = InfoPolicy(RetryPolicy(attempts=1), timeout_seconds=5.0)
THRICE = InfoPolicy(RetryPolicy(attempts=3), timeout_seconds=5.0)


@pytest.fixture(scope="module")
def coins():
    return synthetic_market(
        start=START - DAY,
        end=START + DAY,
        venues=("hyperliquid",),
        assets={"BTC": 70_000.0, "SOL": 90.0, "PEPE": 4e-6},
    )


@pytest.fixture
async def standin(coins) -> AsyncIterator[Standin]:
    few = PopulationParameters(accounts=120, trades_per_second=2.0)
    async with Standin(coins, now=START, accounts=few) as running:
        await running.advance(MINUTE)
        yield running


@pytest.fixture
def slept():
    return []


@pytest.fixture
def sleep(standin, slept):
    """Return a sleep that moves the stand-in's clock."""

    async def moved(seconds):
        slept.append(seconds)
        await standin.advance(round(seconds * 1000) + 1)

    return moved


@pytest.fixture
def budget(standin, tmp_path, sleep):
    one = WeightBudget(tmp_path / "weights.sqlite", lambda: standin.now / 1000, sleep)
    yield one
    one.close()


@pytest.fixture
async def client(standin, budget, sleep):
    """Return a maker of clients of the stand-in, in its time."""
    async with aiohttp.ClientSession() as session:
        yield lambda policy=THRICE: InfoClient(
            session, f"{standin.base_url}/hyperliquid", budget, sleep=sleep, policy=policy
        )


def holder(standin):
    people = standin.population
    return people.addresses[int(np.argmax(people.book.n_positions))]


async def test_states_are_the_true_book(standin, client):
    info, address = client(), holder(standin)
    states = [await info.state(address, dex) for dex in ("", *await info.dexes())]
    true = standin.population.true_book()
    owned = np.flatnonzero(np.array(standin.population.addresses)[true.account] == address)
    positions = [position for state in states for position in state.positions]
    assert not any(state.faults for state in states)
    assert len(positions) == len(owned) > 0
    assert sum(one.quantity * one.mark_price for one in positions) == pytest.approx(
        sum(true.quantity[owned] * true.mark[true.coin[owned]]), rel=1e-3
    )


async def test_contexts_hold_one_side_of_open_interest_per_asset_unit(standin, client):
    contexts = await client().contexts()
    people = standin.population
    one_side = people.open_interest()
    assert list(contexts) == ["BTC", "SOL", "kPEPE"]
    assert contexts["BTC"].open_interest_quantity == pytest.approx(one_side[0])
    pepe = contexts["kPEPE"]
    assert pepe.asset == "PEPE"
    assert pepe.open_interest_quantity == pytest.approx(1000 * one_side[2])
    assert pepe.mark_price == pytest.approx(4e-6, rel=0.2)
    assert contexts["BTC"].max_leverage > 1


async def test_builders_dexes_are_listed_and_their_coins_are_assets_of_their_own(client):
    info = client()
    (dex,) = await info.dexes()
    contexts = await info.contexts(dex)
    assert {one.asset for one in contexts.values()} == {"XYZ-GOLD", "XYZ-SILVER"}
    assert {one.dex for one in contexts.values()} == {"xyz"}


async def test_requests_weigh_what_the_venue_counts_and_never_exceed_it(standin, client, budget):
    info, address = client(ONCE), holder(standin)
    await info.contexts()
    await info.state(address)
    await info.fills(address, datetime.fromtimestamp(START / 1000 - 86_400, tz=UTC))
    ledger = standin.ledger("hyperliquid")
    assert budget.usage().used == ledger.used(standin.now / 1000, "weight") > 42
    for address in standin.population.addresses * 10:
        await info.state(address)
    assert ledger.peaks["weight"] <= 1200
    assert ledger.refused == 0


async def test_fills_are_read_page_by_page(standin, client, budget):
    """Fills of one instant may be on two pages: the next begins where the last ends."""
    address = "0x" + "ab" * 20

    def fill(number):
        block = {"liquidatedUser": address, "markPx": "1", "method": "market"}
        return {
            "coin": "BTC", "px": "1", "sz": "1", "side": "A", "time": START + number // 2,
            "tid": number, "liquidation": block if number % 500 == 0 else None,
        }  # fmt: skip

    pages = []

    def page(_):
        first = pages[-1] if pages else START
        rows = [fill(number) for number in range(4500) if START + number // 2 >= first][:2000]
        pages.append(rows[-1]["time"])
        return rows

    standin.faults.add("altered", endpoint="account_fills", alter=page)
    found = await client().fills(address, datetime.fromtimestamp(START / 1000, tz=UTC))
    assert [int(one.order_key) for one in found] == list(range(0, 4500, 500))
    assert len(pages) == 3
    assert budget.usage().used == 20 + 100 + 20 + 100 + 20 + 25


async def test_a_refusal_pauses_everybody_and_is_sent_again(standin, client, budget, slept):
    info, address = client(), holder(standin)
    standin.faults.add("too_many_requests", endpoint="account_state", times=1)
    assert (await info.state(address)).positions
    assert sum(slept) >= 1
    standin.faults.add("too_many_requests", endpoint="account_state", times=9)
    with pytest.raises(ProviderUnavailable, match="refused with 429") as refused:
        await info.state(address)
    assert refused.value.status == 429
    assert budget.usage().paused_seconds > 0


async def test_a_limit_that_shrinks_is_found_and_kept(standin, client, budget):
    info = client(InfoPolicy(RetryPolicy(attempts=6), timeout_seconds=5.0))
    standin.faults.add("limit_factor", venue="hyperliquid", factor=0.25)
    for address in (standin.population.addresses * 10)[:1000]:
        await info.state(address)
    assert budget.usage().limit < 600
    assert standin.ledger("hyperliquid").refused < 20


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "truncated"}, "the answer is no JSON"),
        ({"kind": "server_error", "status": 502}, "refused with 502"),
        ({"kind": "cut_in_answer"}, "ClientPayloadError|ServerDisconnected"),
        ({"kind": "cut_before_answer"}, "ServerDisconnected"),
        ({"kind": "time_out", "seconds": 0.1}, "no answer within|ServerDisconnected"),
    ],
)
async def test_a_passing_fault_is_passed_and_a_lasting_one_names_no_account(
    standin, client, fault, message, caplog
):
    info, address = client(), holder(standin)
    standin.faults.add(**fault, endpoint="account_state", times=2)
    assert (await info.state(address)).positions
    standin.faults.add(**fault, endpoint="account_state")
    with caplog.at_level(logging.DEBUG), pytest.raises(ProviderUnavailable, match=message) as lost:
        await client(ONCE).state(address)
    assert f"clearinghouseState of {address[:6]}..." in str(lost.value)
    for text in (str(lost.value), caplog.text):
        assert address not in text


async def test_faults_within_a_state_stay_with_their_position(standin, client):
    info, address = client(), holder(standin)
    whole = await info.state(address)
    standin.faults.add("zero_size", endpoint="account_state", times=1)
    assert len((await info.state(address)).positions) == len(whole.positions) - 1
    standin.faults.add("empty", endpoint="account_state", times=1)
    assert (await info.state(address)).positions == ()
    standin.faults.add("stale_state", endpoint="account_state", after=1, times=1)
    fresh = await info.state(address)
    await standin.advance(MINUTE)
    assert (await info.state(address)).at == fresh.at


async def test_an_account_the_venue_does_not_know_has_an_empty_state(client):
    state = await client().state("0x" + "12" * 20)
    assert (state.positions, state.faults) == ((), ())


async def test_lists_are_read_and_a_reorganised_one_is_named(standin, client):
    info = client(ONCE)
    leaderboard, vaults = await info.leaderboard(), await info.vaults()
    assert 20 < len(leaderboard.addresses) <= 120
    assert leaderboard.malformed == vaults.malformed == 0
    assert set(vaults.addresses) <= set(standin.population.addresses)
    standin.faults.add("reorganised_list", endpoint="leaderboard")
    with pytest.raises(ProviderRejected, match="does not hold leaderboardRows"):
        await info.leaderboard()
    standin.faults.add("truncated", endpoint="vaults")
    with pytest.raises(ProviderRejected, match="vaults is no JSON or was cut short"):
        await info.vaults()


async def test_a_venue_out_of_reach_is_said_within_the_attempts(tmp_path):
    budget = WeightBudget(tmp_path / "weights.sqlite")
    async with aiohttp.ClientSession() as session:
        info = InfoClient(session, "http://127.0.0.1:9", budget, policy=ONCE)
        with pytest.raises(ProviderUnavailable, match="check the network and the address"):
            await info.state("0x" + "ab" * 20)
    assert budget.usage().used == 2
    budget.close()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "no universe and contexts"),
        ([{"universe": []}], "no universe and contexts"),
        ([{"universe": [{"name": "BTC"}]}, []], "1 contracts with 0 contexts"),
    ],
)
def test_contexts_that_do_not_go_together_are_refused(body, message):
    with pytest.raises(ProviderRejected, match=message):
        read_contexts(body)


def test_contexts_without_figures_are_left_open_and_delisted_coins_left_out():
    universe = [{"name": "BTC"}, {"name": "FTM", "isDelisted": True}, {"name": None}, None]
    contexts = [{"markPx": None, "openInterest": "-1"}, {"markPx": "1"}, {}, {}]
    read = read_contexts([{"universe": universe}, contexts])
    assert list(read) == ["BTC"]
    figures = (read["BTC"].mark_price, read["BTC"].open_interest_quantity, read["BTC"].max_leverage)
    assert all(map(np.isnan, figures))


def test_the_venues_own_dex_is_none_of_the_builders():
    assert read_dexes([None, {"name": "xyz"}, {"name": ""}, {"fullName": "?"}]) == ["xyz"]
    with pytest.raises(ProviderRejected, match="no list of dexes"):
        read_dexes({})
