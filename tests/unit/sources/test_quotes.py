"""Prices of stablecoins, as three spot markets publish them."""

import datetime as dt
import json

import pytest
from aiohttp import web

from sources.errors import InputRejected, TransientSourceError
from sources.quotes import QUOTE_MARKETS, fetch_quote_rates, parse_quote_rates

NOW = dt.datetime(2026, 3, 3, 9, 20, tzinfo=dt.UTC)
SINCE = dt.datetime(2026, 3, 3, 6, tzinfo=dt.UTC)
MARKETS = {(market.venue, market.pair): market for market in QUOTE_MARKETS}
KRAKEN, BITSTAMP, BINANCE = (
    MARKETS["kraken", "USDT/USD"],
    MARKETS["bitstamp", "USDC/USD"],
    MARKETS["binance", "USDC/USDT"],
)


def second(hour):
    return int(dt.datetime(2026, 3, 3, hour, tzinfo=dt.UTC).timestamp())


def kraken(*candles):
    rows = [[second(hour), "1", "1", "1", str(close), "1", "9", 3] for hour, close in candles]
    return {"error": [], "result": {"USDTZUSD": rows, "last": 0}}


def bitstamp(*candles):
    rows = [{"timestamp": str(second(hour)), "open": "1", "close": str(c)} for hour, c in candles]
    return {"data": {"pair": "USDC/USD", "ohlc": rows}}


def binance(*candles):
    return [[second(hour) * 1000, "1", "1", "1", str(close)] for hour, close in candles]


@pytest.mark.parametrize(
    ("market", "spell"), [(KRAKEN, kraken), (BITSTAMP, bitstamp), (BINANCE, binance)]
)
def test_closes_stand_at_the_end_of_their_hour_and_the_running_one_is_left_out(market, spell):
    answer = spell((5, 0.9), (6, 0.9991), (7, 1.0002), (8, 0.9993), (9, 0.7))
    (batch,) = parse_quote_rates(
        json.dumps(answer).encode(), market, since=SINCE, until=NOW, now=NOW
    )
    rows = batch.table.to_pylist()
    assert [(row["observed_at"].hour, row["price"]) for row in rows] == [
        (7, 0.9991),
        (8, 1.0002),
        (9, 0.9993),
    ]
    assert {(row["venue"], row["pair"]) for row in rows} == {(market.venue, market.pair)}


@pytest.mark.parametrize(
    ("candle", "reason"),
    [
        ((7, 0), "less than half or more than twice par"),
        ((7, 65_000), "less than half or more than twice par"),
        ((7, "x"), "not a finite number"),
        ((12, 1), "lies in the future"),
    ],
)
def test_what_is_no_price_of_a_stablecoin_is_set_aside(candle, reason):
    body = json.dumps(kraken((6, 1.0), candle)).encode()
    good, refused = parse_quote_rates(body, KRAKEN, since=SINCE, until=NOW, now=NOW)
    assert good.table.num_rows == 1
    (row,) = refused.table.to_pylist()
    assert reason in row["reason"]
    assert row["input_name"] == "kraken USDT/USD"


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b'{"error": ["EQuery:Unknown asset pair"]}', b'{"result": {"USDTZUSD": 5}}'],
)
def test_an_answer_without_candles_is_refused(body):
    with pytest.raises(InputRejected, match=r"kraken USDT/USD: the response has no candles"):
        parse_quote_rates(body, KRAKEN, since=SINCE, until=NOW, now=NOW)


async def test_another_hour_is_requested_in_the_unit_of_the_market(answers):
    answers.by_path["/api/v3/klines"] = binance((6, 1.0))
    (batch,) = await fetch_quote_rates(
        BINANCE, since=SINCE, until=NOW, now=NOW, base_url=answers.base_url
    )
    assert batch.table.num_rows == 1
    assert answers.requests[0].query["startTime"] == str(second(5) * 1000)
    answers.by_path["/0/public/OHLC"] = lambda _: web.Response(status=503)
    with pytest.raises(TransientSourceError, match="503"):
        await fetch_quote_rates(KRAKEN, since=SINCE, until=NOW, now=NOW, base_url=answers.base_url)
    assert answers.requests[1].query["since"] == str(second(5))
    answers.by_path["/api/v2/ohlc/usdcusd/"] = bitstamp((6, 1.0))
    await fetch_quote_rates(BITSTAMP, since=SINCE, until=NOW, now=NOW, base_url=answers.base_url)
    assert answers.requests[2].query["start"] == str(second(5))
    assert answers.requests[2].query["end"] == str(int(NOW.timestamp()))
