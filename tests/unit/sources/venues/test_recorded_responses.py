"""Bodies that venues really sent, read as the client reads them."""

import datetime as dt
import json
from pathlib import Path

import pytest

from sources.venues.declared import VENUES
from sources.venues.instruments import Instrument
from sources.venues.page_reader import read_page
from sources.venues.request import endpoints_of, specs_of
from sources.venues.responses import ResponseContext

BODIES = Path(__file__).parents[4] / "../shared/data/exchange_responses"
LATER = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)

pytestmark = pytest.mark.skipif(
    not BODIES.exists(), reason="no recorded answers of venues beside the project"
)


def body(name):
    return json.loads((BODIES / f"{name}.json").read_text())


def read(venue, kind, name, size=1.0, contract_kind="linear", correct=lambda answer: answer):
    product = next(p for p in VENUES[venue].products if p.contract_kind == contract_kind)
    market = {"id": "ID", "info": {"fundingInterval": 480}}
    instrument = Instrument(
        venue, "X", "X", "USDT", contract_kind, size, 1.0, None, True, product, "ID", "X", market
    )
    spec = specs_of(product, kind)[0]
    context = ResponseContext(venue, {"ID": instrument}, LATER, "request")
    page = read_page(spec, endpoints_of(spec)[0], correct(body(name)), context)
    return {batch.kind: batch.table.to_pylist() for batch in page.batches}


def test_binance_open_interest_history_has_amount_and_value_in_text():
    told = read("binance", "open_interest", "binance_openInterestHist")
    assert [row["open_interest_quantity"] for row in told["open_interest"]] == [
        20403.637,
        20401.367,
    ]
    assert told["open_interest"][0]["received_value"] == pytest.approx(150570784.07809979)
    assert told["open_interest"][0]["observed_at"] == dt.datetime(2020, 3, 2, 5, 45, tzinfo=dt.UTC)


def test_okx_candles_of_five_minutes_are_in_contracts():
    def settled(answer):
        for row in answer["data"]:
            row[8] = "1"
        return answer

    told = read("okx", "ohlcv", "okx_candles", size=0.01, correct=settled)
    # The sample is of one-minute bars: the second is off the five-minute grid.
    (row,) = told["ohlcv"]
    assert row["volume_quantity"] == pytest.approx(778.838 * 0.01)
    assert told["quarantine"][0]["column_name"] == "time"


def test_okx_candles_that_the_venue_has_not_confirmed_are_not_final():
    # All states of the sample are 0, years after the bars ended.
    assert read("okx", "ohlcv", "okx_candles", size=0.01)["ohlcv"] == []


@pytest.mark.parametrize(
    ("venue", "name", "expected"),
    [
        ("binance", "binance_fundingRate", [-0.0375, 0.0001]),
        ("bybit", "bybit_funding_history", [0.00015, 0.0001]),
        # What was paid, not what was predicted.
        ("okx", "okx_funding_rate_history", [-0.00002, 0.00015]),
    ],
)
def test_funding_comes_oldest_first(venue, name, expected):
    told = read(venue, "funding_rate", name)["funding_rate"]
    assert [row["funding_rate_ratio"] for row in told] == pytest.approx(expected)


def test_payments_carry_no_interval_that_holds_today():
    rows = read("bybit", "funding_rate", "bybit_funding_history")["funding_rate"]
    assert [row["funding_interval_hours"] for row in rows] == [None, None]


async def listed(answers, quick_client, venue, path, name):
    answers.by_path[path] = body(name)
    async with quick_client(venue, answers.base_url, lambda: LATER) as client:
        batches = await client.instruments()
    rows = {row["instrument"]: row for row in batches[0].table.to_pylist()}
    return rows, [batch for batch in batches if batch.kind == "quarantine"], answers.asked


async def test_binance_lists_perpetuals_alone_in_one_call(answers, quick_client):
    rows, refused, asked = await listed(
        answers,
        quick_client,
        "binance",
        "/binance/fapi/v1/exchangeInfo",
        "binance_fapi_exchangeInfo",
    )
    assert len(asked) == 1
    assert not refused
    assert len(rows) > 80
    assert not any("-" in name for name in rows)
    assert (rows["1000SHIB/USDT:USDT"]["asset"], rows["1000SHIB/USDT:USDT"]["base_multiplier"]) == (
        "SHIB",
        1000.0,
    )
    assert rows["BTC/USDT:USDT"]["tick_size"] == pytest.approx(0.01)


async def test_okx_lists_both_kinds_with_their_sizes_in_one_call(answers, quick_client):
    rows, refused, asked = await listed(
        answers, quick_client, "okx", "/okx/api/v5/public/instruments", "okx_instruments_SWAP"
    )
    assert len(asked) == 1
    assert not refused
    assert rows["BTC/USDT:USDT"]["contract_size"] == 0.01
    assert rows["BTC/USD:BTC"]["contract_size"] == 100.0
    assert rows["BTC/USD:BTC"]["contract_kind"] == "inverse"
    assert rows["DOGE/USDT:USDT"]["contract_size"] == 1000.0


async def test_gate_lists_its_sizes_in_one_call_a_settle(answers, quick_client):
    answers.by_path["/gate/api/v4/futures/btc/contracts"] = []
    rows, _, asked = await listed(
        answers,
        quick_client,
        "gate",
        "/gate/api/v4/futures/usdt/contracts",
        "gate_futures_usdt_contracts",
    )
    assert len(asked) == 2
    assert rows["BTC/USDT:USDT"]["contract_size"] == 0.0001
    assert rows["XRP/USDT:USDT"]["contract_size"] == 10.0
    assert len(rows) > 200
