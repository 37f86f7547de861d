"""Documented budgets are enforced and counted; ccxt's own pacing stays within most of them."""

from collections.abc import Callable
from typing import Any

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standin import HOUR, Standin
from standin.budgets import Budget, Ledger

START = 1_772_323_200_000
Connect = Callable[..., Any]


async def test_weight_beyond_the_budget_is_refused_in_the_venue_s_words(
    connect: Connect, standin: Standin
) -> None:
    client = await connect("binanceusdm")
    # 40 a call of 2400 a minute, one spent on the list of contracts.
    for _ in range(59):
        await client.fapiPublicGetTicker24hr()
    with pytest.raises(ccxt.DDoSProtection, match="2400 requests per minute"):
        await client.fapiPublicGetTicker24hr()
    assert standin.refused["binance"] == 1
    assert int(client.last_response_headers["Retry-After"]) <= 60


async def test_statistics_have_a_budget_of_their_own(connect: Connect, standin: Standin) -> None:
    client = await connect("binanceusdm")
    ledger = standin.ledger("binance")
    await client.fetch_open_interest_history("BTC/USDT:USDT", "1h", START - 5 * HOUR, 3)
    assert ledger.used(standin.elapsed(), "statistics") == 1
    assert ledger.budgets["statistics"] == Budget(300, 1000)


async def test_okx_counts_each_endpoint_and_contract(connect: Connect, standin: Standin) -> None:
    client = await connect("okx")
    history = client.publicGetPublicFundingRateHistory
    for _ in range(10):
        await history({"instId": "BTC-USDT-SWAP"})
    await history({"instId": "SOL-USDT-SWAP"})
    with pytest.raises(ccxt.RateLimitExceeded):
        await history({"instId": "BTC-USDT-SWAP"})


async def test_hyperliquid_charges_by_what_it_returned(connect: Connect, standin: Standin) -> None:
    client = await connect("hyperliquid")
    ledger = standin.ledger("hyperliquid")
    before = ledger.used(standin.elapsed(), "weight")
    await client.fetch_ohlcv("BTC/USDC:USDC", "5m", START - 100 * HOUR)
    spent = ledger.used(standin.elapsed(), "weight") - before
    assert spent == 20 + 1202 // 60


async def test_limits_can_be_switched_off(connect: Connect, standin: Standin) -> None:
    standin.enforce_limits = False
    client = await connect("binanceusdm")
    for _ in range(65):
        await client.fapiPublicGetTicker24hr()
    assert not standin.refused


@given(st.lists(st.floats(0.0, 2.0), min_size=1, max_size=60))
def test_no_window_ever_holds_more_than_its_budget(gaps: list[float]) -> None:
    ledger = Ledger({"ip": Budget(seconds=5.0, weight=7.0)})
    granted: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        if ledger.spend(now, "ip", "candles", "", 1.0) == 0.0:
            granted.append(now)
    for end in granted:
        assert sum(1 for at in granted if end - 5.0 < at <= end) <= 7


@given(st.floats(0.0, 4.9))
def test_the_named_wait_is_long_enough(gap: float) -> None:
    ledger = Ledger({"ip": Budget(seconds=5.0, weight=1.0)})
    ledger.spend(0.0, "ip", "", "", 1.0)
    wait = ledger.spend(gap, "ip", "", "", 1.0)
    assert ledger.spend(gap + wait + 1e-6, "ip", "", "", 1.0) == 0.0
