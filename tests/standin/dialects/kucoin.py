"""KuCoin futures: the futures API and the unified (ua) one, as www.kucoin.com/docs-new documents.

Bitcoin is XBT. The futures API answers in JSON numbers, the unified one in text. Amounts are
contracts ("lots").
"""

from typing import Any, ClassVar

from standin.answers import Answer, Call, Dialect, Refusal, candles_or_marks, route, single
from standin.budgets import Budget
from standin.market_data import DAY, HOUR, MINUTE, Instrument
from standin.spelling import number, quoted_prices, text, typical_price

MINUTES = {str(minutes): minutes * MINUTE for minutes in (1, 5, 15, 30, 60, 120, 240, 480, 720)} | {
    "1440": DAY
}
STEPS = {
    "1min": MINUTE, "3min": 3 * MINUTE, "5min": 5 * MINUTE, "15min": 15 * MINUTE,
    "30min": 30 * MINUTE, "1hour": HOUR, "2hour": 2 * HOUR, "4hour": 4 * HOUR, "6hour": 6 * HOUR,
    "8hour": 8 * HOUR, "12hour": 12 * HOUR, "1day": DAY,
}  # fmt: skip
PERIODS = {name: STEPS[name] for name in ("5min", "15min", "30min", "1hour", "4hour", "1day")}


