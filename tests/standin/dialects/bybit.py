"""Bybit v5, linear and inverse perpetuals, as bybit-exchange.github.io/docs/v5 documents them.

Lists are newest first. ``openInterest`` counts both sides of each contract and
``singleOpenInterest`` one (docs/v5/market/open-interest); both are sent.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from standin.answers import Answer, Call, Dialect, Refusal, Socket, route
from standin.budgets import Budget
from standin.market_data import DAY, HOUR, MINUTE, Candle, Instrument, Series
from standin.spelling import quoted_prices, text, typical_price

STEPS = {
    "1": MINUTE, "3": 3 * MINUTE, "5": 5 * MINUTE, "15": 15 * MINUTE, "30": 30 * MINUTE,
    "60": HOUR, "120": 2 * HOUR, "240": 4 * HOUR, "360": 6 * HOUR, "720": 12 * HOUR, "D": DAY,
}  # fmt: skip
PERIODS = {
    "5min": 5 * MINUTE, "15min": 15 * MINUTE, "30min": 30 * MINUTE, "1h": HOUR, "4h": 4 * HOUR,
    "1d": DAY,
}  # fmt: skip
SIDES = 2


class Bybit(Dialect):
    venue = "bybit"
    most_rows: ClassVar[dict[str, int]] = {
        "candles": 1000, "mark_candles": 1000, "open_interest_history": 200,
        "funding_history": 200, "long_short_ratio": 500,
    }  # fmt: skip
    budgets: ClassVar[dict[str, Budget]] = {"ip": Budget(5, 600)}

    def market_id(self, instrument: Instrument) -> str:
        return f"{instrument.base}{instrument.quote}"

    def _error(self, code: int, message: str) -> dict[str, Any]:
        return {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": 0}

    def unknown_symbol(self, market_id: str) -> Refusal:
        return Refusal(200, self._error(10001, "params error: symbol invalid"))

    def bad_parameter(self, name: str, value: str) -> Refusal:
        return Refusal(200, self._error(10001, f"params error: {name} invalid"))

    def too_many_requests(self, seconds: float) -> Refusal:
        # Beyond the limit per address bybit bans it for ten minutes; the stand-in only until the
        # window has room.
        return Refusal(403, self._error(10006, "access too frequent"))

    def _answer(
        self, call: Call, rows: list[Any], *, cursor: str | None = None, **result: Any
    ) -> Answer:
        if cursor is not None:
            result["nextPageCursor"] = cursor
        return Answer(
            rows,
            lambda rows: {
                "retCode": 0,
                "retMsg": "OK",
                "result": {**result, "list": rows},
                "retExtInfo": {},
                "time": call.server_time,
            },
        )

    def _category(self, call: Call) -> str:
        category = call.params.get("category", "linear")
        if category not in ("linear", "inverse", "spot", "option"):
            raise self.bad_parameter("category", category)
        return category

    def _series(self, call: Call) -> Series:
        return call.series(call.params.get("symbol"), is_inverse=self._category(call) == "inverse")

    def _listed(self, call: Call) -> list[tuple[str, Series]]:
        category = self._category(call)
        if category not in ("linear", "inverse"):
            return []
        return call.listed(is_inverse=category == "inverse")

    @route("GET /v5/market/time", "time", ip=1)
    def time(self, call: Call) -> Answer:
        at = call.server_time
        return Answer(
            [],
            lambda _: {
                "retCode": 0,
                "retMsg": "OK",
                "result": {"timeSecond": str(at // 1000), "timeNano": str(at * 1_000_000)},
                "retExtInfo": {},
                "time": at,
            },
        )

    @route("GET /v5/market/instruments-info", "instruments", ip=1)
    def instruments(self, call: Call) -> Answer:
        if call.params.get("status") not in (None, "Trading"):
            return self._answer(call, [], cursor="", category=self._category(call))
        limit = call.limit("limit", 500, 1000)
        first = call.integer("cursor", 0) or 0
        listed = self._listed(call)
        rows = []
        for market_id, series in listed[first : first + limit]:
            instrument = series.instrument
            tick = text(instrument.tick_size)
            step = "1" if instrument.is_inverse else "0.001"
            kind = "Inverse" if instrument.is_inverse else "Linear"
            rows.append(
                {
                    "symbol": market_id,
                    "contractType": f"{kind}Perpetual",
                    "status": "Trading",
                    "baseCoin": instrument.base,
                    "quoteCoin": instrument.quote,
                    "launchTime": str(instrument.listed_at),
                    "deliveryTime": "0",
                    "deliveryFeeRate": "",
                    "priceScale": str(len(tick.partition(".")[2])),
                    "leverageFilter": {
                        "minLeverage": "1",
                        "maxLeverage": f"{instrument.max_leverage:.2f}",
                        "leverageStep": "0.01",
                    },
                    "priceFilter": {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick},
                    "lotSizeFilter": {
                        "maxOrderQty": "1000000",
                        "minOrderQty": step,
                        "qtyStep": step,
                        "postOnlyMaxOrderQty": "1000000",
                        "maxMktOrderQty": "100000",
                    }
                    | ({} if instrument.is_inverse else {"minNotionalValue": "5"}),
                    "unifiedMarginTrade": True,
                    "fundingInterval": instrument.funding_interval_hours * 60,
                    "settleCoin": instrument.settle,
                    "copyTrading": "both",
                    "upperFundingRate": "0.00375",
                    "lowerFundingRate": "-0.00375",
                }
            )
        cursor = str(first + limit) if first + limit < len(listed) else ""
        return self._answer(call, rows, cursor=cursor, category=self._category(call))

    def _kline(self, instrument: Instrument, candle: Candle, *, is_mark: bool) -> list[str]:
        row = [str(candle.start), *quoted_prices(instrument, candle)]
        if not is_mark:
            price = typical_price(candle)
            row.append(text(instrument.quoted_quantity(candle.quantity)))
            # Turnover is in the other unit: USD for linear contracts, base for inverse ones.
            row.append(
                text(
                    instrument.base_quantity(candle.quantity, price)
                    if instrument.is_inverse
                    else instrument.usd(candle.quantity, price)
                )
            )
        return row

    def _klines(self, call: Call, *, is_mark: bool) -> Answer:
        series = self._series(call)
        step = call.step("interval", STEPS)
        low, high = call.integer("start"), call.integer("end")
        if low is not None:
            # The answer includes the candle that contains the start.
            low = low // step * step
        limit = call.limit("limit", 200, 1000)
        candles = call.candles(
            series, step, low, high, limit, from_end=low is None or high is not None,
            is_mark=is_mark,
        )  # fmt: skip
        rows = [self._kline(series.instrument, candle, is_mark=is_mark) for candle in candles]
        return self._answer(
            call, rows[::-1], category=call.params["category"], symbol=call.params["symbol"]
        )

    @route("GET /v5/market/kline", "candles", ip=1)
    def kline(self, call: Call) -> Answer:
        return self._klines(call, is_mark=False)

    @route("GET /v5/market/mark-price-kline", "mark_candles", ip=1)
    def mark_kline(self, call: Call) -> Answer:
        return self._klines(call, is_mark=True)

    @route("GET /v5/market/open-interest", "open_interest_history", ip=1)
    def open_interest(self, call: Call) -> Answer:
        series = self._series(call)
        period = call.step("intervalTime", PERIODS)
        low, high = call.integer("startTime"), call.integer("endTime")
        if high is None:
            # A start alone is ignored: the endpoint walks back from its end, here now.
            low = None
        cursor = call.integer("cursor")
        if cursor is not None:
            high = cursor
        limit = call.limit("limit", 50, 200)
        samples = call.open_interests(series, period, low, high, limit, from_end=True)
        rows = [
            {
                "openInterest": f"{series.instrument.quoted_quantity(quantity) * SIDES:.8f}",
                "singleOpenInterest": text(series.instrument.quoted_quantity(quantity)),
                "timestamp": str(at),
            }
            for at, quantity in reversed(samples)
        ]
        return self._answer(
            call,
            rows,
            cursor=str(samples[0][0] - 1) if len(samples) == limit else "",
            category=call.params["category"],
            symbol=call.params["symbol"],
        )

    @route("GET /v5/market/tickers", "tickers", ip=1)
    def tickers(self, call: Call) -> Answer:
        rows = []
        for market_id, series in call.one_or_all(self._series, self._listed):
            instrument = series.instrument
            day = call.day(series)
            quantity = call.open_interest(series)
            at, rate = series.funding_now(call.now)
            last, mark = (text(instrument.quoted_price(price)) for price in (day.last, day.mark))
            value = instrument.base_quantity if instrument.is_inverse else instrument.usd
            rows.append(
                {
                    "symbol": market_id,
                    "lastPrice": last,
                    "indexPrice": mark,
                    "markPrice": mark,
                    "prevPrice24h": text(instrument.quoted_price(day.open)),
                    "price24hPcnt": f"{day.last / day.open - 1:.6f}",
                    "highPrice24h": text(instrument.quoted_price(day.high)),
                    "lowPrice24h": text(instrument.quoted_price(day.low)),
                    "prevPrice1h": last,
                    "openInterest": text(instrument.quoted_quantity(quantity) * SIDES),
                    "openInterestValue": text(value(quantity, day.mark) * SIDES),
                    "singleOpenInterest": text(instrument.quoted_quantity(quantity)),
                    "singleOpenInterestValue": text(value(quantity, day.mark)),
                    "turnover24h": text(value(day.quantity, (day.high + day.low) / 2)),
                    "volume24h": text(instrument.quoted_quantity(day.quantity)),
                    "fundingRate": text(rate),
                    "nextFundingTime": str(at),
                    "predictedDeliveryPrice": "",
                    "basisRate": "",
                    "deliveryFeeRate": "",
                    "deliveryTime": "0",
                    "ask1Size": "1",
                    "bid1Price": last,
                    "ask1Price": last,
                    "bid1Size": "1",
                    "basis": "",
                    "fundingIntervalHour": str(instrument.funding_interval_hours),
                }
            )
        return self._answer(call, rows, category=self._category(call))

    @route("GET /v5/market/funding/history", "funding_history", ip=1)
    def funding_history(self, call: Call) -> Answer:
        series = self._series(call)
        low, high = call.integer("startTime"), call.integer("endTime")
        if low is not None and high is None:
            raise Refusal(200, self._error(10001, "params error: endTime is required"))
        limit = call.limit("limit", 200, 200)
        rows = [
            {
                "symbol": call.params["symbol"],
                "fundingRate": text(rate),
                "fundingRateTimestamp": str(at),
            }
            for at, rate in reversed(call.fundings(series, low, high, limit, from_end=True))
        ]
        return self._answer(call, rows, category=call.params["category"])

    @route("GET /v5/market/account-ratio", "long_short_ratio", ip=1)
    def account_ratio(self, call: Call) -> Answer:
        series = self._series(call)
        period = call.step("period", PERIODS | {"4d": 4 * DAY})
        low, high = call.integer("startTime"), call.integer("endTime")
        limit = call.limit("limit", 50, 500)
        rows = [
            {
                "symbol": call.params["symbol"],
                "buyRatio": f"{ratio / (1 + ratio):.4f}",
                "sellRatio": f"{1 - round(ratio / (1 + ratio), 4):.4f}",
                "timestamp": str(at),
            }
            for at, ratio in reversed(call.ratios(series, period, low, high, limit, from_end=True))
        ]
        return self._answer(call, rows, cursor="")

    @route("GET /v5/market/risk-limit", "leverage_tiers", ip=1)
    def risk_limit(self, call: Call) -> Answer:
        first = call.integer("cursor", 0) or 0
        listed = self._listed(call)
        page = listed[first : first + 15]
        cursor = str(first + 15) if first + 15 < len(listed) else ""
        if call.has("symbol"):
            page, cursor = [(call.params["symbol"], self._series(call))], ""
        rows = []
        for market_id, series in page:
            instrument = series.instrument
            for level in range(1, 5):
                rows.append(
                    {
                        "id": level,
                        "symbol": market_id,
                        "riskLimitValue": str(200_000 * 10**level),
                        "maintenanceMargin": text(instrument.maintenance_margin_ratio * level),
                        "initialMargin": text(level / instrument.max_leverage),
                        "isLowestRisk": int(level == 1),
                        "maxLeverage": f"{instrument.max_leverage / level:.2f}",
                        "mmDeduction": text(
                            instrument.maintenance_margin_ratio
                            * sum(200_000 * 10**lower for lower in range(1, level))
                        )
                        if level > 1
                        else "",
                    }
                )
        return self._answer(call, rows, cursor=cursor, category=self._category(call))

    def on_text(self, socket: Socket, message: str) -> Iterable[Any]:
        request = json.loads(message)
        op, request_id = request.get("op"), request.get("req_id", "")
        reply = {"success": True, "conn_id": "standin", "req_id": request_id}
        if op == "ping":
            yield {**reply, "ret_msg": "pong", "op": "ping"}
            return
        known = {f"allLiquidation.{market_id}" for market_id in self.by_id}
        for topic in request.get("args", ()):
            if op == "subscribe" and topic not in known:
                yield {**reply, "success": False, "op": op,
                       "ret_msg": f"error:handler not found,topic:{topic}"}  # fmt: skip
                return
            if op == "subscribe":
                socket.topics[topic] = True
            else:
                socket.topics.pop(topic, None)
        yield {**reply, "ret_msg": "", "op": op}

    def frames(
        self, socket: Socket, after: int, until: int, is_listed: Callable[[Series], bool]
    ) -> Iterable[Any]:
        for market_id, series in self.by_id.items():
            topic = f"allLiquidation.{market_id}"
            if topic not in socket.topics or not is_listed(series):
                continue
            instrument = series.instrument
            # All of them, gathered by half seconds.
            gathered: dict[int, list[dict[str, Any]]] = {}
            for at, is_long, price, quantity in series.liquidations(after, until):
                gathered.setdefault(at // 500, []).append(
                    {
                        "T": at,
                        "s": market_id,
                        # The side of the position: Buy is a long that was liquidated.
                        "S": "Buy" if is_long else "Sell",
                        "v": text(instrument.quoted_quantity(quantity)),
                        "p": text(instrument.quoted_price(price)),
                    }
                )
            for half_second, rows in gathered.items():
                yield {
                    "topic": topic,
                    "type": "snapshot",
                    "ts": half_second * 500 + 500,
                    "data": rows,
                }
