"""The stand-in's answers have the fields and types that venues document, and really sent."""

from collections.abc import Callable
from typing import Any

import pytest
from standin import HOUR, Standin
from workbench.venue_bodies import documented_body, needs_recordings, recorded_body

START = 1_772_323_200_000
BodyOf = Callable[[str], Any]

pytestmark = pytest.mark.parametrize(
    "body_of",
    [
        pytest.param(documented_body, id="documented"),
        pytest.param(recorded_body, id="recorded", marks=needs_recordings),
    ],
)


def kinds(row: Any) -> Any:
    """Return the types of a row's fields, numbers of either kind being one."""
    if isinstance(row, dict):
        return {name: kinds(value) for name, value in row.items()}
    if isinstance(row, list):
        return [kinds(value) for value in row]
    if isinstance(row, bool):
        return bool
    return float if isinstance(row, int | float) else type(row)


async def raw(standin: Standin, path: str, body: Any = None) -> Any:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        address = f"{standin.base_url}{path}"
        request = session.post(address, json=body) if body else session.get(address)
        async with request as response:
            return await response.json()


def check(actual: Any, real: Any, *, without: set[str] = frozenset()) -> None:
    """Check that an answer has every field of the real row, of the same type."""
    if isinstance(real, list):
        assert kinds(actual) == kinds(real)
        return
    missing = set(real) - set(actual) - without
    assert not missing
    for name in set(real) & set(actual):
        if real[name] is not None and actual[name] is not None:
            assert kinds(actual[name]) == kinds(real[name]), name


async def test_binance_rows(standin: Standin, body_of: BodyOf) -> None:
    info = await raw(standin, "/binance/fapi/v1/exchangeInfo")
    real = body_of("binance_fapi_exchangeInfo")
    assert set(real) <= set(info)
    contract = next(row for row in real["symbols"] if row["symbol"] == "BTCUSDT")
    filters = {row["filterType"]: row for row in info["symbols"][0]["filters"]}
    check({**info["symbols"][0], "filters": []}, {**contract, "filters": []})
    for one in contract["filters"]:
        if one["filterType"] != "MAX_NUM_ALGO_ORDERS":
            check(filters[one["filterType"]], one)
    bars = "symbol=BTCUSDT&interval=5m&limit=2"
    for path, name in (
        (f"klines?{bars}", "binance_klines"),
        (f"markPriceKlines?{bars}", "binance_markPriceKlines"),
        ("fundingRate?symbol=BTCUSDT&limit=2", "binance_fundingRate"),
    ):
        check((await raw(standin, f"/binance/fapi/v1/{path}"))[0], body_of(name)[0])
    answer = await raw(standin, "/binance/fapi/v1/openInterest?symbol=BTCUSDT")
    check(answer, body_of("binance_openInterest"))
    answer = await raw(standin, "/binance/futures/data/openInterestHist?symbol=BTCUSDT&period=5m")
    # The documentation writes the time as text; it is a number.
    real_row = body_of("binance_openInterestHist")[0]
    check(answer[0], {**real_row, "timestamp": int(real_row["timestamp"])})


async def test_bybit_rows(standin: Standin, body_of: BodyOf) -> None:
    for category, name in (
        ("linear", "bybit_instruments_linear"), ("inverse", "bybit_instruments_inverse"),
    ):  # fmt: skip
        answer = await raw(standin, f"/bybit/v5/market/instruments-info?category={category}")
        real = body_of(name)
        assert set(real) <= set(answer)
        check(answer["result"]["list"][0], real["result"]["list"][0])
    path = "/bybit/v5/market/kline?category=linear&symbol=BTCUSDT&interval=5&limit=2"
    answer = await raw(standin, path)
    check(answer["result"]["list"][0], body_of("bybit_kline_linear")["result"]["list"][0])
    path = "/bybit/v5/market/funding/history?category=linear&symbol=BTCUSDT"
    answer = await raw(standin, path)
    check(answer["result"]["list"][0], body_of("bybit_funding_history")["result"]["list"][0])


async def test_okx_rows(standin: Standin, body_of: BodyOf) -> None:
    answer = await raw(standin, "/okx/api/v5/public/instruments?instType=SWAP")
    check(answer["data"][0], body_of("okx_instruments_SWAP")["data"][0])
    answer = await raw(standin, "/okx/api/v5/market/candles?instId=BTC-USDT-SWAP&bar=5m")
    check(answer["data"][0], body_of("okx_candles")["data"][0])
    answer = await raw(standin, "/okx/api/v5/public/funding-rate-history?instId=BTC-USDT-SWAP")
    check(answer["data"][0], body_of("okx_funding_rate_history")["data"][0])
    path = "/okx/api/v5/public/position-tiers?instType=SWAP&tdMode=cross&instFamily=BTC-USDT"
    answer = await raw(standin, path)
    check(answer["data"][0], body_of("okx_position_tiers")["data"][0])


async def test_gate_rows(standin: Standin, body_of: BodyOf) -> None:
    answer = await raw(standin, "/gate/api/v4/futures/usdt/contracts")
    real = next(row for row in body_of("gate_futures_usdt_contracts") if row["name"] == "BTC_USDT")
    check(next(row for row in answer if row["name"] == "BTC_USDT"), real)


async def test_hyperliquid_rows(standin: Standin, body_of: BodyOf) -> None:
    answer = await raw(standin, "/hyperliquid/info", {"type": "meta"})
    real = body_of("hyperliquid_meta")
    # The recorded sample writes absent flags as null.
    check(answer["universe"][0], real["universe"][0], without={"isDelisted", "onlyIsolated"})
    ask = {"coin": "BTC", "interval": "5m", "startTime": START - HOUR, "endTime": START}
    rows = await raw(standin, "/hyperliquid/info", {"type": "candleSnapshot", "req": ask})
    assert set(rows[0]) == {"t", "T", "s", "i", "o", "c", "h", "l", "v", "n"}
