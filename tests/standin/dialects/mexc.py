"""MEXC contracts, as www.mexc.com/api-docs/futures documents them: numbers, contracts, seconds."""

from typing import Any, ClassVar

from standin.answers import Answer, Call, Dialect, Refusal, route, single
from standin.budgets import Budget
from standin.market_data import DAY, HOUR, MINUTE, Instrument
from standin.spelling import number, quoted_prices, typical_price

STEPS = {
    "Min1": MINUTE, "Min5": 5 * MINUTE, "Min15": 15 * MINUTE, "Min30": 30 * MINUTE, "Min60": HOUR,
    "Hour4": 4 * HOUR, "Hour8": 8 * HOUR, "Day1": DAY,
}  # fmt: skip
MOST_CANDLES = 2000
_COLUMNS = ("time", "open", "close", "high", "low", "vol", "amount")


def _succeeded(data: Any) -> dict[str, Any]:
    """Return what the venue wraps around its data."""
    return {"success": True, "code": 0, "data": data}


class Mexc(Dialect):
    venue = "mexc"
    most_rows: ClassVar[dict[str, int]] = {
        "candles": 2000, "mark_candles": 2000, "funding_history": 100,
    }  # fmt: skip
    budgets: ClassVar[dict[str, Budget]] = {
        "each": Budget(2, 20, "endpoint"),
        "detail": Budget(5, 1),
        "spot": Budget(10, 500),
    }

    def market_id(self, instrument: Instrument) -> str:
        return f"{instrument.base}_{instrument.quote}"

    def _error(self, code: int, message: str) -> dict[str, Any]:
        return {"success": False, "code": code, "message": message}

    def unknown_symbol(self, market_id: str) -> Refusal:
        return Refusal(200, self._error(1001, "Contract does not exist!"))

    def bad_parameter(self, name: str, value: str) -> Refusal:
        return Refusal(200, self._error(600, f"Parameter error: {name}"))

    def too_many_requests(self, seconds: float) -> Refusal:
        return Refusal(429, self._error(510, "Requests are too frequent, please try again later!"))

    def _answer(self, rows: list[Any]) -> Answer:
        return Answer(rows, _succeeded)

    @route("GET /api/v1/contract/ping", "time", each=1)
    def time(self, call: Call) -> Answer:
        return Answer([], lambda _: _succeeded(call.server_time))

    @route("GET /api/v3/time", "time", spot=1)
    def spot_time(self, call: Call) -> Answer:
        return Answer([], lambda _: {"serverTime": call.server_time})

    @route("GET /api/v3/exchangeInfo", "spot_instruments", spot=10)
    def spot(self, call: Call) -> Answer:
        return Answer(
            [],
            lambda rows: {
                "timezone": "CST",
                "serverTime": call.server_time,
                "rateLimits": [],
                "exchangeFilters": [],
                "symbols": rows,
            },
        )

    @route("GET /api/v1/contract/detail", "instruments", detail=1)
    def detail(self, call: Call) -> Answer:
        rows = []
        for market_id, series in call.listed():
            instrument = series.instrument
            rows.append(
                {
                    "symbol": market_id,
                    "displayName": f"{market_id}永续",
                    "displayNameEn": f"{market_id} PERPETUAL",
                    "positionOpenType": 3,
                    "baseCoin": instrument.base,
                    "quoteCoin": instrument.quote,
                    "settleCoin": instrument.settle,
                    "contractSize": number(instrument.contract_size),
                    "minLeverage": 1,
                    "maxLeverage": instrument.max_leverage,
                    "priceScale": 2,
                    "volScale": 0,
                    "amountScale": 4,
                    "priceUnit": number(instrument.tick_size),
                    "volUnit": 1,
                    "minVol": 1,
                    "maxVol": 1000000,
                    "bidLimitPriceRate": 0.1,
                    "askLimitPriceRate": 0.1,
                    "takerFeeRate": 0.0002,
                    "makerFeeRate": 0,
                    "maintenanceMarginRate": instrument.maintenance_margin_ratio,
                    "initialMarginRate": number(1 / instrument.max_leverage),
                    "liquidationFeeRate": 0.0004,
                    "riskBaseVol": 300000,
                    "riskIncrVol": 200000,
                    "riskIncrMmr": instrument.maintenance_margin_ratio,
                    "riskIncrImr": number(1 / instrument.max_leverage),
                    "riskLevelLimit": 5,
                    "priceCoefficientVariation": 0.1,
                    "indexOrigin": ["BINANCE", "OKX"],
                    "state": 0,
                    "isNew": False,
                    "isHot": False,
                    "isHidden": False,
                }
            )
        return self._answer(rows)

    def _klines(self, call: Call, *, is_mark: bool) -> Answer:
        series = call.series(call.params["symbol"])
        instrument = series.instrument
        step = call.step("interval", STEPS)
        low, high = call.milliseconds("start"), call.milliseconds("end")
        candles = call.candles(
            series,
            step,
            low,
            high,
            MOST_CANDLES,
            from_end=low is None,
            is_mark=is_mark,
        )
        rows = [
            [
                candle.start // 1000,
                *quoted_prices(instrument, candle, number, "ochl"),
                0 if is_mark else number(instrument.contracts(candle.quantity)),
                0 if is_mark else number(instrument.usd(candle.quantity, typical_price(candle))),
            ]
            for candle in candles
        ]
        return Answer(
            rows,
            lambda rows: {
                "success": True,
                "code": 0,
                # One list per column.
                "data": {name: [row[place] for row in rows] for place, name in enumerate(_COLUMNS)},
            },
        )

    @route("GET /api/v1/contract/kline/{symbol}", "candles", each=1)
    def klines(self, call: Call) -> Answer:
        return self._klines(call, is_mark=False)

    @route("GET /api/v1/contract/kline/fair_price/{symbol}", "mark_candles", each=1)
    def mark_klines(self, call: Call) -> Answer:
        return self._klines(call, is_mark=True)

    @route("GET /api/v1/contract/ticker", "tickers", each=1)
    def tickers(self, call: Call) -> Answer:
        rows = []
        for market_id, series in call.chosen("symbol"):
            instrument = series.instrument
            day = call.day(series)
            _, rate = series.funding_now(call.now)
            last, mark = (number(instrument.quoted_price(price)) for price in (day.last, day.mark))
            rows.append(
                {
                    "contractId": 10,
                    "symbol": market_id,
                    "lastPrice": last,
                    "bid1": last,
                    "ask1": last,
                    "volume24": number(instrument.contracts(day.quantity)),
                    "amount24": number(instrument.usd(day.quantity, (day.high + day.low) / 2)),
                    # Open interest, in contracts.
                    "holdVol": number(instrument.contracts(call.open_interest(series))),
                    "lower24Price": number(instrument.quoted_price(day.low)),
                    "high24Price": number(instrument.quoted_price(day.high)),
                    "riseFallRate": round(day.last / day.open - 1, 4),
                    "riseFallValue": number(instrument.quoted_price(day.last - day.open)),
                    "indexPrice": mark,
                    "fairPrice": mark,
                    "fundingRate": number(rate),
                    "maxBidPrice": last,
                    "minAskPrice": last,
                    "timestamp": call.server_time,
                }
            )
        if call.has("symbol"):
            return single(rows[0], _succeeded)
        return self._answer(rows)

    @route("GET /api/v1/contract/funding_rate/{symbol}", "funding_now", each=1)
    def funding_now(self, call: Call) -> Answer:
        series = call.series(call.params["symbol"])
        at, rate = series.funding_now(call.now)
        row = {
            "symbol": call.params["symbol"],
            "fundingRate": number(rate),
            "maxFundingRate": 0.003,
            "minFundingRate": -0.003,
            "collectCycle": series.instrument.funding_interval_hours,
            "nextSettleTime": at,
            "timestamp": call.server_time,
        }
        return single(row, _succeeded)

    @route("GET /api/v1/contract/funding_rate/history", "funding_history", each=1)
    def funding_history(self, call: Call) -> Answer:
        series = call.series(call.params.get("symbol"))
        page = call.page_of_fundings(series, "page_size", "page_num", 100)
        rows = [
            {
                "symbol": call.params["symbol"],
                "fundingRate": number(rate),
                "settleTime": at,
                "collectCycle": series.instrument.funding_interval_hours,
            }
            for at, rate in page.rates
        ]
        return Answer(
            rows,
            lambda rows: {
                "success": True,
                "code": 0,
                "data": {
                    "pageSize": page.size,
                    "totalCount": len(page.all_rates),
                    "totalPage": page.pages,
                    "currentPage": page.number,
                    "resultList": rows,
                },
            },
        )
