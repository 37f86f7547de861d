"""Hyperliquid's ``POST /info``, as hyperliquid.gitbook.io documents it; one path, many types.

``openInterest`` counts both sides of each contract: no live answer has held an odd number of lots.
"""

from typing import Any, ClassVar

from standin.answers import Answer, Call, Dialect, Refusal, route
from standin.budgets import Budget
from standin.dialects.hyperliquid_accounts import INFO, AccountRoutes
from standin.market_data import DAY, HOUR, MINUTE, Candle, Instrument
from standin.spelling import text, typical_price

STEPS = {
    "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1h": HOUR, "2h": 2 * HOUR, "4h": 4 * HOUR, "8h": 8 * HOUR, "12h": 12 * HOUR, "1d": DAY,
}  # fmt: skip
MOST_CANDLES = 5000
SIDES = 2


def funding_jitter(at: int) -> int:
    """Return milliseconds after the hour at which a settlement is stamped, 0 to 88."""
    return (at // HOUR * 37) % 89


class Hyperliquid(AccountRoutes, Dialect):
    venue = "hyperliquid"
    most_rows: ClassVar[dict[str, int]] = {"candles": 5000, "funding_history": 500}
    budgets: ClassVar[dict[str, Budget]] = {"weight": Budget(60, 1200)}

    def market_id(self, instrument: Instrument) -> str:
        # Contracts on 1000 units are named with a small k: kPEPE.
        if instrument.base_multiplier == 1000 and instrument.base.startswith("K"):
            return "k" + instrument.base[1:]
        return instrument.base

    def unknown_symbol(self, market_id: str) -> Refusal:
        return Refusal(500, None)

    def bad_parameter(self, name: str, value: str) -> Refusal:
        return Refusal(422, "Failed to deserialize the JSON body into the target type")

    def too_many_requests(self, seconds: float) -> Refusal:
        return Refusal(429, None)

    def _universe(self, call: Call) -> list[dict[str, Any]]:
        return [
            {
                "szDecimals": 5,
                "name": coin,
                "maxLeverage": series.instrument.max_leverage,
                "marginTableId": _margin_table(series.instrument.max_leverage),
            }
            for coin, series in call.listed()
        ]

    def _margin_tables(self, call: Call) -> list[list[Any]]:
        """Return the tables the universe names: half the leverage from a million USD on."""
        leverages = {each.instrument.max_leverage for _, each in call.listed()}
        if self.population is not None:
            leverages = set(self.population.book.max_leverage.tolist())
        return [
            [
                _margin_table(leverage),
                {
                    "description": f"tiered {leverage}x",
                    "marginTiers": [
                        {"lowerBound": "0.0", "maxLeverage": leverage},
                        {"lowerBound": "1000000.0", "maxLeverage": leverage // 2},
                    ],
                },
            ]
            for leverage in sorted(leverages)
        ]

    def _is_other_dex(self, call: Call) -> bool:
        return call.params.get("dex", "") != ""

    @route(INFO, "time", ("type", "exchangeStatus"), weight=2)
    def status(self, call: Call) -> Answer:
        return Answer([], lambda _: {"specialStatuses": None, "time": call.server_time})

    @route(INFO, "currencies", ("type", "spotMeta"), weight=20)
    def spot_meta(self, call: Call) -> Answer:
        return Answer([], lambda _: {"tokens": _USDC, "universe": []})

    @route(INFO, "spot_instruments", ("type", "spotMetaAndAssetCtxs"), weight=20)
    def spot_contexts(self, call: Call) -> Answer:
        return Answer([], lambda _: [{"tokens": _USDC, "universe": []}, []])

    @route(INFO, "instruments", ("type", "meta"), weight=20)
    def meta(self, call: Call) -> Answer:
        if self.population is not None:
            rows = self.contexts_now(call)[0]
        else:
            rows = [] if self._is_other_dex(call) else self._universe(call)
        tables = self._margin_tables(call)
        return Answer(
            rows, lambda rows: {"universe": rows, "marginTables": tables, "collateralToken": 0}
        )

    @route(INFO, "open_interest", ("type", "metaAndAssetCtxs"), weight=20)
    def contexts(self, call: Call) -> Answer:
        if self.population is not None:
            universe, contexts = self.contexts_now(call)
            return self._wrapped_contexts(
                call,
                [{"described": a, **b} for a, b in zip(universe, contexts, strict=True)],
            )
        contexts = []
        listed = (
            []
            if self._is_other_dex(call)
            else zip(call.listed(), self._universe(call), strict=True)
        )
        for (_, series), described in listed:
            instrument = series.instrument
            day = call.day(series)
            _, rate = series.funding_now(call.now)
            mark = text(instrument.quoted_price(day.mark))
            average = (day.high + day.low) / 2
            contexts.append(
                {
                    # Two lists in one order: what happens to a row happens to both its halves.
                    "described": described,
                    "funding": text(rate),
                    "openInterest": text(
                        instrument.quoted_quantity(call.open_interest(series)) * SIDES
                    ),
                    "prevDayPx": text(instrument.quoted_price(day.open)),
                    "dayNtlVlm": text(instrument.usd(day.quantity, average)),
                    "premium": "0.0",
                    "oraclePx": mark,
                    "markPx": mark,
                    "midPx": text(instrument.quoted_price(day.last)),
                    "impactPxs": [mark, mark],
                    "dayBaseVlm": text(instrument.quoted_quantity(day.quantity)),
                }
            )

        return self._wrapped_contexts(call, contexts)

    def _wrapped_contexts(self, call: Call, contexts: list[dict[str, Any]]) -> Answer:
        tables = self._margin_tables(call)

        def wrap(rows: list[Any]) -> list[Any]:
            universe = [row["described"] for row in rows]
            bare = [{key: row[key] for key in row if key != "described"} for row in rows]
            return [{"universe": universe, "marginTables": tables, "collateralToken": 0}, bare]

        return Answer(contexts, wrap)

    @route(INFO, "candles", ("type", "candleSnapshot"), weight=20)
    def candles(self, call: Call) -> Answer:
        coin = call.params.get("coin", "")
        series = call.series(coin)
        step = call.step("interval", STEPS)
        low, high = call.integer("startTime"), call.integer("endTime")
        oldest = call.now // step * step - (MOST_CANDLES - 1) * step
        candles = call.candles(
            series, step, max(low or 0, oldest), high, MOST_CANDLES, from_end=False
        )
        rows = [self._candle(series.instrument, coin, candle, step, call) for candle in candles]
        return Answer(rows, weight=len(rows) // 60)

    def _candle(
        self, instrument: Instrument, coin: str, candle: Candle, step: int, call: Call
    ) -> dict[str, Any]:
        return {
            "t": candle.start,
            "T": candle.start + step - 1,
            "s": coin,
            "i": call.params["interval"],
            "o": text(instrument.quoted_price(candle.open)),
            "c": text(instrument.quoted_price(candle.close)),
            "h": text(instrument.quoted_price(candle.high)),
            "l": text(instrument.quoted_price(candle.low)),
            "v": text(instrument.base_quantity(candle.quantity, typical_price(candle))),
            "n": candle.trades,
        }

    @route(INFO, "funding_history", ("type", "fundingHistory"), weight=20)
    def funding_history(self, call: Call) -> Answer:
        coin = call.params.get("coin", "")
        series = call.series(coin)
        low, high = call.integer("startTime"), call.integer("endTime")
        if low is None:
            raise self.bad_parameter("startTime", "")
        rows = [
            {"coin": coin, "fundingRate": text(rate), "premium": "0.0", "time": stamp}
            for _, stamp, rate in call.stamped_fundings(
                series, low, high, 500, funding_jitter, from_end=False
            )
        ]
        return Answer(rows, weight=len(rows) // 20)


_USDC = [
    {
        "name": "USDC",
        "szDecimals": 8,
        "weiDecimals": 8,
        "index": 0,
        "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
        "isCanonical": True,
        "evmContract": None,
        "fullName": None,
    }
]


def _margin_table(leverage: int) -> int:
    """Return the number of a table; those below 50 are no tables but a leverage."""
    return 50 + leverage
