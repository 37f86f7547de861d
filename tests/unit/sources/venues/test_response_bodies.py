"""Bodies as venues document them, and as they really sent them, read as the client reads them."""

import datetime as dt

import pytest
from workbench.venue_bodies import documented_body, needs_recordings, recorded_body

from sources.venues.declared import VENUES
from sources.venues.instruments import Instrument
from sources.venues.page_reader import read_page
from sources.venues.request import endpoints_of, specs_of
from sources.venues.responses import ResponseContext

LATER = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def documented(*expected):
    return pytest.param(documented_body, *expected)


def recorded(*expected):
    return pytest.param(recorded_body, *expected, marks=needs_recordings)


every_body = pytest.mark.parametrize("body_of", [documented(), recorded()])


def read(venue, kind, body, size=1.0, contract_kind="linear"):
    product = next(p for p in VENUES[venue].products if p.contract_kind == contract_kind)
    market = {"id": "ID", "info": {"fundingInterval": 480}}
    instrument = Instrument(
        venue, "X", "X", "USDT", contract_kind, size, 1.0, None, True, product, "ID", "X", market
    )
    spec = specs_of(product, kind)[0]
    context = ResponseContext(venue, {"ID": instrument}, LATER, "request")
    page = read_page(spec, endpoints_of(spec)[0], body, context)
    return {batch.kind: batch.table.to_pylist() for batch in page.batches}


@pytest.mark.parametrize(
    ("body_of", "amounts", "first_value", "first_at"),
    [
        documented(
            [91234.567, 91230.123],
            6387333435.845,
            dt.datetime(2026, 2, 27, 0, 5, tzinfo=dt.UTC),
        ),
        recorded(
            [20403.637, 20401.367],
            150570784.07809979,
            dt.datetime(2020, 3, 2, 5, 45, tzinfo=dt.UTC),
        ),
    ],
)
def test_binance_open_interest_history_has_amount_and_value_in_text(
    body_of, amounts, first_value, first_at
):
    rows = read("binance", "open_interest", body_of("binance_openInterestHist"))["open_interest"]
    assert [row["open_interest_quantity"] for row in rows] == amounts
    assert rows[0]["received_value"] == pytest.approx(first_value)
    assert rows[0]["observed_at"] == first_at


@pytest.mark.parametrize(("body_of", "contracts"), [documented(250), recorded(778.838)])
def test_okx_candles_of_five_minutes_are_in_contracts(body_of, contracts):
    body = body_of("okx_candles")
    for row in body["data"]:
        row[8] = "1"
    rows = read("okx", "ohlcv", body, size=0.01)
    # The second bar of both samples is off the five-minute grid.
    (row,) = rows["ohlcv"]
    assert row["volume_quantity"] == pytest.approx(contracts * 0.01)
    assert rows["quarantine"][0]["column_name"] == "time"


@every_body
def test_okx_candles_that_the_venue_has_not_confirmed_are_not_final(body_of):
    # All states of the samples are 0, long after the bars ended.
    assert read("okx", "ohlcv", body_of("okx_candles"), size=0.01)["ohlcv"] == []


@pytest.mark.parametrize(
    ("body_of", "venue", "name", "expected"),
    [
        documented("binance", "binance_fundingRate", [-0.000125, 0.0001]),
        recorded("binance", "binance_fundingRate", [-0.0375, 0.0001]),
        documented("bybit", "bybit_funding_history", [0.00025, 0.0001]),
        recorded("bybit", "bybit_funding_history", [0.00015, 0.0001]),
        # What was paid, not what was predicted.
        documented("okx", "okx_funding_rate_history", [-0.00003, 0.00017]),
        recorded("okx", "okx_funding_rate_history", [-0.00002, 0.00015]),
    ],
)
def test_funding_comes_oldest_first(body_of, venue, name, expected):
    rows = read(venue, "funding_rate", body_of(name))["funding_rate"]
    assert [row["funding_rate_ratio"] for row in rows] == pytest.approx(expected)


@every_body
def test_payments_carry_no_interval_that_holds_today(body_of):
    rows = read("bybit", "funding_rate", body_of("bybit_funding_history"))["funding_rate"]
    assert [row["funding_interval_hours"] for row in rows] == [None, None]


async def listed(answers, quick_client, venue, path, body):
    answers.by_path[path] = body
    async with quick_client(venue, answers.base_url, lambda: LATER) as client:
        batches = await client.instruments()
    rows = {row["instrument"]: row for row in batches[0].table.to_pylist()}
    return rows, [batch for batch in batches if batch.kind == "quarantine"], answers.requests


@pytest.mark.parametrize(("body_of", "least"), [documented(2), recorded(81)])
async def test_binance_lists_perpetuals_alone_in_one_call(answers, quick_client, body_of, least):
    rows, refused, requests = await listed(
        answers,
        quick_client,
        "binance",
        "/binance/fapi/v1/exchangeInfo",
        body_of("binance_fapi_exchangeInfo"),
    )
    assert len(requests) == 1
    assert not refused
    assert len(rows) >= least
    assert not any("-" in name for name in rows)
    assert (rows["1000SHIB/USDT:USDT"]["asset"], rows["1000SHIB/USDT:USDT"]["base_multiplier"]) == (
        "SHIB",
        1000.0,
    )
    assert rows["BTC/USDT:USDT"]["tick_size"] == pytest.approx(0.01)


@every_body
async def test_okx_lists_both_kinds_with_their_sizes_in_one_call(answers, quick_client, body_of):
    rows, refused, requests = await listed(
        answers,
        quick_client,
        "okx",
        "/okx/api/v5/public/instruments",
        body_of("okx_instruments_SWAP"),
    )
    assert len(requests) == 1
    assert not refused
    assert rows["BTC/USDT:USDT"]["contract_size"] == 0.01
    assert rows["BTC/USD:BTC"]["contract_size"] == 100.0
    assert rows["BTC/USD:BTC"]["contract_kind"] == "inverse"
    assert rows["DOGE/USDT:USDT"]["contract_size"] == 1000.0


@pytest.mark.parametrize(("body_of", "least"), [documented(2), recorded(201)])
async def test_gate_lists_its_sizes_in_one_call_a_settle(answers, quick_client, body_of, least):
    answers.by_path["/gate/api/v4/futures/btc/contracts"] = []
    rows, _, requests = await listed(
        answers,
        quick_client,
        "gate",
        "/gate/api/v4/futures/usdt/contracts",
        body_of("gate_futures_usdt_contracts"),
    )
    assert len(requests) == 2
    assert rows["BTC/USDT:USDT"]["contract_size"] == 0.0001
    assert rows["XRP/USDT:USDT"]["contract_size"] == 10.0
    assert len(rows) >= least