class Kucoin(Dialect):
    venue = "kucoin"
    aliases = ("kucoinfutures",)
    most_rows: ClassVar[dict[str, int]] = {
        "candles": 200, "mark_candles": 1500, "open_interest_history": 200, "funding_history": 100,
    }  # fmt: skip
    budgets: ClassVar[dict[str, Budget]] = {"pool": Budget(30, 2000)}

    def market_id(self, instrument: Instrument) -> str:
        base = "XBT" if instrument.base == "BTC" else instrument.base
        return f"{base}{instrument.quote}M"

    def _error(self, code: str, message: str) -> dict[str, Any]:
        return {"code": code, "msg": message}

    def unknown_symbol(self, market_id: str) -> Refusal:
        return Refusal(200, self._error("400100", "Symbol is invalid."))

    def bad_parameter(self, name: str, value: str) -> Refusal:
        return Refusal(200, self._error("400100", f"Parameter {name} is invalid."))

    def too_many_requests(self, seconds: float) -> Refusal:
        return Refusal(
            429,
            self._error(
                "429000", "Too many requests in a short period of time, please retry later"
            ),
            {
                "gw-ratelimit-limit": "2000",
                "gw-ratelimit-remaining": "0",
                "gw-ratelimit-reset": str(round(seconds * 1000)),
            },
        )

    def _answer(self, rows: list[Any]) -> Answer:
        return Answer(rows, lambda rows: {"code": "200000", "data": rows})

    @route("GET /api/v1/timestamp", "time", pool=2)
    def time(self, call: Call) -> Answer:
        return Answer([], lambda _: {"code": "200000", "data": call.server_time})

    @route("GET /api/v3/currencies", "currencies", pool=3)
    def nothing(self, call: Call) -> Answer:
        return self._answer([])

    @route("GET /api/v1/contracts/active", "instruments", pool=3)
    def contracts(self, call: Call) -> Answer:
        rows = []
        for market_id, series in call.listed():
            instrument = series.instrument
            day = call.day(series)
            at, rate = series.funding_now(call.now)
            average = (day.high + day.low) / 2
            base = "XBT" if instrument.base == "BTC" else instrument.base
            settle = "XBT" if instrument.settle == "BTC" else instrument.settle
            size = instrument.contract_size
            rows.append(
                {
                    "symbol": market_id,
                    "rootSymbol": settle,
                    "type": "FFWCSX",
                    "firstOpenDate": instrument.listed_at,
                    "expireDate": None,
                    "settleDate": None,
                    "baseCurrency": base,
                    "quoteCurrency": instrument.quote,
                    "settleCurrency": settle,
                    "maxOrderQty": 1000000,
                    "maxPrice": 1000000.0,
                    "lotSize": 1,
                    "tickSize": number(instrument.tick_size),
                    "indexPriceTickSize": 0.01,
                    # Negative where the contract is worth USD.
                    "multiplier": number(-size if instrument.is_inverse else size),
                    "initialMargin": number(1 / instrument.max_leverage),
                    "maintainMargin": instrument.maintenance_margin_ratio,
                    "maxRiskLimit": 1000000,
                    "minRiskLimit": 1000000,
                    "riskStep": 500000,
                    "makerFeeRate": 0.0002,
                    "takerFeeRate": 0.0006,
                    "takerFixFee": 0.0,
                    "makerFixFee": 0.0,
                    "settlementFee": None,
                    "isDeleverage": True,
                    "isQuanto": not instrument.is_inverse,
                    "isInverse": instrument.is_inverse,
                    "markMethod": "FairPrice",
                    "fairMethod": "FundingRate",
                    "fundingRateSymbol": f".{market_id}FPI8H",
                    "status": "Open",
                    "fundingFeeRate": number(rate),
                    "predictedFundingFeeRate": number(rate),
                    "fundingRateGranularity": instrument.funding_interval_hours * HOUR,
                    "openInterest": text(instrument.contracts(call.open_interest(series))),
                    "turnoverOf24h": number(instrument.usd(day.quantity, average)),
                    "volumeOf24h": number(instrument.base_quantity(day.quantity, average)),
                    "markPrice": number(instrument.quoted_price(day.mark)),
                    "indexPrice": number(instrument.quoted_price(day.mark)),
                    "lastTradePrice": number(instrument.quoted_price(day.last)),
                    # Milliseconds until the next settlement, not an instant.
                    "nextFundingRateTime": at - call.now,
                    "maxLeverage": instrument.max_leverage,
                    "lowPrice": number(instrument.quoted_price(day.low)),
                    "highPrice": number(instrument.quoted_price(day.high)),
                    "priceChgPct": round(day.last / day.open - 1, 4),
                    "priceChg": number(instrument.quoted_price(day.last - day.open)),
                }
            )
        return self._answer(rows)

    @route("GET /api/v1/kline/query", "candles", pool=3)
    def klines(self, call: Call) -> Answer:
        series = call.series(call.params.get("symbol"))
        instrument = series.instrument
        step = call.step("granularity", MINUTES)
        low, high = call.integer("from"), call.integer("to")
        candles = call.candles(series, step, low, high, 200, from_end=low is None)
        return self._answer(
            [
                [
                    candle.start,
                    *quoted_prices(instrument, candle, number),
                    number(instrument.contracts(candle.quantity)),
                    number(instrument.usd(candle.quantity, typical_price(candle))),
                ]
                for candle in candles
            ]
        )

    @route(
        "GET /api/ua/v1/market/kline",
        candles_or_marks(lambda params: params.get("symbol", "").endswith("-mark-price")),
        pool=5,
    )
    def unified_klines(self, call: Call) -> Answer:
        named = call.params.get("symbol", "")
        is_mark = named.endswith("-mark-price")
        series = call.series(named.removesuffix("-mark-price"))
        instrument = series.instrument
        step = call.step("interval", STEPS)
        low, high = call.milliseconds("startAt"), call.milliseconds("endAt")
        candles = call.candles(series, step, low, high, 1500, from_end=True, is_mark=is_mark)
        rows = []
        for candle in reversed(candles):
            row = [str(candle.start // 1000), *quoted_prices(instrument, candle, text, "ochl")]
            if is_mark:
                row += ["0", "0"]
            else:
                row.append(text(instrument.contracts(candle.quantity)))
                row.append(text(instrument.usd(candle.quantity, typical_price(candle))))
            rows.append(row)
        return Answer(
            rows,
            lambda rows: {
                "code": "200000",
                "data": {
                    "tradeType": call.params.get("tradeType"),
                    "symbol": named,
                    "list": rows,
                },
            },
        )

    @route(
        "GET /api/ua/v1/market/open-interest",
        lambda params: "open_interest_history" if "interval" in params else "open_interest",
        pool=5,
    )
    def open_interest(self, call: Call) -> Answer:
        if call.has("interval"):
            series = call.series(call.params.get("symbol"))
            samples = call.open_interests(
                series,
                call.step("interval", PERIODS),
                call.integer("startAt"),
                call.integer("endAt"),
                call.limit("pageSize", 30, 200),
                from_end=not call.has("startAt") or call.has("endAt"),
            )
            return self._answer(
                [
                    {
                        "symbol": call.params["symbol"],
                        "openInterest": text(series.instrument.contracts(quantity)),
                        "ts": at,
                    }
                    for at, quantity in reversed(samples)
                ]
            )
        names = [name for name in call.params.get("symbol", "").split(",") if name]
        if len(names) > 10:
            raise self.bad_parameter("symbol", call.params["symbol"])
        named = [(name, call.series(name)) for name in names] or call.listed()
        return self._answer(
            [
                {
                    "symbol": market_id,
                    "openInterest": text(series.instrument.contracts(call.open_interest(series))),
                    "ts": call.server_time,
                }
                for market_id, series in named
            ]
        )

    @route("GET /api/v1/contract/funding-rates", "funding_history", pool=5)
    def funding_history(self, call: Call) -> Answer:
        series = call.series(call.params.get("symbol"))
        rates = call.fundings(series, call.integer("from"), call.integer("to"), 100, from_end=True)
        return self._answer(
            [
                {
                    "symbol": call.params["symbol"],
                    "fundingRate": number(rate),
                    "timepoint": at,
                }
                for at, rate in reversed(rates)
            ]
        )

    @route("GET /api/ua/v2/market/funding-rate", "funding_now", pool=2)
    def funding_now(self, call: Call) -> Answer:
        rows = []
        for market_id, series in call.listed():
            at, rate = series.funding_now(call.now)
            interval = series.instrument.funding_interval_hours * HOUR
            rows.append(
                {
                    "symbol": market_id,
                    "nextFundingRate": text(rate),
                    "fundingTime": at,
                    "fundingRateCap": "0.003",
                    "fundingRateFloor": "-0.003",
                    "currentGranularity": interval,
                    "newGranularity": interval,
                    "newGranularityStartTime": 1750147200000,
                }
            )
        return self._answer(rows)

    @route("GET /api/v1/funding-rate/{symbol}/current", "funding_now", pool=2)
    def funding_current(self, call: Call) -> Answer:
        series = call.series(call.params["symbol"])
        at, rate = series.funding_now(call.now)
        interval = series.instrument.funding_interval_hours * HOUR
        row = {
            "symbol": f".{call.params['symbol']}FPI8H",
            "granularity": interval,
            "timePoint": at - interval,
            "value": number(rate),
            "dailyInterestRate": 0.0003,
            "fundingRateCap": 0.003,
            "fundingRateFloor": -0.003,
            "period": 1,
            "fundingTime": at,
        }
        return single(row, lambda row: {"code": "200000", "data": row})

    @route("GET /api/ua/v1/market/position-tiers", "leverage_tiers", pool=5)
    def position_tiers(self, call: Call) -> Answer:
        rows = []
        for market_id in call.params.get("symbol", "").split(","):
            instrument = call.series(market_id).instrument
            rows += [
                {
                    "symbol": market_id,
                    "tier": tier,
                    "maxSize": str(25_000 * 10**tier),
                    "minSize": "0" if tier == 1 else str(25_000 * 10 ** (tier - 1)),
                    "maxLeverage": str(instrument.max_leverage // tier),
                    "initialMarginRate": text(tier / instrument.max_leverage),
                    "maintainMarginRate": text(instrument.maintenance_margin_ratio * tier),
                }
                for tier in range(1, 5)
            ]
        return self._answer(rows)

    @route("GET /api/v1/contracts/risk-limit/{symbol}", "leverage_tiers", pool=5)
    def risk_limit(self, call: Call) -> Answer:
        instrument = call.series(call.params["symbol"]).instrument
        return self._answer(
            [
                {
                    "symbol": call.params["symbol"],
                    "level": level,
                    "maxRiskLimit": 30_000 * 10**level,
                    "minRiskLimit": 0 if level == 1 else 30_000 * 10 ** (level - 1),
                    "maxLeverage": instrument.max_leverage // level,
                    "initialMargin": number(level / instrument.max_leverage),
                    "maintainMargin": number(instrument.maintenance_margin_ratio * level),
                }
                for level in range(1, 5)
            ]
        )
