"""Bybit linear and inverse perpetuals: one API with a category for each product.

ccxt/async_support/bybit.py.
"""

from dataclasses import replace
from typing import Literal

from sources.venues.declaration import (
    Candles,
    Funding,
    LongShortRatio,
    OpenInterest,
    Product,
    Stream,
    Venue,
    sides,
)
from sources.venues.endpoints import OHLC, OHLCV, Columns, Endpoint, Params, bars, query, samples
from sources.venues.margin_specs import BracketRows, MarginRule

Category = Literal["linear", "inverse"]


def _span(category: Category) -> Params:
    names = query(id="symbol", start="startTime", end="endTime", limit="limit")
    return {"category": category, **names}


def _quantity_from(category: Category) -> Literal["amount", "value"]:
    return "amount" if category == "linear" else "value"


def _bars(category: Category, method: str, columns: Columns, source: str) -> Endpoint:
    """Return the candles of a contract or of its mark price."""
    names = query(id="symbol", start="start", end="end", limit="limit", interval="5")
    return bars(
        method=method,
        params={"category": category, **names},
        rows=("result", "list"),
        columns=columns,
        limit=1000,
        source=source,
    )


def _tickers(category: Category) -> Endpoint:
    return Endpoint(
        method="publicGetV5MarketTickers",
        params={"category": category},
        rows=("result", "list"),
        columns={"price": "markPrice"},
        id_column="symbol",
        source="bybit.parse_ticker",
    )


def _open_interest_now(category: Category) -> OpenInterest:
    # These count both sides. The one-sided figure of newer responses only audits them: a history
    # made of it would mix the two where it begins.
    coins, dollars = "openInterest", "openInterestValue"
    if category == "inverse":
        coins, dollars = dollars, coins
    return OpenInterest(
        amount_unit="base",
        value_unit="usd",
        quantity_from=_quantity_from(category),
        sides_counted=2,
        endpoint=replace(
            _tickers(category),
            columns={
                "amount": coins,
                "value": dollars,
                "price": "markPrice",
                "one_side": "singleOpenInterest",
            },
            time_key="time",
            source="bybit.fetch_tickers, parse_ticker: all symbols in one call; "
            "parse_open_interest: base for linear, USD for inverse; Bybit Get Open Interest: "
            "the sum of both sides",
        ),
    )


def _open_interest_history(category: Category) -> OpenInterest:
    quantity_from = _quantity_from(category)
    return OpenInterest(
        amount_unit="base" if category == "linear" else None,
        value_unit=None if category == "linear" else "usd",
        quantity_from=quantity_from,
        sides_counted=2,
        endpoint=samples(
            method="publicGetV5MarketOpenInterest",
            params={**_span(category), "intervalTime": "5min"},
            rows=("result", "list"),
            columns={
                "time": "timestamp",
                quantity_from: "openInterest",
                "one_side": "singleOpenInterest",
            },
            limit=200,
            source="bybit.fetch_derivatives_open_interest_history: walks back from endTime, "
            "which must be given, at most 200; back to the launch of the contract",
        ),
    )


def _funding(category: Category) -> Funding:
    return Funding(
        endpoint=Endpoint(
            method="publicGetV5MarketFundingHistory",
            params=_span(category),
            rows=("result", "list"),
            columns={"time": "fundingRateTimestamp", "rate": "fundingRate"},
            limit=200,
            paging="newest",
            source="bybit.fetch_funding_rate_history: needs endTime",
        ),
    )


def _ratio(category: Category) -> LongShortRatio:
    return LongShortRatio(
        measure="accounts",
        endpoint=samples(
            method="publicGetV5MarketAccountRatio",
            params={**_span(category), "period": "5min"},
            rows=("result", "list"),
            columns={"time": "timestamp", "long": "buyRatio", "short": "sellRatio"},
            limit=500,
            source="bybit.parse_long_short_ratio: buyRatio / sellRatio",
        ),
    )


def _brackets(category: Category) -> BracketRows:
    return BracketRows(
        notional_unit="usd" if category == "linear" else "base",
        endpoint=Endpoint(
            method="publicGetV5MarketRiskLimit",
            params={"category": category, "symbol": "{id}"},
            rows=("result", "list"),
            columns={
                "cap": "riskLimitValue",
                "maintenance": "maintenanceMargin",
                "leverage": "maxLeverage",
                "cum": "mmDeduction",
            },
            source="bybit.parse_market_leverage_tiers: caps alone; base coins for inverse; "
            "Bybit Get Risk Limit: mmDeduction, empty where there is none",
        ),
    )


def _product(category: Category) -> Product:
    """Return Bybit's linear or inverse product: the same endpoints in other units."""
    is_linear = category == "linear"
    return Product(
        contract_kind=category,
        quotes=("USDT", "USDC") if is_linear else ("USD",),
        # An inverse contract is one USD; ccxt gives the smallest order as its size.
        contract_size=1.0,
        ohlcv=Candles(
            volume_unit="base" if is_linear else "usd",
            endpoint=_bars(
                category,
                "publicGetV5MarketKline",
                OHLCV,
                "bybit.parse_ohlcv, fetch_ohlcv: newest first, start and end inclusive; field "
                "5 is base for linear and USD for inverse (6 is the other); no taker volume",
            ),
        ),
        mark_ohlc=Candles(
            endpoint=_bars(
                category,
                "publicGetV5MarketMarkPriceKline",
                OHLC,
                "bybit.fetch_ohlcv, price='mark'",
            )
        ),
        open_interest_now=_open_interest_now(category),
        open_interest_history=_open_interest_history(category),
        funding=_funding(category),
        ratios=(_ratio(category),),
        brackets=_brackets(category),
        margin_rule=MarginRule(
            deduction="published" if is_linear else "none",
            source="Bybit, Liquidation Price Calculation under Isolated Mode (Unified Trading "
            "Account): position value x MMR less the maintenance margin deduction",
        ),
        mark_price=_tickers(category),
    )


_STREAM = Stream(
    rows=("data",),
    columns={
        "time": ("T", "updatedTime"),
        "id": ("s", "symbol"),
        "price": ("p", "price"),
        "amount": ("v", "size"),
    },
    # S is the side of the position: Buy is a long. ccxt passes it on as if it were an order's.
    sides=sides("S", long="Buy", short="Sell") + sides("side", long="Buy", short="Sell"),
    amount_unit_linear="base",
    amount_unit_inverse="usd",
    is_complete=True,
    is_per_instrument=True,
    source="ccxt.pro bybit.watch_liquidations, parse_ws_liquidation; Bybit All Liquidation: S is "
    "the side of the position, every liquidation is sent",
)

VENUE = Venue(
    name="bybit",
    ccxt_id="bybit",
    options={"fetchMarkets": {"types": ["linear", "inverse"]}},
    products=(_product("linear"), _product("inverse")),
    stream=_STREAM,
    source="bybit.fetch_future_markets: instruments-info for each category, once plain "
    "and once for contracts before launch",
)
