"""HTX swaps, USDT-M and coin-M, as huobiapi.github.io/docs and www.htx.com/opend document them.

Volumes and open interest are "the sum of both buy and sell sides": everything counts twice.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from standin.answers import Answer, Call, Dialect, Refusal, route, single
from standin.budgets import Budget
from standin.market_data import DAY, HOUR, MINUTE, Candle, Instrument, Series
from standin.spelling import number, text, typical_price

STEPS = {
    "1min": MINUTE, "5min": 5 * MINUTE, "15min": 15 * MINUTE, "30min": 30 * MINUTE, "60min": HOUR,
    "4hour": 4 * HOUR, "1day": DAY,
}  # fmt: skip
PERIODS = {"60min": HOUR, "4hour": 4 * HOUR, "12hour": 12 * HOUR, "1day": DAY}
SIDES = 2
MOST_CANDLES = 2000


def _swap(market_id: str, instrument: Instrument) -> dict[str, str]:
    """Return the fields that only USDT-M answers carry."""
    return {
        "business_type": "swap",
        "pair": market_id,
        "contract_type": "swap",
        "trade_partition": instrument.quote,
    }


class Htx(Dialect):
    venue = "htx"
    aliases = ("huobi",)
    most_rows: ClassVar[dict[str, int]] = {
        "candles": 2000, "mark_candles": 2000, "open_interest_history": 200, "funding_history": 100
    }  # fmt: skip
    budgets: ClassVar[dict[str, Budget]] = {"market": Budget(1, 800), "public": Budget(3, 240)}

    def market_id(self, instrument: Instrument) -> str:
        return f"{instrument.base}-{instrument.quote}"

    def _error(self, code: int, message: str) -> dict[str, Any]:
        return {"status": "error", "err_code": code, "err_msg": message, "ts": 0}

    def unknown_symbol(self, market_id: str) -> Refusal:
        return Refusal(200, self._error(1013, "This contract symbol doesnt exist."))

    def bad_parameter(self, name: str, value: str) -> Refusal:
        return Refusal(200, self._error(1030, f"Input error: {name}"))

    def too_many_requests(self, seconds: float) -> Refusal:
        return Refusal(
            429,
            self._error(1032, "The number of access exceeded limit."),
            {"ratelimit-remaining": "0"},
        )

    def _ok(self, call: Call, rows: list[Any], name: str = "data", **more: Any) -> Answer:
        return Answer(
            rows, lambda rows: {"status": "ok", **more, name: rows, "ts": call.server_time}
        )

    def _success(self, call: Call, rows: list[Any]) -> Answer:
        return Answer(rows, self._succeeded(call))

    def _succeeded(self, call: Call) -> Callable[[Any], dict[str, Any]]:
        """Return what the v5 endpoints wrap around their data."""
        return lambda data: {
            "code": 200,
            "message": "Success",
            "data": data,
            "ts": call.server_time,
        }

    def _series(self, call: Call, *, is_inverse: bool) -> Series:
        return call.series(call.params.get("contract_code"), is_inverse=is_inverse)

    @route("GET /v1/common/timestamp", "time", public=1)
    def spot_time(self, call: Call) -> Answer:
        return Answer([], lambda _: {"status": "ok", "data": call.server_time})

    @route("GET /api/v1/timestamp", "time", public=1)
    def time(self, call: Call) -> Answer:
        return Answer([], lambda _: {"status": "ok", "ts": call.server_time})

    @route("GET /v2/reference/currencies", "currencies", public=1)
    def nothing(self, call: Call) -> Answer:
        return Answer([], lambda rows: {"code": 200, "data": rows})

    @route("GET /v1/common/symbols", "spot_instruments", public=1)
    def spot(self, call: Call) -> Answer:
        row = {
            "base-currency": "btc",
            "quote-currency": "usdt",
            "price-precision": 2,
            "amount-precision": 6,
            "symbol-partition": "main",
            "symbol": "btcusdt",
            "state": "online",
            "value-precision": 8,
            "min-order-amt": 0.00001,
            "max-order-amt": 1000,
            "min-order-value": 5,
            "api-trading": "enabled",
        }
        return self._ok(call, [row])

    @route("GET /api/v1/contract_contract_info", "deliveries", public=1)
    def deliveries(self, call: Call) -> Answer:
        # ccxt takes an empty list for a fault, so one quarterly future is listed.
        row = {
            "symbol": "BTC",
            "contract_code": "BTC300329",
            "contract_type": "quarter",
            "contract_size": 100,
            "price_tick": 0.1,
            "delivery_date": "20300329",
            "delivery_time": "1900915200000",
            "create_date": "20230101",
            "contract_status": 1,
            "settlement_time": "1900915200000",
        }
        return self._ok(call, [row])

    def _info(self, call: Call, *, is_inverse: bool) -> Answer:
        rows = []
        for market_id, series in call.listed(is_inverse=is_inverse):
            instrument = series.instrument
            row: dict[str, Any] = {
                "symbol": instrument.base,
                "contract_code": market_id,
                "contract_size": number(instrument.contract_size),
                "price_tick": number(instrument.tick_size),
                "delivery_time": "",
                "create_date": "20201021",
                "contract_status": 1,
                "settlement_date": str((call.now // (8 * HOUR) + 1) * 8 * HOUR),
            }
            if not is_inverse:
                row |= {"support_margin_mode": "all", **_swap(market_id, instrument)}
            rows.append(row)
        return self._ok(call, rows)

    @route("GET /linear-swap-api/v1/swap_contract_info", "instruments", public=1)
    def linear_info(self, call: Call) -> Answer:
        return self._info(call, is_inverse=False)

    @route("GET /swap-api/v1/swap_contract_info", "instruments", public=1)
    def inverse_info(self, call: Call) -> Answer:
        return self._info(call, is_inverse=True)

    def _candle(self, instrument: Instrument, candle: Candle) -> dict[str, Any]:
        price = typical_price(candle)
        quantity = candle.quantity * SIDES
        row = {
            "id": candle.start // 1000,
            "open": number(instrument.quoted_price(candle.open)),
            "close": number(instrument.quoted_price(candle.close)),
            "low": number(instrument.quoted_price(candle.low)),
            "high": number(instrument.quoted_price(candle.high)),
            "amount": number(instrument.base_quantity(quantity, price)),
            "vol": number(instrument.contracts(quantity)),
            "count": candle.trades,
        }
        if not instrument.is_inverse:
            row["trade_turnover"] = number(instrument.usd(quantity, price))
        return row

    def _klines(self, call: Call, *, is_inverse: bool) -> Answer:
        series = self._series(call, is_inverse=is_inverse)
        step = call.step("period", STEPS)
        low, high = call.milliseconds("from"), call.milliseconds("to")
        limit = call.limit("size", MOST_CANDLES, MOST_CANDLES)
        if call.has("size"):
            # With a size, bounds are ignored and the newest candles are sent.
            low = high = None
        elif low is None:
            raise self.bad_parameter("from", "")
        candles = call.candles(series, step, low, high, limit, from_end=low is None)
        return self._ok(
            call,
            [self._candle(series.instrument, candle) for candle in candles],
            ch=f"market.{call.params['contract_code']}.kline.{call.params['period']}",
        )

    @route("GET /linear-swap-ex/market/history/kline", "candles", market=1)
    def linear_klines(self, call: Call) -> Answer:
        return self._klines(call, is_inverse=False)

    @route("GET /swap-ex/market/history/kline", "candles", market=1)
    def inverse_klines(self, call: Call) -> Answer:
        return self._klines(call, is_inverse=True)

    @route("GET /index/market/history/linear_swap_mark_price_kline", "mark_candles", market=1)
    @route("GET /index/market/history/swap_mark_price_kline", "mark_candles", market=1)
    def mark_klines(self, call: Call) -> Answer:
        series = call.series(call.params.get("contract_code"))
        instrument = series.instrument
        step = call.step("period", STEPS)
        limit = call.limit("size", 150, MOST_CANDLES)
        candles = call.candles(series, step, None, None, limit, from_end=True, is_mark=True)
        rows = [
            {
                "amount": "0",
                "close": text(instrument.quoted_price(candle.close)),
                "count": "0",
                "high": text(instrument.quoted_price(candle.high)),
                "id": candle.start // 1000,
                "low": text(instrument.quoted_price(candle.low)),
                "open": text(instrument.quoted_price(candle.open)),
                "trade_turnover": "0",
                "vol": "0",
            }
            for candle in candles
        ]
        return self._ok(
            call,
            rows,
            ch=f"market.{call.params['contract_code']}.mark_price.{call.params['period']}",
        )

    def _interest(self, call: Call, market_id: str, series: Series, spell: Any) -> dict[str, Any]:
        instrument = series.instrument
        price = series.price(call.now)
        day = call.day(series)
        quantity, traded = call.open_interest(series) * SIDES, day.quantity * SIDES
        row: dict[str, Any] = {
            "volume": spell(instrument.contracts(quantity)),
            "amount": spell(instrument.base_quantity(quantity, price)),
            "contract_code": market_id,
            "trade_amount": spell(instrument.base_quantity(traded, price)),
            "trade_volume": spell(instrument.contracts(traded)),
            "trade_turnover": spell(instrument.usd(traded, price)),
        }
        if instrument.is_inverse:
            row["symbol"] = instrument.base
        else:
            row["value"] = spell(instrument.usd(quantity, price))
        return row

    @route("GET /v5/market/open_interest", "open_interest", public=1)
    def linear_open_interest(self, call: Call) -> Answer:
        series = self._series(call, is_inverse=False)
        row = self._interest(call, call.params["contract_code"], series, text)
        return single(row, self._succeeded(call))

    @route("GET /swap-api/v1/swap_open_interest", "open_interest", public=1)
    def inverse_open_interest(self, call: Call) -> Answer:
        named = call.chosen("contract_code", is_inverse=True)
        return self._ok(call, [self._interest(call, *pair, number) for pair in named])

    def _history(self, call: Call, *, is_inverse: bool) -> Answer:
        series = self._series(call, is_inverse=is_inverse)
        instrument = series.instrument
        period = call.step("period", PERIODS)
        limit = call.limit("size", 48, 200)
        kind = call.limit("amount_type", 1, 2, refuse=True)
        samples = call.open_interests(series, period, None, None, limit, from_end=True)
        prices = series.prices_at([at for at, _ in samples])
        rows = []
        for (at, quantity), price in zip(samples, prices, strict=True):
            counted = quantity * SIDES
            amount = (
                instrument.contracts(counted)
                if kind == 1
                else instrument.base_quantity(counted, price)
            )
            row: dict[str, Any] = {"volume": number(amount), "amount_type": kind, "ts": at}
            if not is_inverse:
                row["value"] = number(instrument.usd(counted, price))
            rows.append(row)
        rows.reverse()
        data: dict[str, Any] = {
            "symbol": instrument.base,
            "contract_code": call.params["contract_code"],
        }
        if not is_inverse:
            data |= _swap(call.params["contract_code"], instrument)
        return Answer(
            rows,
            lambda rows: {"status": "ok", "data": {**data, "tick": rows}, "ts": call.server_time},
        )

    @route("GET /linear-swap-api/v1/swap_his_open_interest", "open_interest_history", public=1)
    def linear_history(self, call: Call) -> Answer:
        return self._history(call, is_inverse=False)

    @route("GET /swap-api/v1/swap_his_open_interest", "open_interest_history", public=1)
    def inverse_history(self, call: Call) -> Answer:
        return self._history(call, is_inverse=True)

    @route("GET /v5/market/funding_rate_history", "funding_history", public=1)
    def linear_funding_history(self, call: Call) -> Answer:
        series = self._series(call, is_inverse=False)
        low, high = call.integer("start_time"), call.integer("end_time")
        rates = call.fundings(series, low, high, call.limit("limit", 10, 100), from_end=True)
        rows = [
            {
                "id": str(at // HOUR),
                "contract_code": call.params["contract_code"],
                "funding_rate": text(rate),
                "funding_time": str(at),
            }
            for at, rate in reversed(rates)
        ]
        return self._success(call, rows)

    @route("GET /swap-api/v1/swap_historical_funding_rate", "funding_history", public=1)
    def inverse_funding_history(self, call: Call) -> Answer:
        series = self._series(call, is_inverse=True)
        page = call.page_of_fundings(series, "page_size", "page_index", 50)
        rows = [
            {
                "avg_premium_index": "0",
                "funding_rate": f"{rate:.18f}",
                "realized_rate": None,
                "funding_time": str(at),
                "contract_code": call.params["contract_code"],
                "symbol": series.instrument.base,
                "fee_asset": series.instrument.base,
            }
            for at, rate in page.rates
        ]
        return Answer(
            rows,
            lambda rows: {
                "status": "ok",
                "data": {
                    "total_page": page.pages,
                    "current_page": page.number,
                    "total_size": len(page.all_rates),
                    "data": rows,
                },
                "ts": call.server_time,
            },
        )

    def _rate(self, call: Call, market_id: str, series: Series) -> dict[str, Any]:
        at, rate = series.funding_now(call.now)
        interval = series.instrument.funding_interval_hours * HOUR
        row: dict[str, Any] = {
            "contract_code": market_id,
            "funding_rate": f"{rate:.18f}",
            "funding_time": str(at),
            "next_funding_time": str(at + interval),
        }
        if series.instrument.is_inverse:
            row |= {
                "estimated_rate": None,
                "symbol": series.instrument.base,
                "fee_asset": series.instrument.base,
                "next_funding_time": None,
            }
        return row

    @route("GET /v5/market/funding_rate", "funding_now", public=1)
    def linear_funding_now(self, call: Call) -> Answer:
        series = self._series(call, is_inverse=False)
        return self._success(call, [self._rate(call, call.params["contract_code"], series)])

    @route("GET /swap-api/v1/swap_funding_rate", "funding_now", public=1)
    def inverse_funding_rate(self, call: Call) -> Answer:
        series = self._series(call, is_inverse=True)
        row = self._rate(call, call.params["contract_code"], series)
        return single(row, lambda row: {"status": "ok", "data": row, "ts": call.server_time})

    @route("GET /swap-api/v1/swap_batch_funding_rate", "funding_now", public=1)
    def inverse_funding_now(self, call: Call) -> Answer:
        return self._ok(call, [self._rate(call, *pair) for pair in call.listed(is_inverse=True)])

    def _tickers(self, call: Call, *, is_inverse: bool) -> Answer:
        rows = []
        for market_id, series in call.listed(is_inverse=is_inverse):
            instrument = series.instrument
            day = call.day(series)
            last = number(instrument.quoted_price(day.last))
            average = (day.high + day.low) / 2
            traded = day.quantity * SIDES
            rows.append(
                {
                    "id": call.now // 1000,
                    "contract_code": market_id,
                    "ask": [last, 1],
                    "bid": [last, 1],
                    "open": text(instrument.quoted_price(day.open)),
                    "close": text(instrument.quoted_price(day.last)),
                    "low": text(instrument.quoted_price(day.low)),
                    "high": text(instrument.quoted_price(day.high)),
                    "amount": text(instrument.base_quantity(traded, average)),
                    "vol": text(instrument.contracts(traded)),
                    "trade_turnover": text(instrument.usd(traded, average)),
                    "count": day.trades,
                    "ts": call.server_time,
                }
                | ({} if is_inverse else {"business_type": "swap"})
            )
        return self._ok(call, rows, name="ticks")

    @route("GET /linear-swap-ex/market/detail/batch_merged", "tickers", market=1)
    def linear_tickers(self, call: Call) -> Answer:
        return self._tickers(call, is_inverse=False)

    @route("GET /swap-ex/market/detail/batch_merged", "tickers", market=1)
    def inverse_tickers(self, call: Call) -> Answer:
        return self._tickers(call, is_inverse=True)

    @route("GET /linear-swap-api/v1/swap_adjustfactor", "leverage_tiers", public=1)
    def linear_adjust_factor(self, call: Call) -> Answer:
        return self._adjust_factor(call, is_inverse=False)

    @route("GET /swap-api/v1/swap_adjustfactor", "leverage_tiers", public=1)
    def inverse_adjust_factor(self, call: Call) -> Answer:
        return self._adjust_factor(call, is_inverse=True)

    def _adjust_factor(self, call: Call, *, is_inverse: bool) -> Answer:
        rows = [
            {
                "symbol": series.instrument.base,
                "contract_code": market_id,
                "margin_mode": "isolated",
                "trade_partition": series.instrument.quote,
                "list": [
                    {
                        "lever_rate": series.instrument.max_leverage // level,
                        "ladders": [
                            {
                                "ladder": ladder,
                                "min_size": 0 if ladder == 0 else 10 ** (3 + ladder),
                                "max_size": 10 ** (4 + ladder) - 1,
                                "adjust_factor": round(
                                    series.instrument.maintenance_margin_ratio
                                    * (series.instrument.max_leverage // level)
                                    * (1 + 0.2 * ladder),
                                    4,
                                ),
                            }
                            for ladder in range(3)
                        ],
                    }
                    for level in (5, 1, 2)
                ],
            }
            for market_id, series in call.listed(is_inverse=is_inverse)
        ]
        return self._ok(call, rows)

    @route("GET /v5/market/liquidation_orders", "liquidations", public=1)
    def liquidation_orders(self, call: Call) -> Answer:
        series = self._series(call, is_inverse=False)
        instrument = series.instrument
        low, high = call.integer("start_time"), call.integer("end_time")
        low = (call.now - 2 * HOUR if low is None else low) - 1
        hits = call.liquidations(series, low, call.now if high is None else high)
        limit = call.limit("limit", 10, 100)
        rows = [
            {
                "id": str(at),
                "contract_code": call.params["contract_code"],
                "liquidation_time": str(at),
                "side": "sell" if is_long else "buy",
                "position_side": "long" if is_long else "short",
                "volume": text(instrument.contracts(quantity)),
                "amount": text(instrument.base_quantity(quantity, price)),
                "bankrupt_price": text(instrument.quoted_price(price)),
                "trade_turnover": text(instrument.usd(quantity, price)),
            }
            for at, is_long, price, quantity in reversed(hits[-limit:])
        ]
        return self._success(call, rows)
