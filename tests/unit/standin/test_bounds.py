"""Bounds, limits, orders and reach of history are those of each venue, traps included."""

from collections.abc import Callable
from typing import Any

import aiohttp
import ccxt
import pytest
from standin import DAY, HOUR, MINUTE, Standin

START = 1_772_323_200_000
STEP = 5 * MINUTE
Connect = Callable[..., Any]


def steps(times: list[Any], unit: int = 1) -> list[int]:
    return [(int(time) * unit - START) // STEP for time in times]


class TestBinance:
    async def test_bounds_are_inclusive_and_rows_rise(self, connect: Connect) -> None:
        client = await connect("binanceusdm")
        ask = {"symbol": "BTCUSDT", "interval": "5m", "limit": 10}
        bounds = {"startTime": START - 3 * STEP, "endTime": START - STEP}
        rows = await client.fapiPublicGetKlines({**ask, **bounds})
        assert steps([row[0] for row in rows]) == [-3, -2, -1]
        rows = await client.fapiPublicGetKlines({**ask, "endTime": START - 1})
        assert steps([row[0] for row in rows]) == list(range(-10, 0))

    async def test_too_long_a_page_is_refused(self, connect: Connect) -> None:
        client = await connect("binanceusdm")
        with pytest.raises(ccxt.BadRequest):
            await client.fapiPublicGetKlines({"symbol": "BTCUSDT", "interval": "5m", "limit": 1501})

    async def test_statistics_reach_thirty_days_back(self, connect: Connect) -> None:
        client = await connect("binanceusdm")
        ask = {"symbol": "BTCUSDT", "period": "5m", "limit": 500}
        with pytest.raises(ccxt.BadRequest, match="startTime"):
            await client.fapiDataGetOpenInterestHist({**ask, "startTime": START - 31 * DAY})
        low = START - 29 * DAY
        rows = await client.fapiDataGetOpenInterestHist({**ask, "startTime": low})
        assert len(rows) == 500
        assert int(rows[0]["timestamp"]) == low

    async def test_without_a_limit_thirty_newest_rows_come(self, connect: Connect) -> None:
        client = await connect("binanceusdm")
        rows = await client.fapiDataGetOpenInterestHist({"symbol": "BTCUSDT", "period": "5m"})
        assert steps([row["timestamp"] for row in rows]) == list(range(-28, 2))

    async def test_the_host_of_inverse_contracts_asks_by_pair(self, connect: Connect) -> None:
        client = await connect("binancecoinm")
        rows = await client.dapiDataGetOpenInterestHist(
            {"pair": "BTCUSD", "contractType": "PERPETUAL", "period": "1h", "limit": 2}
        )
        assert all(row["pair"] == "BTCUSD" and "symbol" not in row for row in rows)

    async def test_settlements_are_stamped_late_and_bounded_by_their_stamps(
        self, connect: Connect
    ) -> None:
        client = await connect("binanceusdm")
        ask = {"symbol": "BTCUSDT", "startTime": START - 10 * DAY}
        rows = await client.fapiPublicGetFundingRate(ask)
        stamps = [int(row["fundingTime"]) for row in rows]
        assert {stamp % HOUR for stamp in stamps} - {0}
        again = await client.fapiPublicGetFundingRate({**ask, "startTime": stamps[3]})
        assert int(again[0]["fundingTime"]) == stamps[3]
        after = await client.fapiPublicGetFundingRate({**ask, "startTime": stamps[3] + 1})
        assert int(after[0]["fundingTime"]) == stamps[4]


class TestBybit:
    async def test_rows_fall_and_are_counted_back_from_the_end(self, connect: Connect) -> None:
        client = await connect("bybit")
        ask = {"category": "linear", "symbol": "BTCUSDT", "interval": "5", "limit": 3}
        rows = await client.publicGetV5MarketKline(
            {**ask, "start": START - 10 * STEP, "end": START - STEP}
        )
        assert steps([row[0] for row in rows["result"]["list"]]) == [-1, -2, -3]
        rows = await client.publicGetV5MarketKline({**ask, "start": START - 10 * STEP})
        assert steps([row[0] for row in rows["result"]["list"]]) == [-8, -9, -10]

    async def test_open_interest_ignores_a_start_alone(self, connect: Connect) -> None:
        client = await connect("bybit")
        ask = {"category": "linear", "symbol": "BTCUSDT", "intervalTime": "5min", "limit": 2}
        rows = await client.publicGetV5MarketOpenInterest({**ask, "startTime": START - DAY})
        assert steps([row["timestamp"] for row in rows["result"]["list"]]) == [1, 0]

    async def test_the_cursor_walks_back_without_gap_or_overlap(self, connect: Connect) -> None:
        client = await connect("bybit")
        ask = {"category": "linear", "symbol": "BTCUSDT", "intervalTime": "5min", "limit": 4,
               "startTime": START - 9 * STEP, "endTime": START}  # fmt: skip
        seen: list[int] = []
        cursor = ""
        for _ in range(5):
            page = await client.publicGetV5MarketOpenInterest(
                {**ask, **({"cursor": cursor} if cursor else {})}
            )
            seen += steps([row["timestamp"] for row in page["result"]["list"]])
            cursor = page["result"]["nextPageCursor"]
            if not cursor:
                break
        assert seen == list(range(0, -10, -1))

    async def test_funding_refuses_a_start_without_an_end(self, connect: Connect) -> None:
        client = await connect("bybit")
        with pytest.raises(ccxt.BadRequest):
            await client.publicGetV5MarketFundingHistory(
                {"category": "linear", "symbol": "BTCUSDT", "startTime": START - DAY}
            )


class TestOkx:
    async def test_bounds_are_exclusive_and_rows_fall(self, connect: Connect) -> None:
        client = await connect("okx")
        ask = {"instId": "BTC-USDT-SWAP", "bar": "5m"}
        rows = await client.publicGetMarketCandles(
            {**ask, "before": START - 4 * STEP, "after": START - STEP}
        )
        assert steps([row[0] for row in rows["data"]]) == [-2, -3]

    async def test_a_lower_bound_alone_gives_the_newest_rows(self, connect: Connect) -> None:
        client = await connect("okx")
        ask = {"instId": "BTC-USDT-SWAP", "bar": "5m", "limit": 3}
        rows = await client.publicGetMarketCandles({**ask, "before": START - DAY})
        assert steps([row[0] for row in rows["data"]]) == [1, 0, -1]

    async def test_only_the_running_candle_is_unconfirmed(self, connect: Connect) -> None:
        client = await connect("okx")
        ask = {"instId": "BTC-USDT-SWAP", "bar": "5m", "limit": 5}
        recent = await client.publicGetMarketCandles(ask)
        assert [row[-1] for row in recent["data"]] == ["0", "1", "1", "1", "1"]
        older = await client.publicGetMarketHistoryCandles(ask)
        assert {row[-1] for row in older["data"]} == {"1"}

    async def test_recent_candles_and_statistics_end_where_the_venue_forgets(
        self, connect: Connect
    ) -> None:
        client = await connect("okx")
        ask = {"instId": "BTC-USDT-SWAP", "bar": "5m", "after": START - 6 * DAY}
        assert (await client.publicGetMarketCandles(ask))["data"] == []
        assert (await client.publicGetMarketHistoryCandles(ask))["data"]
        statistics = client.publicGetRubikStatContractsOpenInterestHistory
        kept = await statistics({"instId": "BTC-USDT-SWAP", "end": START - 2 * DAY})
        gone = await statistics({"instId": "BTC-USDT-SWAP", "end": START - 4 * DAY})
        assert kept["data"]
        assert gone["data"] == []

    async def test_mark_candles_come_by_a_hundred(self, connect: Connect) -> None:
        client = await connect("okx")
        ask = {"instId": "BTC-USDT-SWAP", "bar": "5m", "limit": 300}
        assert len((await client.publicGetMarketCandles(ask))["data"]) == 300
        assert len((await client.publicGetMarketMarkPriceCandles(ask))["data"]) == 100


class TestGate:
    async def test_bounds_are_inclusive_seconds(self, connect: Connect) -> None:
        client = await connect("gate")
        ask = {"settle": "usdt", "contract": "BTC_USDT", "interval": "5m"}
        rows = await client.publicFuturesGetSettleCandlesticks(
            {**ask, "from": (START - 3 * STEP) // 1000, "to": START // 1000}
        )
        assert steps([row["t"] for row in rows], 1000) == [-3, -2, -1, 0]

    async def test_a_limit_with_bounds_and_too_wide_bounds_are_refused(
        self, connect: Connect
    ) -> None:
        client = await connect("gate")
        ask = {"settle": "usdt", "contract": "BTC_USDT", "interval": "5m"}
        with pytest.raises(ccxt.BadRequest, match="limit"):
            await client.publicFuturesGetSettleCandlesticks(
                {**ask, "from": START // 1000, "limit": 5}
            )
        with pytest.raises(ccxt.BadRequest, match="2000"):
            await client.publicFuturesGetSettleCandlesticks(
                {**ask, "from": (START - 20 * DAY) // 1000}
            )

    async def test_statistics_come_by_a_hundred_from_the_start_on(self, connect: Connect) -> None:
        client = await connect("gate")
        ask = {"settle": "usdt", "contract": "BTC_USDT", "interval": "5m", "limit": 1000}
        low = START - 10 * DAY
        rows = await client.publicFuturesGetSettleContractStats({**ask, "from": low // 1000})
        assert len(rows) == 100
        assert int(rows[0]["time"]) * 1000 == low

    async def test_ccxt_asks_for_liquidations_since_a_time_no_venue_knows(
        self, connect: Connect
    ) -> None:
        """ccxt sends milliseconds where seconds are wanted, so `since` finds nothing."""
        client = await connect("gate")
        assert await client.fetch_liquidations("BTC/USDT:USDT", START - HOUR) == []
        assert await client.fetch_liquidations("BTC/USDT:USDT")


class TestOthers:
    async def test_hyperliquid_keeps_five_thousand_candles(self, connect: Connect) -> None:
        client = await connect("hyperliquid")
        ask = {"coin": "BTC", "interval": "5m", "startTime": START - 39 * DAY, "endTime": START}
        rows = await client.publicPostInfo({"type": "candleSnapshot", "req": ask})
        # 5000 back from the running one, of which the end leaves out one.
        assert steps([row["t"] for row in rows]) == list(range(-4998, 1))

    async def test_hyperliquid_returns_five_hundred_fundings_from_the_start(
        self, connect: Connect
    ) -> None:
        client = await connect("hyperliquid")
        rows = await client.publicPostInfo(
            {"type": "fundingHistory", "coin": "BTC", "startTime": START - 30 * DAY}
        )
        assert len(rows) == 500
        assert (int(rows[0]["time"]) - (START - 30 * DAY)) < 100

    async def test_bitget_leaves_out_the_end_and_counts_back_from_it(
        self, connect: Connect
    ) -> None:
        client = await connect("bitget")
        rows = await client.publicMixGetV2MixMarketCandles(
            {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "granularity": "5m",
             "startTime": START - DAY, "endTime": START, "limit": 3}
        )  # fmt: skip
        assert steps([row[0] for row in rows["data"]]) == [-3, -2, -1]

    async def test_htx_ignores_bounds_beside_a_size(self, connect: Connect) -> None:
        client = await connect("htx")
        rows = await client.contractPublicGetLinearSwapExMarketHistoryKline(
            {"contract_code": "BTC-USDT", "period": "5min", "size": 2,
             "from": (START - DAY) // 1000, "to": START // 1000}
        )  # fmt: skip
        assert steps([row["id"] for row in rows["data"]], 1000) == [0, 1]

    async def test_ccxt_gives_last_prices_for_marks_where_there_are_none(
        self, connect: Connect
    ) -> None:
        for venue, symbol in (("hyperliquid", "BTC/USDC:USDC"), ("deribit", "BTC/USD:BTC")):
            client = await connect(venue)
            last = await client.fetch_ohlcv(symbol, "5m", START - HOUR, 3)
            mark = await client.fetch_ohlcv(symbol, "5m", START - HOUR, 3, {"price": "mark"})
            assert mark == last

    async def test_pages_of_numbered_fundings_join(self, connect: Connect) -> None:
        client = await connect("bitget")
        ask = {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "pageSize": 50}
        pages = [
            (await client.publicMixGetV2MixMarketHistoryFundRate({**ask, "pageNo": page}))["data"]
            for page in (1, 2, 3)
        ]
        times = [int(row["fundingTime"]) for page in pages for row in page]
        assert times == sorted(set(times), reverse=True)
        assert len(times) == 40 * 3 + 1


MOST = [
    ("binance", "/fapi/v1/klines?symbol=BTCUSDT&interval=5m&limit=1500", "candles"),
    ("binance", "/futures/data/openInterestHist?symbol=BTCUSDT&period=5m&limit=500",
     "open_interest_history"),
    ("bybit", "/v5/market/kline?category=linear&symbol=BTCUSDT&interval=5&limit=5000", "candles"),
    ("bybit", "/v5/market/open-interest?category=linear&symbol=BTCUSDT&intervalTime=5min&limit=999",
     "open_interest_history"),
    ("okx", "/api/v5/market/candles?instId=BTC-USDT-SWAP&bar=5m&limit=999", "candles"),
    ("okx", "/api/v5/market/mark-price-candles?instId=BTC-USDT-SWAP&bar=5m&limit=999",
     "mark_candles"),
    ("okx", "/api/v5/rubik/stat/contracts/open-interest-history?instId=BTC-USDT-SWAP&limit=999",
     "open_interest_history"),
    ("gate", "/api/v4/futures/usdt/candlesticks?contract=BTC_USDT&interval=5m&limit=9999",
     "candles"),
    ("gate", "/api/v4/futures/usdt/contract_stats?contract=BTC_USDT&interval=5m&limit=999",
     "open_interest_history"),
    ("kucoin", f"/api/v1/kline/query?symbol=XBTUSDTM&granularity=5&from={START - DAY}",
     "candles"),
    ("htx", f"/linear-swap-ex/market/history/kline?contract_code=BTC-USDT&period=5min"
     f"&from={(START - 30 * DAY) // 1000}", "candles"),
    ("mexc", "/api/v1/contract/kline/BTC_USDT?interval=Min5", "candles"),
    ("deribit", "/api/v2/public/get_tradingview_chart_data?instrument_name=BTC-PERPETUAL"
     f"&resolution=5&start_timestamp={START - 39 * DAY}&end_timestamp={START}", "candles"),
    ("deribit", "/api/v2/public/get_funding_rate_history?instrument_name=BTC-PERPETUAL"
     f"&start_timestamp={START - 39 * DAY}&end_timestamp={START}", "funding_history"),
]  # fmt: skip


@pytest.mark.parametrize(("venue", "path", "endpoint"), MOST)
async def test_a_request_gives_as_many_rows_as_the_least_calls_are_counted_by(
    venue: str, path: str, endpoint: str, standin: Standin
) -> None:
    address = f"{standin.base_url}/{venue}{path}"
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        assert response.status == 200
    entry = standin.log[-1]
    assert entry.endpoint == endpoint
    assert standin.least_calls(venue, endpoint, entry.rows) == 1
    assert standin.least_calls(venue, endpoint, entry.rows + 1) == 2


async def test_an_interval_that_cannot_be_made_is_an_error_that_says_so(
    connect: Connect, standin: Standin
) -> None:
    client = await connect("binanceusdm")
    with pytest.raises(ccxt.ExchangeNotAvailable, match="bars of 300000 ms"):
        await client.fetch_ohlcv("BTC/USDT:USDT", "1m")


async def test_coarse_candles_are_made_of_fine_ones(connect: Connect) -> None:
    client = await connect("binanceusdm")
    fine = await client.fetch_ohlcv("BTC/USDT:USDT", "5m", START - HOUR, 12)
    coarse = (await client.fetch_ohlcv("BTC/USDT:USDT", "1h", START - HOUR, 1))[0]
    assert coarse[1:5] == [
        fine[0][1], max(row[2] for row in fine), min(row[3] for row in fine), fine[-1][4],
    ]  # fmt: skip
    assert coarse[5] == pytest.approx(sum(row[5] for row in fine))
