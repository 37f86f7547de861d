"""Bitget v2 mix market (USDT-FUTURES and COIN-FUTURES), as www.bitget.com/api-doc documents it.

Candles come oldest first and are counted back from ``endTime``, which is exclusive.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from standin.answers import Answer, Call, Dialect, Refusal, candles_or_marks, route
from standin.budgets import Budget
from standin.market_data import DAY, HOUR, MINUTE, Candle, Instrument, Series
from standin.spelling import quoted_prices, text, typical_price

STEPS = {
    "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1H": HOUR, "4H": 4 * HOUR, "6Hutc": 6 * HOUR, "12Hutc": 12 * HOUR, "1Dutc": DAY,
    "6H": 6 * HOUR, "12H": 12 * HOUR, "1D": DAY,
}  # fmt: skip
PERIODS = {"5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE, "1h": HOUR, "4h": 4 * HOUR}
_PRODUCTS = {"USDT-FUTURES": False, "COIN-FUTURES": True}


def _is_mark(params: dict[str, str]) -> bool:
    return params.get("kLineType", "").lower() == "mark"


class Bitget(Dialect):
    venue = "bitget"
    most_rows: ClassVar[dict[str, int]] = {
        "candles": 1000, "mark_candles": 1000, "funding_history": 100,
    }  # fmt: skip
    budgets: ClassVar[dict[str, Budget]] = {"each": Budget(1, 20, "endpoint")}

    def market_id(self, instrument: Instrument) -> str:
        return f"{instrument.base}{instrument.quote}"

    def _error(self, code: str, message: str) -> dict[str, Any]:
        return {"code": code, "msg": message, "requestTime": 0, "data": None}

    def unknown_symbol(self, market_id: str) -> Refusal:
        return Refusal(400, self._error("40034", f"Parameter {market_id} does not exist"))

    def bad_parameter(self, name: str, value: str) -> Refusal:
        return Refusal(400, self._error("40017", f"Parameter verification failed {name}"))

    def too_many_requests(self, seconds: float) -> Refusal:
        return Refusal(429, self._error("429", "Too Many Requests"))

    def _answer(self, call: Call, rows: list[Any]) -> Answer:
        return Answer(rows, self._succeeded(call))

    def _succeeded(self, call: Call) -> Callable[[Any], dict[str, Any]]:
        """Return what the venue wraps around its data."""
        return lambda data: {
            "code": "00000",
            "msg": "success",
            "requestTime": call.server_time,
            "data": data,
        }

    def _listed(self, call: Call) -> list[tuple[str, Series]]:
        product = call.params.get("productType", "").upper()
        return call.listed(is_inverse=_PRODUCTS[product]) if product in _PRODUCTS else []

    def _series(self, call: Call) -> Series:
        series = call.series(call.params.get("symbol"))
        product = call.params.get("productType", "").upper()
        if _PRODUCTS.get(product) != series.instrument.is_inverse:
            raise self.unknown_symbol(call.params.get("symbol", ""))
        return series

    @route("GET /api/v2/public/time", "time", each=1)
    def time(self, call: Call) -> Answer:
        data = {"serverTime": str(call.server_time)}
        return Answer([], lambda _: self._succeeded(call)(data))

    @route("GET /api/v2/spot/public/coins", "currencies", each=1)
    @route("GET /api/v2/spot/public/symbols", "spot_instruments", each=1)
    @route("GET /api/v2/margin/currencies", "spot_instruments", each=1)
    def nothing(self, call: Call) -> Answer:
        return self._answer(call, [])

    @route("GET /api/v2/mix/market/contracts", "instruments", each=1)
    def contracts(self, call: Call) -> Answer:
        rows = []
        for market_id, series in self._listed(call):
            instrument = series.instrument
            tick = text(instrument.tick_size)
            places = len(tick.partition(".")[2])
            rows.append(
                {
                    "symbol": market_id,
                    "baseCoin": instrument.base,
                    "quoteCoin": instrument.quote,
                    "buyLimitPriceRatio": "0.05",
                    "sellLimitPriceRatio": "0.05",
                    "feeRateUpRatio": "0.005",
                    "makerFeeRate": "0.0002",
                    "takerFeeRate": "0.0006",
                    "openCostUpRatio": "0.01",
                    "supportMarginCoins": [instrument.settle],
                    "minTradeNum": "0.001",
                    "priceEndStep": text(instrument.tick_size * 10**places),
                    "volumePlace": "3",
                    "pricePlace": str(places),
                    "sizeMultiplier": "0.001",
                    "symbolType": "perpetual",
                    "minTradeUSDT": "5",
                    "maxSymbolOrderNum": "200",
                    "maxProductOrderNum": "400",
                    "maxPositionNum": "150",
                    "symbolStatus": "normal",
                    "offTime": "-1",
                    "limitOpenTime": "-1",
                    "deliveryTime": "",
                    "deliveryStartTime": "",
                    "deliveryPeriod": "",
                    "launchTime": str(instrument.listed_at or ""),
                    "fundInterval": str(instrument.funding_interval_hours),
                    "minLever": "1",
                    "maxLever": str(instrument.max_leverage),
                    "posLimit": "0.05",
                    "maintainTime": "",
                }
            )
        return self._answer(call, rows)

    def _candle(self, instrument: Instrument, candle: Candle, *, is_mark: bool) -> list[str]:
        price = typical_price(candle)
        amounts = (
            ["0", "0"]
            if is_mark
            else [
                text(instrument.base_quantity(candle.quantity, price)),
                text(instrument.usd(candle.quantity, price)),
            ]
        )
        return [str(candle.start), *quoted_prices(instrument, candle), *amounts]

    def _candles(self, call: Call, *, most: int, is_recent: bool, is_mark: bool) -> Answer:
        series = self._series(call)
        step = call.step("granularity", STEPS)
        low, high = call.integer("startTime"), call.integer("endTime")
        if high is not None:
            high -= 1
        limit = call.limit("limit", 100, most, refuse=True)
        candles = call.candles(series, step, low, high, limit, from_end=True, is_mark=is_mark)
        rows = [
            self._candle(series.instrument, candle, is_mark=is_mark)
            for candle in candles
            if is_recent or candle.is_final
        ]
        return self._answer(call, rows)

    @route("GET /api/v2/mix/market/candles", candles_or_marks(_is_mark), each=1)
    def candles(self, call: Call) -> Answer:
        return self._candles(call, most=1000, is_recent=True, is_mark=_is_mark(call.params))

    @route("GET /api/v2/mix/market/history-candles", "candles", each=1)
    def history_candles(self, call: Call) -> Answer:
        return self._candles(call, most=200, is_recent=False, is_mark=False)

    @route("GET /api/v2/mix/market/history-mark-candles", "mark_candles", each=1)
    def history_mark_candles(self, call: Call) -> Answer:
        return self._candles(call, most=200, is_recent=False, is_mark=True)

    def _size(self, call: Call, series: Series) -> str:
        quantity = call.open_interest(series)
        return text(series.instrument.base_quantity(quantity, series.price(call.now)))

    @route("GET /api/v2/mix/market/open-interest", "open_interest", each=1)
    def open_interest(self, call: Call) -> Answer:
        rows = [{"symbol": call.params.get("symbol"), "size": self._size(call, self._series(call))}]
        succeeded = self._succeeded(call)
        return Answer(
            rows, lambda rows: succeeded({"openInterestList": rows, "ts": str(call.server_time)})
        )

    @route("GET /api/v2/mix/market/tickers", "tickers", each=1)
    def tickers(self, call: Call) -> Answer:
        rows = []
        for market_id, series in self._listed(call):
            instrument = series.instrument
            day = call.day(series)
            _, rate = series.funding_now(call.now)
            last, mark = (text(instrument.quoted_price(price)) for price in (day.last, day.mark))
            average = (day.high + day.low) / 2
            usd = text(instrument.usd(day.quantity, average))
            rows.append(
                {
                    "symbol": market_id,
                    "lastPr": last,
                    "askPr": last,
                    "bidPr": last,
                    "bidSz": "1",
                    "askSz": "1",
                    "high24h": text(instrument.quoted_price(day.high)),
                    "low24h": text(instrument.quoted_price(day.low)),
                    "ts": str(call.server_time),
                    "change24h": f"{day.last / day.open - 1:.5f}",
                    "baseVolume": text(instrument.base_quantity(day.quantity, average)),
                    "quoteVolume": usd,
                    "usdtVolume": usd,
                    "openUtc": text(instrument.quoted_price(day.open)),
                    "changeUtc24h": f"{day.last / day.open - 1:.5f}",
                    "indexPrice": mark,
                    "fundingRate": text(rate),
                    "holdingAmount": self._size(call, series),
                    "deliveryStartTime": None,
                    "deliveryTime": None,
                    "deliveryStatus": "",
                    "open24h": text(instrument.quoted_price(day.open)),
                    "markPrice": mark,
                }
            )
        return self._answer(call, rows)

    @route("GET /api/v2/mix/market/history-fund-rate", "funding_history", each=1)
    def funding_history(self, call: Call) -> Answer:
        page = call.page_of_fundings(self._series(call), "pageSize", "pageNo", 100)
        rows = [
            {
                "symbol": call.params["symbol"],
                "fundingRate": text(rate),
                "fundingTime": str(at),
            }
            for at, rate in page.rates
        ]
        return self._answer(call, rows)

    @route("GET /api/v2/mix/market/current-fund-rate", "funding_now", each=1)
    def funding_now(self, call: Call) -> Answer:
        rows = []
        for market_id, series in call.one_or_all(self._series, self._listed):
            at, rate = series.funding_now(call.now)
            rows.append(
                {
                    "symbol": market_id,
                    "fundingRate": text(rate),
                    "fundingRateInterval": str(series.instrument.funding_interval_hours),
                    "nextUpdate": str(at),
                    "minFundingRate": "-0.003",
                    "maxFundingRate": "0.003",
                }
            )
        return self._answer(call, rows)

    @route("GET /api/v2/mix/market/account-long-short", "long_short_ratio", each=1)
    def long_short(self, call: Call) -> Answer:
        series = call.series(call.params.get("symbol"))
        samples = call.ratios(
            series, call.step("period", PERIODS, "5m"), None, None, 500, from_end=True
        )
        return self._answer(
            call,
            [
                {
                    "longAccountRatio": f"{ratio / (1 + ratio):.4f}",
                    "shortAccountRatio": f"{1 / (1 + ratio):.4f}",
                    "longShortAccountRatio": text(ratio),
                    "ts": str(at),
                }
                for at, ratio in samples
            ],
        )

    @route("GET /api/v2/mix/market/query-position-lever", "leverage_tiers", each=1)
    def position_lever(self, call: Call) -> Answer:
        instrument = self._series(call).instrument
        rows = [
            {
                "symbol": call.params["symbol"],
                "level": str(level),
                "startUnit": "0" if level == 1 else str(15_000 * 10 ** (level - 1)),
                "endUnit": str(15_000 * 10**level),
                "leverage": text(instrument.max_leverage // level),
                "keepMarginRate": text(instrument.maintenance_margin_ratio * level),
            }
            for level in range(1, 5)
        ]
        return self._answer(call, rows)
