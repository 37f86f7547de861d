"""Deribit perpetuals over JSON-RPC's HTTP form, as docs.deribit.com documents them.

Open interest of inverse contracts is USD, of linear ones base units. Funding is published by the
hour: ``interest_1h`` of that hour and ``interest_8h`` of the eight hours that end with it.
"""

from typing import Any, ClassVar

from standin.answers import Answer, Call, Dialect, Refusal, route
from standin.budgets import Budget
from standin.market_data import DAY, HOUR, MINUTE, Instrument, Series
from standin.spelling import number, quoted_prices, typical_price

STEPS = {
    "1": MINUTE, "3": 3 * MINUTE, "5": 5 * MINUTE, "10": 10 * MINUTE, "15": 15 * MINUTE,
    "30": 30 * MINUTE, "60": HOUR, "120": 2 * HOUR, "180": 3 * HOUR, "360": 6 * HOUR,
    "720": 12 * HOUR, "1D": DAY,
}  # fmt: skip
MOST_CANDLES = 5000
MOST_FUNDINGS = 744
_COLUMNS = ("ticks", "open", "high", "low", "close", "volume", "cost")


class Deribit(Dialect):
    venue = "deribit"
    # 500 credits a call, 50,000 at most, 10,000 more a second: bursts of 100, 20 a second.
    most_rows: ClassVar[dict[str, int]] = {"candles": 5000, "funding_history": 744}
    budgets: ClassVar[dict[str, Budget]] = {"credits": Budget(5, 100)}

    def market_id(self, instrument: Instrument) -> str:
        if instrument.is_inverse:
            return f"{instrument.base}-PERPETUAL"
        return f"{instrument.base}_{instrument.quote}-PERPETUAL"

    def _error(self, code: int, message: str, **data: str) -> dict[str, Any]:
        return {
            "jsonrpc": "2.0",
            "error": {"message": message, "data": data, "code": code},
            "testnet": False,
            "usIn": 0,
            "usOut": 0,
            "usDiff": 0,
        }

    def unknown_symbol(self, market_id: str) -> Refusal:
        return Refusal(
            400,
            self._error(-32602, "Invalid params", reason="wrong format", param="instrument_name"),
        )

    def bad_parameter(self, name: str, value: str) -> Refusal:
        return Refusal(400, self._error(-32602, "Invalid params", reason="invalid", param=name))

    def too_many_requests(self, seconds: float) -> Refusal:
        return Refusal(429, self._error(10028, "too_many_requests"))

    def _wrapped(self, call: Call, result: Any) -> dict[str, Any]:
        microseconds = call.server_time * 1000
        return {
            "jsonrpc": "2.0",
            "result": result,
            "usIn": microseconds,
            "usOut": microseconds + 100,
            "usDiff": 100,
            "testnet": False,
        }

    def _answer(self, call: Call, rows: list[Any]) -> Answer:
        return Answer(rows, lambda rows: self._wrapped(call, rows))

    @route("GET /api/v2/public/get_time", "time", credits=1)
    def time(self, call: Call) -> Answer:
        return Answer([], lambda _: self._wrapped(call, call.server_time))

    @route("GET /api/v2/public/get_currencies", "currencies", credits=1)
    def currencies(self, call: Call) -> Answer:
        names = {series.instrument.base for _, series in call.listed()} | {"USDC"}
        return self._answer(
            call,
            [
                {
                    "currency": name,
                    "network_fee": 0.0,
                    "min_withdrawal_fee": 0.0,
                    "apr": 0.0,
                    "withdrawal_fee": 0.0,
                    "network_currency": name,
                    "coin_type": name,
                    "withdrawal_priorities": [],
                    "min_confirmations": 1,
                    "currency_long": name,
                    "in_cross_collateral_pool": False,
                }
                for name in sorted(names)
            ],
        )

    @route("GET /api/v2/public/get_instruments", "instruments", credits=1)
    def instruments(self, call: Call) -> Answer:
        rows = []
        for market_id, series in call.listed():
            instrument = series.instrument
            rows.append(
                {
                    "tick_size": number(instrument.tick_size),
                    "taker_commission": 0.0005,
                    "settlement_period": "perpetual",
                    "settlement_currency": instrument.settle,
                    "quote_currency": instrument.quote,
                    "price_index": f"{instrument.base}_{instrument.quote}".lower(),
                    "min_trade_amount": number(instrument.contract_size),
                    "max_liquidation_commission": 0.0075,
                    "max_leverage": instrument.max_leverage,
                    "maker_commission": 0.0,
                    "kind": "future",
                    "is_active": True,
                    "instrument_name": market_id,
                    "instrument_type": "reversed" if instrument.is_inverse else "linear",
                    "future_type": "reversed" if instrument.is_inverse else "linear",
                    "expiration_timestamp": 32503708800000,
                    "creation_timestamp": instrument.listed_at,
                    "counter_currency": instrument.quote,
                    "contract_size": number(instrument.contract_size),
                    "block_trade_commission": 0.0001,
                    "base_currency": instrument.base,
                }
            )
        return self._answer(call, rows)

    @route("GET /api/v2/public/get_tradingview_chart_data", "candles", credits=1)
    def chart(self, call: Call) -> Answer:
        series = call.series(call.params.get("instrument_name"))
        instrument = series.instrument
        step = call.step("resolution", STEPS)
        low, high = call.integer("start_timestamp"), call.integer("end_timestamp")
        if low is None or high is None:
            raise self.bad_parameter("start_timestamp", "")
        candles = call.candles(series, step, low, high, MOST_CANDLES, from_end=True)
        rows = [
            [
                candle.start,
                *quoted_prices(instrument, candle, number),
                number(instrument.base_quantity(candle.quantity, typical_price(candle))),
                number(instrument.usd(candle.quantity, typical_price(candle))),
            ]
            for candle in candles
        ]
        return Answer(
            rows,
            lambda rows: self._wrapped(
                call,
                {name: [row[place] for row in rows] for place, name in enumerate(_COLUMNS)}
                | {"status": "ok" if rows else "no_data"},
            ),
        )

    def _summary(self, call: Call, market_id: str, series: Series) -> dict[str, Any]:
        instrument = series.instrument
        day = call.day(series)
        last, mark = (number(instrument.quoted_price(price)) for price in (day.last, day.mark))
        average = (day.high + day.low) / 2
        rates = [rate for _, rate in series.fundings(call.now, limit=8, from_end=True)]
        return {
            "high": number(instrument.quoted_price(day.high)),
            "low": number(instrument.quoted_price(day.low)),
            "last": last,
            "instrument_name": market_id,
            "bid_price": last,
            "ask_price": last,
            "open_interest": number(instrument.quoted_quantity(call.open_interest(series))),
            "mark_price": mark,
            "creation_timestamp": call.server_time,
            "price_change": round(100 * (day.last / day.open - 1), 4),
            "volume": number(instrument.base_quantity(day.quantity, average)),
            "estimated_delivery_price": mark,
            "base_currency": instrument.base,
            "quote_currency": instrument.quote,
            "volume_usd": number(instrument.usd(day.quantity, average)),
            "volume_notional": number(instrument.usd(day.quantity, average)),
            "current_funding": number(rates[-1] * 8) if rates else 0.0,
            "funding_8h": number(sum(rates)),
            "mid_price": last,
        }

    @route("GET /api/v2/public/get_book_summary_by_instrument", "open_interest", credits=1)
    def summary(self, call: Call) -> Answer:
        series = call.series(call.params.get("instrument_name"))
        return self._answer(call, [self._summary(call, call.params["instrument_name"], series)])

    @route("GET /api/v2/public/get_book_summary_by_currency", "tickers", credits=1)
    def summaries(self, call: Call) -> Answer:
        currency = call.params.get("currency", "")
        # Contracts are found under the currency they settle in.
        return self._answer(
            call,
            [
                self._summary(call, market_id, series)
                for market_id, series in call.listed()
                if series.instrument.settle == currency
            ],
        )

    @route("GET /api/v2/public/get_funding_rate_history", "funding_history", credits=1)
    def funding_history(self, call: Call) -> Answer:
        series = call.series(call.params.get("instrument_name"))
        low, high = call.integer("start_timestamp"), call.integer("end_timestamp")
        rates = call.fundings(series, low, high, MOST_FUNDINGS, from_end=True)
        earlier = dict(
            series.fundings(call.now, None if low is None else low - 8 * HOUR, high, from_end=True)
        )
        prices = series.prices_at([at for at, _ in rates])
        return self._answer(
            call,
            [
                {
                    "timestamp": at,
                    "index_price": number(series.instrument.quoted_price(price)),
                    "prev_index_price": number(series.instrument.quoted_price(price)),
                    "interest_8h": sum(earlier.get(at - hour * HOUR, 0.0) for hour in range(8)),
                    "interest_1h": rate,
                }
                for (at, rate), price in zip(rates, prices, strict=True)
            ],
        )

    @route("GET /api/v2/public/get_last_trades_by_instrument_and_time", "trades", credits=1)
    def trades(self, call: Call) -> Answer:
        """Answer with the first trade of every bar and all liquidations."""
        series = call.series(call.params.get("instrument_name"))
        instrument = series.instrument
        low, high = call.integer("start_timestamp", 0) or 0, call.integer("end_timestamp")
        high = call.now if high is None else min(high, call.now)
        count = call.limit("count", 10, 1000)
        bars = call.candles(series, series.bar_milliseconds, low, high, None, from_end=False)
        rows = [(bar.start, False, "buy", bar.open, instrument.contract_size) for bar in bars]
        rows += [
            (at, True, "sell" if is_long else "buy", price, quantity)
            for at, is_long, price, quantity in call.liquidations(series, low - 1, high)
        ]
        rows.sort(reverse=call.params.get("sorting", "default") != "asc")
        trades = []
        for at, is_liquidation, direction, price, quantity in rows[:count]:
            trade = {
                "trade_seq": at,
                "trade_id": f"{instrument.base}-{at}{'L' if is_liquidation else ''}",
                "timestamp": at,
                "tick_direction": 0,
                "price": number(instrument.quoted_price(price)),
                "mark_price": number(instrument.quoted_price(price)),
                "instrument_name": call.params["instrument_name"],
                "index_price": number(instrument.quoted_price(price)),
                # The taker's side, and here it is the taker who is liquidated.
                "direction": direction,
                "contracts": number(instrument.contracts(quantity)),
                "amount": number(instrument.quoted_quantity(quantity)),
            }
            if is_liquidation:
                trade["liquidation"] = "T"
            trades.append(trade)
        return Answer(
            trades,
            lambda trades: self._wrapped(call, {"trades": trades, "has_more": len(rows) > count}),
        )

    @route("GET /api/v2/public/get_funding_rate_value", "funding_now", credits=1)
    def funding_value(self, call: Call) -> Answer:
        series = call.series(call.params.get("instrument_name"))
        low, high = call.integer("start_timestamp"), call.integer("end_timestamp")
        rates = series.fundings(call.now, low, high, from_end=True)
        return Answer([], lambda _: self._wrapped(call, sum(rate for _, rate in rates)))

    @route("GET /api/v2/public/get_last_settlements_by_instrument", "liquidations", credits=1)
    def settlements(self, call: Call) -> Answer:
        # Bankruptcies are rare and left out here.
        call.series(call.params.get("instrument_name"))
        return Answer(
            [],
            lambda rows: self._wrapped(call, {"settlements": rows, "continuation": "none"}),
        )
