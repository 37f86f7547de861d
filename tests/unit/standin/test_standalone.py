"""The stand-in by itself: another process, a thread, and both ways to import it."""

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from standin import DAY, MINUTE, Standin, serving, synthetic_market

START = 1_772_323_200_000
TESTS = Path(__file__).parents[2]


def ask(address: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(address, data, timeout=10) as answer:  # noqa: S310  # loopback
        return json.loads(answer.read())


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [sys.executable, str(TESTS / "standin"), "--venues", "binance,okx", "--assets", "2",
               "--days", "1", "--now", str(START), "--speed", "0"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def test_it_serves_from_a_process_of_its_own(address: str) -> None:
    assert ask(f"{address}/binance/fapi/v1/time") == {"serverTime": START}
    actual = ask(f"{address}/okx/api/v5/public/instruments?instType=SWAP")
    assert {row["instId"] for row in actual["data"]} >= {"BTC-USDT-SWAP", "ETH-USDT-SWAP"}


def test_it_is_steered_from_outside(address: str) -> None:
    path = f"{address}/binance/fapi/v1/klines?symbol=BTCUSDT&interval=5m&limit=2"
    ask(f"{address}/_control/clock", {"now": START})
    ask(f"{address}/_control/forget")
    assert ask(path)[-1][0] == START - 5 * MINUTE
    state = ask(f"{address}/_control/clock", {"advance": 7 * MINUTE})
    assert state["now"] == START + 7 * MINUTE
    assert ask(path)[-1][0] == START + 5 * MINUTE
    ask(f"{address}/_control/faults", {"add": [{"kind": "empty", "endpoint": "candles"}]})
    assert ask(path) == []
    ask(f"{address}/_control/faults", {"clear": True})
    assert len(ask(path)) == 2
    state = ask(f"{address}/_control/state")
    assert state["counts"] == {"binance candles": 4}
    assert state["faults"] == {"binance empty": 1}
    assert [entry["rows"] for entry in ask(f"{address}/_control/log")] == [2, 2, 0, 2]
    settings = {"latency_seconds": 0.01, "enforce_limits": False}
    ask(f"{address}/_control/settings", settings)
    assert len(ask(path)) == 2


def test_it_serves_from_a_thread_for_code_without_a_loop() -> None:
    market = synthetic_market(start=START - DAY, end=START + DAY)
    with serving(Standin(market, now=START)) as standin:
        path = f"{standin.base_url}/binance/fapi/v1/klines?symbol=BTCUSDT&interval=5m&limit=1"
        assert ask(path)[-1][0] == START - 5 * MINUTE
        standin.now += MINUTE
        assert ask(path)[-1][0] == START


async def test_it_stops_at_once_whatever_is_under_way() -> None:
    async with asyncio.timeout(5):
        async with Standin(synthetic_market(start=START - DAY, end=START), now=START) as standin:
            standin.faults.add("time_out", seconds=50)
            async with aiohttp.ClientSession(standin.base_url) as session:
                asking = asyncio.create_task(session.get("/binance/fapi/v1/time"))
                while not standin.log:
                    await asyncio.sleep(0.005)
                asking.cancel()


def test_time_runs_where_it_is_let() -> None:
    standin = Standin(synthetic_market(start=START - DAY, end=START + DAY), now=START)
    assert standin.now == START
    standin.run(speed=1_000_000)
    while standin.now == START:
        pass
    standin.run(speed=0)
    assert standin.now == standin.now > START


@pytest.mark.parametrize(
    "code",
    [
        f"import sys; sys.path.insert(0, {str(TESTS)!r}); import standin",
        "import importlib.util as u, sys; "
        f"s = u.spec_from_file_location('standin', {str(TESTS / 'standin' / '__init__.py')!r}); "
        "m = u.module_from_spec(s); sys.modules['standin'] = m; s.loader.exec_module(m); "
        "import standin",
    ],
    ids=["by the path of its folder", "by its file"],
)
def test_it_is_imported_either_way_and_without_ccxt(code: str) -> None:
    code += "; assert standin.Standin; assert 'ccxt' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd="/")
