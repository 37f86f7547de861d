"""Gate v4 perpetuals, settled in usdt (linear) or btc (inverse), as its API v4 pages document them.

Times are seconds. The rows of ``contract_stats`` carry the start of their period as label and the
state at its end as value, and count both sides of each contract; ``position_size`` counts one.
"""

from typing import Any, ClassVar

from standin.answers import Answer, Call, Dialect, Refusal, candles_or_marks, route, single
from standin.budgets import Budget
from standin.market_data import DAY, HOUR, MINUTE, Candle, Instrument, Series
from standin.spelling import number, text, typical_price

STEPS = {
    "1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE, "1h": HOUR,
    "4h": 4 * HOUR, "8h": 8 * HOUR, "1d": DAY,
}  # fmt: skip
PERIODS = {
    "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE, "1h": HOUR, "4h": 4 * HOUR, "1d": DAY,
}  # fmt: skip
MOST_CANDLES = 2000
SIDES = 2


class Gate(Dialect):
    venue = "gate"
    aliases = ("gateio",)
    most_rows: ClassVar[dict[str, int]] = {
        "candles": 2000, "mark_candles": 2000, "open_interest_history": 100, "funding_history": 1000
    }  # fmt: skip
    budgets: ClassVar[dict[str, Budget]] = {"each": Budget(10, 200, "endpoint")}

    def market_id(self, instrument: Instrument) -> str:
        return f"{instrument.base}_{instrument.quote}"

    def _error(self, label: str, message: str) -> dict[str, Any]:
        return {"label": label, "message": message}

    def unknown_symbol(self, market_id: str) -> Refusal:
        return Refusal(400, self._error("CONTRACT_NOT_FOUND", f"contract {market_id} not found"))

    def bad_parameter(self, name: str, value: str) -> Refusal:
        return Refusal(400, self._error("INVALID_PARAM_VALUE", f"invalid argument: {name}"))

    def too_many_requests(self, seconds: float) -> Refusal:
        return Refusal(
            429,
            self._error("TOO_MANY_REQUESTS", "Request Rate Limit Exceeded"),
            {"X-Gate-RateLimit-Requests-Remain": "0", "X-Gate-RateLimit-Limit": "200"},
        )

    def _settled(self, call: Call) -> bool:
        """Return whether the settle of the path is the inverse one."""
        settle = call.params.get("settle", "")
        if settle not in ("usdt", "btc"):
            raise self.bad_parameter("settle", settle)
        return settle == "btc"

    def _series(self, call: Call, name: str | None = None) -> Series:
        return call.series(name or call.params.get("contract"), is_inverse=self._settled(call))

    @route("GET /api/v4/spot/time", "time", each=1)
    def time(self, call: Call) -> Answer:
        return Answer([], lambda _: {"server_time": call.server_time})

    @route("GET /api/v4/spot/currencies", "currencies", each=1)
    @route("GET /api/v4/spot/currency_pairs", "spot_instruments", each=1)
    @route("GET /api/v4/margin/currency_pairs", "spot_instruments", each=1)
    @route("GET /api/v4/options/underlyings", "options", each=1)
    @route("GET /api/v4/delivery/{settle}/contracts", "deliveries", each=1)
    def nothing(self, call: Call) -> Answer:
        return Answer([])

    def _contract(self, call: Call, market_id: str, series: Series) -> dict[str, Any]:
        instrument = series.instrument
        day = call.day(series)
        at, rate = series.funding_now(call.now)
        tick = text(instrument.tick_size)
        return {
            "funding_rate_indicative": text(rate),
            "mark_price_round": tick,
            "funding_offset": 0,
            "in_delisting": False,
            "risk_limit_base": "500000",
            "interest_rate": "0.0003",
            "index_price": text(instrument.quoted_price(day.mark)),
            "order_price_round": tick,
            "order_size_min": 1,
            "ref_rebate_rate": "0.2",
            "name": market_id,
            "ref_discount_rate": "0",
            "order_price_deviate": "0.1",
            "maintenance_rate": text(instrument.maintenance_margin_ratio),
            "mark_type": "index",
            "funding_interval": instrument.funding_interval_hours * 3600,
            "type": "inverse" if instrument.is_inverse else "direct",
            "risk_limit_step": "500000",
            "enable_bonus": False,
            "enable_credit": True,
            "leverage_min": "1",
            "funding_rate": text(rate),
            "last_price": text(instrument.quoted_price(day.last)),
            "mark_price": text(instrument.quoted_price(day.mark)),
            "order_size_max": 1000000,
            "funding_next_apply": at // 1000,
            "short_users": 100,
            "config_change_time": 1681271407,
            "create_time": instrument.listed_at // 1000,
            "trade_size": number(instrument.contracts(day.quantity)),
            "position_size": number(instrument.contracts(call.open_interest(series))),
            "long_users": 100,
            # The inverse contract has 0 here and is worth 1 USD.
            "quanto_multiplier": "0" if instrument.is_inverse else text(instrument.contract_size),
            "funding_impact_value": "5000",
            "leverage_max": str(instrument.max_leverage),
            "risk_limit_max": "5000000",
            "maker_fee_rate": "-0.000152",
            "taker_fee_rate": "0.00075",
            "orders_limit": 30,
            "trade_id": 1,
            "orderbook_id": 1,
            "status": "trading",
        }

    @route("GET /api/v4/futures/{settle}/contracts", "instruments", each=1)
    def contracts(self, call: Call) -> Answer:
        listed = call.listed(is_inverse=self._settled(call))
        return Answer([self._contract(call, *pair) for pair in listed])

    @route("GET /api/v4/futures/{settle}/contracts/{contract}", "instruments", each=1)
    def contract(self, call: Call) -> Answer:
        row = self._contract(call, call.params["contract"], self._series(call))
        return single(row)

    @route("GET /api/v4/futures/{settle}/tickers", "tickers", each=1)
    def tickers(self, call: Call) -> Answer:
        rows = []
        for market_id, series in call.chosen("contract", is_inverse=self._settled(call)):
            instrument = series.instrument
            day = call.day(series)
            _, rate = series.funding_now(call.now)
            average = (day.high + day.low) / 2
            usd = text(instrument.usd(day.quantity, average))
            base = text(instrument.base_quantity(day.quantity, average))
            rows.append(
                {
                    "contract": market_id,
                    "last": text(instrument.quoted_price(day.last)),
                    "low_24h": text(instrument.quoted_price(day.low)),
                    "high_24h": text(instrument.quoted_price(day.high)),
                    "change_percentage": f"{100 * (day.last / day.open - 1):.2f}",
                    "total_size": text(instrument.contracts(call.open_interest(series))),
                    "volume_24h": text(instrument.contracts(day.quantity)),
                    "volume_24h_btc": "0",
                    "volume_24h_usd": usd,
                    "volume_24h_base": base,
                    "volume_24h_quote": usd,
                    "volume_24h_settle": base if instrument.is_inverse else usd,
                    "mark_price": text(instrument.quoted_price(day.mark)),
                    "funding_rate": text(rate),
                    "funding_rate_indicative": text(rate),
                    "index_price": text(instrument.quoted_price(day.mark)),
                    "quanto_base_rate": "",
                }
            )
        return Answer(rows)

    def _candle(self, instrument: Instrument, candle: Candle, *, is_mark: bool) -> dict[str, Any]:
        row: dict[str, Any] = {
            "t": candle.start // 1000,
            "o": text(instrument.quoted_price(candle.open)),
            "h": text(instrument.quoted_price(candle.high)),
            "l": text(instrument.quoted_price(candle.low)),
            "c": text(instrument.quoted_price(candle.close)),
        }
        if not is_mark:
            row["v"] = number(instrument.contracts(candle.quantity))
            row["sum"] = text(instrument.usd(candle.quantity, typical_price(candle)))
        return row

    @route(
        "GET /api/v4/futures/{settle}/candlesticks",
        candles_or_marks(lambda params: params.get("contract", "").startswith("mark_")),
        each=1,
    )
    def candlesticks(self, call: Call) -> Answer:
        prefix, _, name = call.params.get("contract", "").partition("_")
        is_mark = prefix == "mark"
        series = self._series(call, name if is_mark else None)
        step = call.step("interval", STEPS, "5m")
        low, high = call.milliseconds("from"), call.milliseconds("to")
        if call.has("limit") and (low is not None or high is not None):
            raise Refusal(
                400,
                self._error("INVALID_PARAM_VALUE", "limit conflicts with from and to"),
            )
        if low is not None:
            last = call.now if high is None else min(high, call.now)
            if (last - low) // step + 1 > MOST_CANDLES:
                raise Refusal(
                    400,
                    self._error(
                        "INVALID_PARAM_VALUE",
                        "Candlestick range too broad. Maximum 2000 data points are allowed per "
                        "request",
                    ),
                )
        limit = call.limit("limit", MOST_CANDLES if low is not None else 100, MOST_CANDLES)
        candles = call.candles(
            series, step, low, high, limit, from_end=low is None, is_mark=is_mark
        )
        return Answer(
            [self._candle(series.instrument, candle, is_mark=is_mark) for candle in candles]
        )

    @route("GET /api/v4/futures/{settle}/contract_stats", "open_interest_history", each=1)
    def contract_stats(self, call: Call) -> Answer:
        series = self._series(call)
        instrument = series.instrument
        period = call.step("interval", PERIODS, "5m")
        low = call.milliseconds("from")
        limit = call.limit("limit", 30, 100)
        # A row labelled t covers (t, t + period]; the newest row is unfinished and holds the state
        # so far.
        first = None if low is None else low + period
        samples = call.open_interests(series, period, first, None, limit, from_end=low is None)
        ratios = dict(call.ratios(series, period, first, None, limit, from_end=low is None))
        running = call.now // period * period
        rows_at = [(at - period, at, quantity) for at, quantity in samples]
        is_reached = low is None or (running >= low and len(rows_at) < limit)
        if is_reached and running < call.now:
            rows_at.append((running, call.now, call.open_interest(series)))
        rows_at = rows_at[-limit:] if low is None else rows_at[:limit]
        prices = series.prices_at([at for _, at, _ in rows_at])
        rows = []
        for (label, at, quantity), price in zip(rows_at, prices, strict=True):
            hits = call.liquidations(series, label, at)
            longs = [(p, q) for _, is_long, p, q in hits if is_long]
            shorts = [(p, q) for _, is_long, p, q in hits if not is_long]

            def total(of: list[tuple[float, float]], by: Any) -> int | float:
                return number(sum(by(quantity, price) for price, quantity in of))

            def size(quantity: float, price: float, instrument: Instrument = instrument) -> float:
                return instrument.contracts(quantity)

            ratio = ratios.get(at, 1.0)
            rows.append(
                {
                    "time": label // 1000,
                    "lsr_taker": 1.0,
                    "lsr_account": number(ratio),
                    "long_liq_size": total(longs, size),
                    "long_liq_amount": total(longs, instrument.base_quantity),
                    "long_liq_usd": total(longs, instrument.usd),
                    "short_liq_size": total(shorts, size),
                    "short_liq_amount": total(shorts, instrument.base_quantity),
                    "short_liq_usd": total(shorts, instrument.usd),
                    "open_interest": number(instrument.contracts(quantity) * SIDES),
                    "open_interest_usd": number(instrument.usd(quantity, price) * SIDES),
                    "top_lsr_account": number(ratio),
                    "top_lsr_size": number(ratio),
                    "mark_price": number(instrument.quoted_price(price)),
                }
            )
        return Answer(rows)

    @route("GET /api/v4/futures/{settle}/funding_rate", "funding_history", each=1)
    def funding_rate(self, call: Call) -> Answer:
        series = self._series(call)
        low, high = call.milliseconds("from"), call.milliseconds("to")
        limit = call.limit("limit", 100, 1000)
        return Answer(
            [
                {"r": text(rate), "t": at // 1000}
                for at, rate in reversed(call.fundings(series, low, high, limit, from_end=True))
            ]
        )

    @route("GET /api/v4/futures/{settle}/risk_limit_tiers", "leverage_tiers", each=1)
    def risk_limit_tiers(self, call: Call) -> Answer:
        limit = call.limit("limit", 100, 100)
        offset = call.integer("offset", 0) or 0
        named = call.chosen("contract", is_inverse=self._settled(call))
        if not call.has("contract"):
            named = named[offset : offset + limit]
        return Answer(
            [
                {
                    "maintenance_rate": text(series.instrument.maintenance_margin_ratio * tier),
                    "tier": tier,
                    "initial_rate": text(tier / series.instrument.max_leverage),
                    "leverage_max": text(series.instrument.max_leverage / tier),
                    "risk_limit": str(50_000 * 10**tier),
                    "deduction": text(
                        series.instrument.maintenance_margin_ratio
                        * sum(50_000 * 10**lower for lower in range(1, tier))
                    ),
                    "contract": market_id,
                }
                for market_id, series in named
                for tier in range(1, 5)
            ]
        )

    @route("GET /api/v4/futures/{settle}/liq_orders", "liquidations", each=1)
    def liq_orders(self, call: Call) -> Answer:
        named = call.chosen("contract", is_inverse=self._settled(call))
        high = call.milliseconds("to") or call.now
        # Without a start, the last hour; both together span an hour at most.
        low = max(call.milliseconds("from") or 0, min(high, call.now) - HOUR)
        rows: list[dict[str, Any]] = []
        for market_id, series in named:
            for at, is_long, price, quantity in call.liquidations(series, low - 1, high):
                contracts = number(series.instrument.contracts(quantity))
                quoted = text(series.instrument.quoted_price(price))
                rows.append(
                    {
                        "time": at // 1000,
                        "contract": market_id,
                        # The position's size, negative for shorts; the order has the other sign.
                        "size": contracts if is_long else -contracts,
                        "order_size": -contracts if is_long else contracts,
                        "order_price": quoted,
                        "fill_price": quoted,
                        "left": 0,
                    }
                )
        rows.sort(key=lambda row: -row["time"])
        return Answer(rows[: call.limit("limit", 100, 1000)])
