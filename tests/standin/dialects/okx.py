"""OKX v5 swaps, linear and inverse, as www.okx.com/docs-v5 documents them.

Lists are newest first and bounds are exclusive: ``after`` and ``end`` select what is older,
``before`` and ``begin`` what is newer.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from standin.answers import Answer, Call, Dialect, Refusal, Socket, route
from standin.budgets import Budget
from standin.market_data import DAY, HOUR, MINUTE, Candle, Instrument, Series
from standin.spelling import latest_per_second, quoted_prices, text, typical_price

STEPS = {
    "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1H": HOUR, "2H": 2 * HOUR, "4H": 4 * HOUR, "6Hutc": 6 * HOUR, "12Hutc": 12 * HOUR,
    "1Dutc": DAY,
}  # fmt: skip
PERIODS = {"5m": 5 * MINUTE, "1H": HOUR, "1D": DAY}
RECENT_CANDLES = 1440
# How far back the statistics were found to reach in September 2026, shorter than documented.
STATISTICS_KEPT = {5 * MINUTE: 3 * DAY, HOUR: 5 * DAY, DAY: 100 * DAY}


class Okx(Dialect):
    venue = "okx"
    aliases = ("okxus", "myokx")
    most_rows: ClassVar[dict[str, int]] = {
        "candles": 300, "mark_candles": 100, "open_interest_history": 100, "funding_history": 400,
        "long_short_ratio": 100,
    }  # fmt: skip
    budgets: ClassVar[dict[str, Budget]] = {
        "ten": Budget(2, 10, "endpoint"),
        "twenty": Budget(2, 20, "endpoint"),
        "forty": Budget(2, 40, "endpoint"),
        "ten_each": Budget(2, 10, "instrument"),
    }

    def market_id(self, instrument: Instrument) -> str:
        return f"{instrument.base}-{instrument.quote}-SWAP"

    def _error(self, code: str, message: str) -> dict[str, Any]:
        return {"code": code, "data": [], "msg": message}

    def unknown_symbol(self, market_id: str) -> Refusal:
        return Refusal(
            200,
            self._error("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist."),
        )

    def bad_parameter(self, name: str, value: str) -> Refusal:
        return Refusal(400, self._error("51000", f"Parameter {name} error"))

    def too_many_requests(self, seconds: float) -> Refusal:
        return Refusal(429, self._error("50011", "Too Many Requests"))

    def _answer(self, rows: list[Any]) -> Answer:
        return Answer(rows, lambda rows: {"code": "0", "msg": "", "data": rows})

    def _bounds(
        self, call: Call, older: str = "after", newer: str = "before"
    ) -> tuple[int | None, int | None, bool]:
        """Return inclusive bounds, and whether the newest rows come when there are too many.

        That is so always: a lower bound alone gives the latest rows, not the next ones.
        """
        high, low = call.integer(older), call.integer(newer)
        return (
            None if low is None else low + 1,
            None if high is None else high - 1,
            True,
        )

    @route("GET /api/v5/public/time", "time", ten=1)
    def time(self, call: Call) -> Answer:
        return self._answer([{"ts": str(call.server_time)}])

    @route("GET /api/v5/public/instruments", "instruments", twenty=1)
    def instruments(self, call: Call) -> Answer:
        kind = call.params.get("instType", "")
        if kind not in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"):
            raise self.bad_parameter("instType", kind)
        rows = []
        for market_id, series in call.listed() if kind == "SWAP" else ():
            instrument = series.instrument
            family = f"{instrument.base}-{instrument.quote}"
            rows.append(
                {
                    "alias": "",
                    "baseCcy": "",
                    "category": "1",
                    "ctMult": "1",
                    "ctType": "inverse" if instrument.is_inverse else "linear",
                    "ctVal": text(instrument.contract_size),
                    "ctValCcy": "USD" if instrument.is_inverse else instrument.base,
                    "expTime": "",
                    "instFamily": family,
                    "instId": market_id,
                    "instType": "SWAP",
                    "lever": str(instrument.max_leverage),
                    "listTime": str(instrument.listed_at),
                    "lotSz": "1",
                    "maxIcebergSz": "100000000",
                    "maxLmtSz": "100000000",
                    "maxMktSz": "100000",
                    "maxStopSz": "100000000",
                    "maxTriggerSz": "100000000",
                    "maxTwapSz": "100000000",
                    "minSz": "1",
                    "optType": "",
                    "quoteCcy": "",
                    "ruleType": "normal",
                    "settleCcy": instrument.settle,
                    "state": "live",
                    "stk": "",
                    "tickSz": text(instrument.tick_size),
                    "uly": family,
                }
            )
        return self._answer(rows)

    def _candle(self, instrument: Instrument, candle: Candle, *, is_mark: bool) -> list[str]:
        row = [str(candle.start), *quoted_prices(instrument, candle)]
        if not is_mark:
            price = typical_price(candle)
            row.append(text(instrument.contracts(candle.quantity)))
            row.append(text(instrument.base_quantity(candle.quantity, price)))
            row.append(text(instrument.usd(candle.quantity, price)))
        row.append(str(int(candle.is_final)))
        return row

    def _candles(self, call: Call, *, most: int, is_recent: bool, is_mark: bool) -> Answer:
        series = call.series(call.params.get("instId"))
        step = call.step("bar", STEPS, "1m")
        low, high, from_end = self._bounds(call)
        limit = call.limit("limit", 100, most)
        if is_recent:
            oldest = call.now // step * step - (RECENT_CANDLES - 1) * step
            low = oldest if low is None else max(low, oldest)
        candles = call.candles(series, step, low, high, limit, from_end=from_end, is_mark=is_mark)
        if not is_recent:
            candles = [candle for candle in candles if candle.is_final]
        rows = [self._candle(series.instrument, candle, is_mark=is_mark) for candle in candles]
        return self._answer(rows[::-1])

    @route("GET /api/v5/market/candles", "candles", forty=1)
    def candles(self, call: Call) -> Answer:
        return self._candles(call, most=300, is_recent=True, is_mark=False)

    @route("GET /api/v5/market/history-candles", "candles", twenty=1)
    def history_candles(self, call: Call) -> Answer:
        return self._candles(call, most=300, is_recent=False, is_mark=False)

    @route("GET /api/v5/market/mark-price-candles", "mark_candles", twenty=1)
    def mark_candles(self, call: Call) -> Answer:
        return self._candles(call, most=100, is_recent=True, is_mark=True)

    @route("GET /api/v5/market/history-mark-price-candles", "mark_candles", ten=1)
    def history_mark_candles(self, call: Call) -> Answer:
        return self._candles(call, most=100, is_recent=False, is_mark=True)

    @route("GET /api/v5/public/open-interest", "open_interest", twenty=1)
    def open_interest(self, call: Call) -> Answer:
        if call.params.get("instType") != "SWAP":
            return self._answer([])
        rows = []
        for market_id, series in call.chosen("instId"):
            instrument = series.instrument
            quantity, price = call.open_interest(series), series.price(call.now)
            rows.append(
                {
                    "instId": market_id,
                    "instType": "SWAP",
                    "oi": text(instrument.contracts(quantity)),
                    "oiCcy": text(instrument.base_quantity(quantity, price)),
                    "oiUsd": text(instrument.usd(quantity, price)),
                    "ts": str(call.server_time),
                }
            )
        return self._answer(rows)

    def _statistics(self, call: Call) -> tuple[Series, int, int, int | None, int, bool]:
        """Return series, period, bounds, limit and `from_end` of a statistics request."""
        series = call.series(call.params.get("instId"))
        period = call.step("period", PERIODS, "5m")
        low, high, from_end = self._bounds(call, "end", "begin")
        low = max(low or 0, call.now - STATISTICS_KEPT[period])
        return series, period, low, high, call.limit("limit", 100, 100), from_end

    @route("GET /api/v5/rubik/stat/contracts/open-interest-history", "open_interest_history",
           ten_each=1)  # fmt: skip
    def open_interest_history(self, call: Call) -> Answer:
        series, period, low, high, limit, from_end = self._statistics(call)
        instrument = series.instrument
        samples = call.open_interests(series, period, low, high, limit, from_end=from_end)
        prices = series.prices_at([at for at, _ in samples])
        rows = [
            [
                str(at),
                text(instrument.contracts(quantity)),
                text(instrument.base_quantity(quantity, price)),
                text(instrument.usd(quantity, price)),
            ]
            for (at, quantity), price in zip(samples, prices, strict=True)
        ]
        return self._answer(rows[::-1])

    @route("GET /api/v5/rubik/stat/contracts/long-short-account-ratio-contract",
           "long_short_ratio", ten_each=1)  # fmt: skip
    def long_short_ratio(self, call: Call) -> Answer:
        series, period, low, high, limit, from_end = self._statistics(call)
        samples = call.ratios(series, period, low, high, limit, from_end=from_end)
        return self._answer([[str(at), text(ratio)] for at, ratio in reversed(samples)])

    @route("GET /api/v5/public/funding-rate", "funding_now", ten_each=1)
    def funding_rate(self, call: Call) -> Answer:
        named = call.params.get("instId", "")
        wanted = call.listed() if named == "ANY" else [(named, call.series(named))]
        rows = []
        for market_id, series in wanted:
            at, rate = series.funding_now(call.now)
            interval = series.instrument.funding_interval_hours * HOUR
            rows.append(
                {
                    "formulaType": "withRate",
                    "fundingRate": text(rate),
                    "fundingTime": str(at),
                    "instId": market_id,
                    "instType": "SWAP",
                    "maxFundingRate": "0.00375",
                    "method": "current_period",
                    "minFundingRate": "-0.00375",
                    "nextFundingRate": "",
                    "nextFundingTime": str(at + interval),
                    "premium": "0",
                    "settFundingRate": text(rate),
                    "settState": "settled",
                    "ts": str(call.server_time),
                }
            )
        return self._answer(rows)

    @route("GET /api/v5/public/funding-rate-history", "funding_history", ten_each=1)
    def funding_history(self, call: Call) -> Answer:
        series = call.series(call.params.get("instId"))
        low, high, from_end = self._bounds(call)
        low = max(low or 0, call.now - 92 * DAY)
        limit = call.limit("limit", 400, 400)
        rows = [
            {
                "formulaType": "withRate",
                "fundingRate": text(rate),
                "fundingTime": str(at),
                "instId": call.params["instId"],
                "instType": "SWAP",
                "method": "current_period",
                "realizedRate": text(rate),
            }
            for at, rate in reversed(call.fundings(series, low, high, limit, from_end=from_end))
        ]
        return self._answer(rows)

    @route("GET /api/v5/market/tickers", "tickers", twenty=1)
    def tickers(self, call: Call) -> Answer:
        if call.params.get("instType") != "SWAP":
            return self._answer([])
        rows = []
        for market_id, series in call.listed():
            instrument = series.instrument
            day = call.day(series)
            last = text(instrument.quoted_price(day.last))
            rows.append(
                {
                    "instType": "SWAP",
                    "instId": market_id,
                    "last": last,
                    "lastSz": "1",
                    "askPx": last,
                    "askSz": "1",
                    "bidPx": last,
                    "bidSz": "1",
                    "open24h": text(instrument.quoted_price(day.open)),
                    "high24h": text(instrument.quoted_price(day.high)),
                    "low24h": text(instrument.quoted_price(day.low)),
                    "volCcy24h": text(
                        instrument.base_quantity(day.quantity, (day.high + day.low) / 2)
                    ),
                    "vol24h": text(instrument.contracts(day.quantity)),
                    "ts": str(call.server_time),
                    "sodUtc0": text(instrument.quoted_price(day.open)),
                    "sodUtc8": text(instrument.quoted_price(day.open)),
                }
            )
        return self._answer(rows)

    @route("GET /api/v5/public/mark-price", "mark_prices", ten=1)
    def mark_price(self, call: Call) -> Answer:
        return self._answer(
            [
                {
                    "instId": market_id,
                    "instType": "SWAP",
                    "markPx": text(series.instrument.quoted_price(series.price(call.now))),
                    "ts": str(call.server_time),
                }
                for market_id, series in call.listed()
            ]
        )

    @route("GET /api/v5/public/position-tiers", "leverage_tiers", ten=1)
    def position_tiers(self, call: Call) -> Answer:
        family = call.params.get("instFamily") or call.params.get("uly", "")
        instrument = call.series(f"{family}-SWAP").instrument
        rows = []
        for tier in range(1, 5):
            rows.append(
                {
                    "baseMaxLoan": "",
                    "imr": text(tier / instrument.max_leverage),
                    "instFamily": family,
                    "instId": "",
                    "maxLever": text(instrument.max_leverage / tier),
                    # Sizes are contracts.
                    "maxSz": str(1000 * 10**tier),
                    "minSz": "0" if tier == 1 else str(1000 * 10 ** (tier - 1) + 1),
                    "mmr": text(instrument.maintenance_margin_ratio * tier),
                    "optMgnFactor": "0",
                    "quoteMaxLoan": "",
                    "tier": str(tier),
                    "uly": family,
                }
            )
        return self._answer(rows)

    def _liquidation_row(
        self, market_id: str, instrument: Instrument, row: tuple[int, bool, float, float]
    ) -> dict[str, Any]:
        at, is_long, price, quantity = row
        return {
            "bkLoss": "0",
            "bkPx": text(instrument.quoted_price(price)),
            "ccy": "",
            "posSide": "long" if is_long else "short",
            "side": "sell" if is_long else "buy",
            "sz": text(instrument.contracts(quantity)),
            "ts": str(at),
        }

    @route("GET /api/v5/public/liquidation-orders", "liquidations", forty=1)
    def liquidation_orders(self, call: Call) -> Answer:
        if call.params.get("instType") != "SWAP":
            return self._answer([])
        family = call.params.get("instFamily") or call.params.get("uly", "")
        market_id = f"{family}-SWAP"
        series = call.series(market_id)
        low, high, _ = self._bounds(call)
        latest = latest_per_second(
            call.liquidations(
                series,
                max((low or 1) - 1, call.now - DAY),
                call.now if high is None else high,
            )
        )
        details = [self._liquidation_row(market_id, series.instrument, row) for row in latest]
        details = details[::-1][: call.limit("limit", 100, 100)]
        return Answer(
            details,
            lambda details: {
                "code": "0",
                "msg": "",
                "data": [
                    {
                        "details": details,
                        "instFamily": family,
                        "instId": market_id,
                        "instType": "SWAP",
                        "totalLoss": "0",
                        "uly": family,
                    }
                ],
            },
        )

    def on_text(self, socket: Socket, message: str) -> Iterable[Any]:
        if message == "ping":
            yield "pong"
            return
        request = json.loads(message)
        for argument in request.get("args", ()):
            topic = f"{argument.get('channel')}:{argument.get('instType')}"
            if topic != "liquidation-orders:SWAP":
                yield {
                    "event": "error",
                    "code": "60018",
                    "msg": f"Wrong URL or channel:{argument.get('channel')} doesn't exist.",
                    "connId": "standin",
                }
                continue
            if request.get("op") == "subscribe":
                socket.topics[topic] = True
            else:
                socket.topics.pop(topic, None)
            yield {"event": request.get("op"), "arg": argument, "connId": "standin"}

    def frames(
        self, socket: Socket, after: int, until: int, is_listed: Callable[[Series], bool]
    ) -> Iterable[Any]:
        if "liquidation-orders:SWAP" not in socket.topics:
            return
        for market_id, series in self.by_id.items():
            if not is_listed(series):
                continue
            instrument = series.instrument
            family = f"{instrument.base}-{instrument.quote}"
            for row in latest_per_second(series.liquidations(after, until)):
                yield {
                    "arg": {"channel": "liquidation-orders", "instType": "SWAP"},
                    "data": [
                        {
                            "details": [self._liquidation_row(market_id, instrument, row)],
                            "instFamily": family,
                            "instId": market_id,
                            "instType": "SWAP",
                            "uly": family,
                        }
                    ],
                }
