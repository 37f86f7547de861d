"""Binance futures, USDT-M (fapi) and coin-M (dapi), as developers.binance.com documents them.

Both hosts share ``/futures/data``: USDT-M names a ``symbol``, coin-M a ``pair``.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from standin.answers import Answer, Call, Dialect, Refusal, Socket, route, single
from standin.binance_contracts import contract_row, leverage_brackets, spot_row
from standin.budgets import Budget
from standin.market_data import DAY, HOUR, MINUTE, Candle, Instrument, Series
from standin.spelling import latest_per_second, quoted_prices, text, typical_price

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
        "candles": 1500, "mark_candles": 1500, "open_interest_history": 500,
        "funding_history": 1000, "long_short_ratio": 500,
    }  # fmt: skip
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

    def _exchange_info(self, call: Call, *, is_inverse: bool) -> Answer:
        rows = [
            contract_row(market_id, series.instrument)
            for market_id, series in call.listed(is_inverse=is_inverse)
        ]
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
        rows = [spot_row(series.instrument) for _, series in call.listed(is_inverse=False)]
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
            *quoted_prices(instrument, candle),
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
            *quoted_prices(series.instrument, candle),
            "0",
            candle.start + step - 1,
            "0",
            step // 1000,
            "0",
            "0",
            "0",
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
        return single(row)

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
        linear = None if call.has("symbol") else False
        rows: list[dict[str, Any]] = []
        for market_id, series in call.chosen("symbol", is_inverse=linear):
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
        # Only contracts whose interval or cap was adjusted are listed; 8 hours is the default.
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

    def _one_or_all(
        self, call: Call, spell: Callable[[str, Series], dict[str, Any]], *, is_inverse: bool
    ) -> Answer:
        """Return the rows of contracts; USDT-M answers a named one without a list around it."""
        rows = [spell(*pair) for pair in call.chosen("symbol", is_inverse=is_inverse)]
        return single(rows[0]) if call.has("symbol") and not is_inverse else Answer(rows)

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

        return self._one_or_all(call, spell, is_inverse=is_inverse)

    @route("GET /fapi/v1/premiumIndex", "funding_now", fapi=_unless_symbol(10))
    def linear_premium(self, call: Call) -> Answer:
        return self._premium(call, is_inverse=False)

    @route("GET /dapi/v1/premiumIndex", "funding_now", dapi=10)
    def inverse_premium(self, call: Call) -> Answer:
        return self._premium(call, is_inverse=True)

    def _ticker(self, call: Call, *, is_inverse: bool) -> Answer:
        def spell(market_id: str, series: Series) -> dict[str, Any]:
            instrument = series.instrument
            day = call.day(series)
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

        return self._one_or_all(call, spell, is_inverse=is_inverse)

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
                {"symbol": market_id, "brackets": leverage_brackets(series.instrument)}
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

    def frames(
        self, socket: Socket, after: int, until: int, is_listed: Callable[[Series], bool]
    ) -> Iterable[Any]:
        # fstream serves USDT-M under /market/ws; dstream serves coin-M under /ws.
        is_inverse = "/market/" not in socket.path
        for market_id, series in self.by_id.items():
            instrument = series.instrument
            wanted = f"{market_id.lower()}@forceOrder" in socket.topics
            if instrument.is_inverse != is_inverse or not is_listed(series):
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
