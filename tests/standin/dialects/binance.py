"""Binance futures, USDT-M (fapi) and coin-M (dapi), as developers.binance.com documents them.

Both hosts share ``/futures/data``: USDT-M asks by ``symbol``, coin-M by ``pair``.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from standin.answers import (
    Answer,
    Call,
    Day,
    Dialect,
    Refusal,
    Socket,
    latest_per_second,
    route,
    text,
    typical_price,
)
from standin.budgets import Budget
from standin.market_data import DAY, HOUR, MINUTE, Candle, Instrument, Series

STEPS = {
    "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1h": HOUR, "2h": 2 * HOUR, "4h": 4 * HOUR, "6h": 6 * HOUR, "8h": 8 * HOUR, "12h": 12 * HOUR,
    "1d": DAY,
}  # fmt: skip
PERIODS = {name: STEPS[name] for name in ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")}
STATISTICS_KEPT = 30 * DAY


def _klines_weight(params: dict[str, str]) -> float:
    """Return the documented weight of klines, by limit."""
    limit = int(params.get("limit") or 500)
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10


def _unless_symbol(weight: float) -> Callable[[dict[str, str]], float]:
    return lambda params: 1 if params.get("symbol") else weight


def funding_jitter(at: int) -> int:
    """Return milliseconds after the hour at which binance stamps a settlement, 0 to 14."""
    return (at // HOUR * 7) % 15 if at // HOUR % 3 else 0


class Binance(Dialect):
    venue = "binance"
    aliases = ("binanceusdm", "binancecoinm")
    most_rows: ClassVar[dict[str, int]] = {
        "candles": 1500,
        "mark_candles": 1500,
        "open_interest_history": 500,
        "funding_history": 1000,
        "long_short_ratio": 500,
    }
    budgets: ClassVar[dict[str, Budget]] = {
        "fapi": Budget(60, 2400),
        "dapi": Budget(60, 2400),
        "api": Budget(60, 6000),
        "statistics": Budget(300, 1000),
        "funding": Budget(300, 500),
    }

    def market_id(self, instrument: Instrument) -> str:
        if instrument.is_inverse:
            return f"{instrument.base}USD_PERP"
        return f"{instrument.base}{instrument.quote}"

    def unknown_symbol(self, market_id: str) -> Refusal:
        return Refusal(400, {"code": -1121, "msg": "Invalid symbol."})

    def bad_parameter(self, name: str, value: str) -> Refusal:
        return Refusal(400, {"code": -1130, "msg": f"parameter '{name}' is invalid."})

    def too_many_requests(self, seconds: float) -> Refusal:
        return Refusal(
            429,
            {
                "code": -1003,
                "msg": "Too many requests; current limit of IP(127.0.0.1) is 2400 requests per "
                "minute. Please use the websocket for live updates to avoid polling the API.",
            },
            {"Retry-After": str(max(1, round(seconds)))},
        )

    def ban(self) -> Any:
        return {
            "code": -1003,
            "msg": "Way too many requests; IP(127.0.0.1) banned until 1772323920000. Please use "
            "the websocket for live updates to avoid bans.",
        }

    @route("GET /fapi/v1/time", "time", fapi=1)
    @route("GET /dapi/v1/time", "time", dapi=1)
    @route("GET /api/v3/time", "time", api=1)
    def time(self, call: Call) -> Answer:
        weight = {"X-MBX-USED-WEIGHT-1M": "1"}
        return Answer([], lambda _: {"serverTime": call.server_time}, weight)

    @route("GET /fapi/v1/ping", "ping", fapi=1)
    @route("GET /dapi/v1/ping", "ping", dapi=1)
    @route("GET /api/v3/ping", "ping", api=1)
    def ping(self, call: Call) -> Answer:
        return Answer([], lambda _: {})

    def _contract(self, market_id: str, series: Series) -> dict[str, Any]:
        instrument = series.instrument
        tick = text(instrument.tick_size)
        step = "1" if instrument.is_inverse else "0.001"
        decimals = len(tick.partition(".")[2])
        quantity_decimals = len(step.partition(".")[2])
        row: dict[str, Any] = {
            "symbol": market_id,
            "pair": f"{instrument.base}{instrument.quote}",
            "contractType": "PERPETUAL",
            "deliveryDate": 4133404800000,
            "onboardDate": instrument.listed_at,
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": instrument.base,
            "quoteAsset": instrument.quote,
            "marginAsset": instrument.settle,
            "pricePrecision": decimals,
            "quantityPrecision": quantity_decimals,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "underlyingSubType": [],
            "triggerProtect": "0.0500",
            "liquidationFee": "0.012000",
            "marketTakeBound": "0.30",
            "filters": [
                {"minPrice": tick, "maxPrice": "1000000", "filterType": "PRICE_FILTER",
                 "tickSize": tick},
                {"stepSize": step, "filterType": "LOT_SIZE", "maxQty": "1000000", "minQty": step},
                {"stepSize": step, "filterType": "MARKET_LOT_SIZE", "maxQty": "100000",
                 "minQty": step},
                {"limit": 200, "filterType": "MAX_NUM_ORDERS"},
                {"multiplierDown": "0.8500", "multiplierUp": "1.1500", "multiplierDecimal": "4",
                 "filterType": "PERCENT_PRICE"},
            ],
            "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT",
                           "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        }  # fmt: skip
        if instrument.is_inverse:
            row["contractStatus"] = "TRADING"
            row["contractSize"] = int(instrument.contract_size)
            row["equalQtyPrecision"] = 4
        else:
            row["status"] = "TRADING"
            row["settlePlan"] = 0
            row["filters"].append({"notional": "5", "filterType": "MIN_NOTIONAL"})
        return row

    def _exchange_info(self, call: Call, *, is_inverse: bool) -> Answer:
        rows = [self._contract(*pair) for pair in call.listed(is_inverse=is_inverse)]
        return Answer(
            rows,
            lambda rows: {
                "timezone": "UTC",
                "serverTime": call.server_time,
                "futuresType": "COIN_MARGINED" if is_inverse else "U_MARGINED",
                "rateLimits": [
                    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
                     "limit": 2400},
                ],
                "exchangeFilters": [],
                "assets": [],
                "symbols": rows,
            },
        )  # fmt: skip

    @route("GET /fapi/v1/exchangeInfo", "instruments", fapi=1)
    def linear_info(self, call: Call) -> Answer:
        return self._exchange_info(call, is_inverse=False)

    @route("GET /dapi/v1/exchangeInfo", "instruments", dapi=1)
    def inverse_info(self, call: Call) -> Answer:
        return self._exchange_info(call, is_inverse=True)

    @route("GET /api/v3/exchangeInfo", "spot_instruments", api=20)
    def spot_info(self, call: Call) -> Answer:
        rows = [
            {
                "symbol": f"{series.instrument.base}USDT",
                "status": "TRADING",
                "baseAsset": series.instrument.base,
                "baseAssetPrecision": 8,
                "quoteAsset": "USDT",
                "quotePrecision": 8,
                "orderTypes": ["LIMIT", "MARKET"],
                "isSpotTradingAllowed": True,
                "isMarginTradingAllowed": True,
                "filters": [],
                "permissions": ["SPOT"],
            }
            for _, series in call.listed(is_inverse=False)
        ]
        return Answer(
            rows,
            lambda rows: {
                "timezone": "UTC",
                "serverTime": call.server_time,
                "rateLimits": [],
                "exchangeFilters": [],
                "symbols": rows,
            },
        )

    def _kline(self, series: Series, step: int, candle: Candle) -> list[Any]:
        instrument = series.instrument
        price = typical_price(candle)
        amounts = (candle.quantity, candle.taker_buy)
        if instrument.is_inverse:
            first = [instrument.contracts(amount) for amount in amounts]
            second = [instrument.base_quantity(amount, price) for amount in amounts]
        else:
            first = [instrument.quoted_quantity(amount) for amount in amounts]
            second = [instrument.usd(amount, price) for amount in amounts]
        return [
            candle.start,
            *self._prices(instrument, candle),
            text(first[0]),
            candle.start + step - 1,
            text(second[0]),
            candle.trades,
            text(first[1]),
            text(second[1]),
            "0",
        ]

    def _mark_kline(self, series: Series, step: int, candle: Candle) -> list[Any]:
        return [
            candle.start,
            *self._prices(series.instrument, candle),
            "0",
            candle.start + step - 1,
            "0",
            step // 1000,
            "0",
            "0",
            "0",
        ]

    def _prices(self, instrument: Instrument, candle: Candle) -> list[str]:
        return [
            text(instrument.quoted_price(price))
            for price in (candle.open, candle.high, candle.low, candle.close)
        ]

    def _klines(self, call: Call, *, is_mark: bool) -> Answer:
        series = call.series(call.params.get("symbol"))
        step = call.step("interval", STEPS)
        low, high = call.integer("startTime"), call.integer("endTime")
        limit = call.limit("limit", 500, 1500, refuse=True)
        span = 0 if low is None or high is None else high - low
        if series.instrument.is_inverse and span > 200 * DAY:
            raise Refusal(400, {"code": -1127, "msg": "Lookup interval is too big."})
        spell = self._mark_kline if is_mark else self._kline
        candles = call.candles(
            series, step, low, high, limit, from_end=low is None, is_mark=is_mark
        )
        return Answer([spell(series, step, candle) for candle in candles])

    @route("GET /fapi/v1/klines", "candles", fapi=_klines_weight)
    @route("GET /dapi/v1/klines", "candles", dapi=_klines_weight)
    def klines(self, call: Call) -> Answer:
        return self._klines(call, is_mark=False)

    @route("GET /fapi/v1/markPriceKlines", "mark_candles", fapi=_klines_weight)
    @route("GET /dapi/v1/markPriceKlines", "mark_candles", dapi=_klines_weight)
    def mark_klines(self, call: Call) -> Answer:
        return self._klines(call, is_mark=True)

    def _open_interest_text(self, instrument: Instrument, quantity: float) -> str:
        if instrument.is_inverse:
            return text(instrument.contracts(quantity))
        return text(instrument.quoted_quantity(quantity))

    @route("GET /fapi/v1/openInterest", "open_interest", fapi=1)
    @route("GET /dapi/v1/openInterest", "open_interest", dapi=1)
    def open_interest(self, call: Call) -> Answer:
        series = call.series(call.params.get("symbol"))
        instrument = series.instrument
        row: dict[str, Any] = {
            "symbol": call.params["symbol"],
            "openInterest": self._open_interest_text(instrument, call.open_interest(series)),
            "time": call.server_time,
        }
        if instrument.is_inverse:
            row["pair"] = f"{instrument.base}USD"
            row["contractType"] = "PERPETUAL"
        return Answer([row], lambda rows: rows[0] if rows else {})

    def _statistics(self, call: Call) -> tuple[Series, int, int | None, int | None, int]:
        """Return series, period, bounds and limit of a /futures/data request."""
        if call.has("pair"):
            if call.params.get("contractType") not in (None, "PERPETUAL", "ALL"):
                raise call.dialect.bad_parameter("contractType", call.params["contractType"])
            series = call.series(f"{call.params['pair']}_PERP")
        else:
            series = call.series(call.params.get("symbol"))
        period = call.step("period", PERIODS)
        low, high = call.integer("startTime"), call.integer("endTime")
        if low is not None and low < call.now - STATISTICS_KEPT:
            raise self.bad_parameter("startTime", str(low))
        limit = call.limit("limit", 30, 500, refuse=True)
        return series, period, low, high, limit

    @route("GET /futures/data/openInterestHist", "open_interest_history", statistics=1)
    def open_interest_history(self, call: Call) -> Answer:
        series, period, low, high, limit = self._statistics(call)
        instrument = series.instrument
        kept = max(low or 0, call.now - STATISTICS_KEPT)
        samples = call.open_interests(series, period, kept, high, limit, from_end=low is None)
        prices = series.prices_at([at for at, _ in samples])
        rows = []
        for (at, quantity), price in zip(samples, prices, strict=True):
            row: dict[str, Any] = {
                "sumOpenInterest": self._open_interest_text(instrument, quantity),
                "timestamp": at,
            }
            if instrument.is_inverse:
                row["pair"] = f"{instrument.base}USD"
                row["contractType"] = "PERPETUAL"
                row["sumOpenInterestValue"] = text(instrument.base_quantity(quantity, price))
            else:
                row["symbol"] = call.params["symbol"]
                row["sumOpenInterestValue"] = text(instrument.usd(quantity, price))
                row["CMCCirculatingSupply"] = "0.00000000"
            rows.append(row)
        return Answer(rows)

    @route("GET /futures/data/globalLongShortAccountRatio", "long_short_ratio", statistics=1)
    @route("GET /futures/data/topLongShortAccountRatio", "long_short_ratio", statistics=1)
    @route("GET /futures/data/topLongShortPositionRatio", "long_short_ratio", statistics=1)
    def long_short_ratio(self, call: Call) -> Answer:
        series, period, low, high, limit = self._statistics(call)
        name = "pair" if call.has("pair") else "symbol"
        kept = max(low or 0, call.now - STATISTICS_KEPT)
        return Answer(
            [
                {
                    name: call.params[name],
                    "longAccount": text(ratio / (1 + ratio)),
                    "longShortRatio": text(ratio),
                    "shortAccount": text(1 / (1 + ratio)),
                    "timestamp": at,
                }
                for at, ratio in call.ratios(
                    series, period, kept, high, limit, from_end=low is None
                )
            ]
        )

    @route("GET /fapi/v1/fundingRate", "funding_history", funding=1)
    @route("GET /dapi/v1/fundingRate", "funding_history", dapi=1)
    def funding_history(self, call: Call) -> Answer:
        low, high = call.integer("startTime"), call.integer("endTime")
        limit = call.limit("limit", 100, 1000)
        named = (
            [(call.params["symbol"], call.series(call.params["symbol"]))]
            if call.has("symbol")
            else call.listed(is_inverse=False)
        )
        rows: list[dict[str, Any]] = []
        for market_id, series in named:
            fundings = call.stamped_fundings(
                series, low, high, limit, funding_jitter, from_end=low is None
            )
            prices = series.prices_at([at for at, _, _ in fundings])
            rows += [
                {
                    "symbol": market_id,
                    "fundingTime": stamp,
                    "fundingRate": f"{rate:.8f}",
                    "markPrice": text(series.instrument.quoted_price(price)),
                }
                for (_, stamp, rate), price in zip(fundings, prices, strict=True)
            ]
        rows.sort(key=lambda row: row["fundingTime"])
        return Answer(rows[:limit])

    @route("GET /fapi/v1/fundingInfo", "funding_info", funding=1)
    @route("GET /dapi/v1/fundingInfo", "funding_info", dapi=1)
    def funding_info(self, call: Call) -> Answer:
        # Only contracts whose interval or cap was adjusted are told; 8 hours is the default.
        return Answer(
            [
                {
                    "symbol": market_id,
                    "adjustedFundingRateCap": "0.02000000",
                    "adjustedFundingRateFloor": "-0.02000000",
                    "fundingIntervalHours": series.instrument.funding_interval_hours,
                    "disclaimer": False,
                }
                for market_id, series in call.listed()
                if series.instrument.funding_interval_hours != 8
            ]
        )

    def _premium(self, call: Call, *, is_inverse: bool) -> Answer:
        def spell(market_id: str, series: Series) -> dict[str, Any]:
            instrument = series.instrument
            at, rate = series.funding_now(call.now)
            mark = text(instrument.quoted_price(series.price(call.now)))
            row = {
                "symbol": market_id,
                "markPrice": mark,
                "indexPrice": mark,
                "estimatedSettlePrice": mark,
                "lastFundingRate": f"{rate:.8f}",
                "interestRate": "0.00010000",
                "nextFundingTime": at,
                "time": call.server_time,
            }
            if is_inverse:
                row["pair"] = f"{instrument.base}USD"
            return row

        if call.has("symbol"):
            row = spell(call.params["symbol"], call.series(call.params["symbol"]))
            if is_inverse:
                return Answer([row])
            return Answer([row], lambda rows: rows[0] if rows else {})
        return Answer([spell(*pair) for pair in call.listed(is_inverse=is_inverse)])

    @route("GET /fapi/v1/premiumIndex", "funding_now", fapi=_unless_symbol(10))
    def linear_premium(self, call: Call) -> Answer:
        return self._premium(call, is_inverse=False)

    @route("GET /dapi/v1/premiumIndex", "funding_now", dapi=10)
    def inverse_premium(self, call: Call) -> Answer:
        return self._premium(call, is_inverse=True)

    def _ticker(self, call: Call, *, is_inverse: bool) -> Answer:
        def spell(market_id: str, series: Series) -> dict[str, Any]:
            instrument = series.instrument
            day = Day.of(series, call.now)
            average = (day.high + day.low) / 2
            row: dict[str, Any] = {
                "symbol": market_id,
                "priceChange": text(instrument.quoted_price(day.last - day.open)),
                "priceChangePercent": f"{100 * (day.last / day.open - 1):.3f}",
                "weightedAvgPrice": text(instrument.quoted_price(average)),
                "lastPrice": text(instrument.quoted_price(day.last)),
                "lastQty": "1",
                "openPrice": text(instrument.quoted_price(day.open)),
                "highPrice": text(instrument.quoted_price(day.high)),
                "lowPrice": text(instrument.quoted_price(day.low)),
                "openTime": call.server_time // MINUTE * MINUTE - DAY,
                "closeTime": call.server_time,
                "firstId": 1,
                "lastId": 1 + day.trades,
                "count": day.trades,
            }
            if is_inverse:
                row["pair"] = f"{instrument.base}USD"
                row["volume"] = text(instrument.contracts(day.quantity))
                row["baseVolume"] = text(instrument.base_quantity(day.quantity, average))
            else:
                row["volume"] = text(instrument.quoted_quantity(day.quantity))
                row["quoteVolume"] = text(instrument.usd(day.quantity, average))
            return row

        if call.has("symbol"):
            row = spell(call.params["symbol"], call.series(call.params["symbol"]))
            if is_inverse:
                return Answer([row])
            return Answer([row], lambda rows: rows[0] if rows else {})
        return Answer([spell(*pair) for pair in call.listed(is_inverse=is_inverse)])

    @route("GET /fapi/v1/ticker/24hr", "tickers", fapi=_unless_symbol(40))
    def linear_tickers(self, call: Call) -> Answer:
        return self._ticker(call, is_inverse=False)

    @route("GET /dapi/v1/ticker/24hr", "tickers", dapi=_unless_symbol(40))
    def inverse_tickers(self, call: Call) -> Answer:
        return self._ticker(call, is_inverse=True)

    def _leverage_brackets(self, call: Call, *, is_inverse: bool) -> Answer:
        if "X-MBX-APIKEY" not in call.headers:
            raise Refusal(401, {"code": -2014, "msg": "API-key format invalid."})
        return Answer(
            [
                {"symbol": market_id, "brackets": _brackets(series.instrument)}
                for market_id, series in call.listed(is_inverse=is_inverse)
            ]
        )

    @route("GET /fapi/v1/leverageBracket", "leverage_tiers", fapi=1)
    def linear_brackets(self, call: Call) -> Answer:
        return self._leverage_brackets(call, is_inverse=False)

    @route("GET /dapi/v2/leverageBracket", "leverage_tiers", dapi=1)
    def inverse_brackets(self, call: Call) -> Answer:
        return self._leverage_brackets(call, is_inverse=True)

    def on_text(self, socket: Socket, message: str) -> Iterable[Any]:
        request = json.loads(message)
        for topic in request.get("params", ()):
            if request.get("method") == "SUBSCRIBE":
                socket.topics[topic] = True
            else:
                socket.topics.pop(topic, None)
        yield {"result": None, "id": request.get("id")}

    def liquidation_frames(
        self, socket: Socket, after: int, until: int, told: Callable[[Series], bool]
    ) -> Iterable[Any]:
        # fstream serves USDT-M under /market/ws; dstream serves coin-M under /ws.
        is_inverse = "/market/" not in socket.path
        for market_id, series in self.by_id.items():
            instrument = series.instrument
            wanted = f"{market_id.lower()}@forceOrder" in socket.topics
            if instrument.is_inverse != is_inverse or not told(series):
                continue
            if not wanted and "!forceOrder@arr" not in socket.topics:
                continue
            for at, is_long, price, quantity in latest_per_second(
                series.liquidations(after, until)
            ):
                amount = self._open_interest_text(instrument, quantity)
                quoted = text(instrument.quoted_price(price))
                order: dict[str, Any] = {
                    "s": market_id,
                    # The side of the order: a liquidated long is sold.
                    "S": "SELL" if is_long else "BUY",
                    "o": "LIMIT",
                    "f": "IOC",
                    "q": amount,
                    "p": quoted,
                    "ap": quoted,
                    "X": "FILLED",
                    "l": amount,
                    "z": amount,
                    "T": at,
                }
                if is_inverse:
                    order["ps"] = f"{instrument.base}USD"
                yield {"e": "forceOrder", "E": at + 2, "o": order}


def _brackets(instrument: Instrument) -> list[dict[str, Any]]:
    """Return brackets as binance spells them, each ten times the one before.

    Floors and caps are USD of notional for linear contracts and base units for inverse ones.
    """
    rows = []
    unit = "qty" if instrument.is_inverse else "notional"
    cap = 5.0 if instrument.is_inverse else 50_000.0
    floor, ratio, cum = 0.0, instrument.maintenance_margin_ratio, 0.0
    for level in range(1, 5):
        rows.append(
            {
                "bracket": level,
                "initialLeverage": max(1, instrument.max_leverage // level),
                f"{unit}Cap": int(cap),
                f"{unit}Floor": int(floor),
                "maintMarginRatio": ratio,
                "cum": cum,
            }
        )
        cum += cap * ratio * 0.5
        floor, cap, ratio = cap, cap * 10, ratio * 1.5
    return rows
