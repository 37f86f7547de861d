"""Deribit perpetuals. No mark candles, no open interest history.

ccxt/async_support/deribit.py. Amounts of inverse perpetuals are USD, of linear ones coins ("for
options and linear futures it is the underlying base currency coin").
"""

from dataclasses import replace

from sources.venues.declaration import (
    Candles,
    Funding,
    OpenInterest,
    OrderLiquidations,
    Product,
    Venue,
    sides,
)
from sources.venues.endpoints import NAMED_OHLC, Endpoint, bars, query
from sources.venues.margin_specs import GrowingMargins, MarginRule

_TRADES = OrderLiquidations(
    amount_unit="usd",
    is_complete=True,
    sides=sides("direction", long="sell", short="buy"),
    mark_column="liquidation",
    taker_marks=("T", "MT"),
    maker_marks=("M", "MT"),
    endpoint=Endpoint(
        method="publicGetGetLastTradesByInstrumentAndTime",
        params=query(
            id="instrument_name",
            start="start_timestamp",
            end="end_timestamp",
            limit="count",
            include_old=True,
            sorting="asc",
        ),
        rows=("result", "trades"),
        columns={
            "time": "timestamp",
            "price": "price",
            "amount": "amount",
            "key": "trade_id",
        },
        limit=1000,
        paging="oldest",
        source="deribit.fetch_trades; Deribit public trade: direction is the taker's, "
        "liquidation M, T or MT marks the liquidated party, amount USD or, linear, coins. "
        "deribit.fetch_liquidations returns bankruptcies of settlements, which have no side",
    ),
)

_SUMMARY = Endpoint(
    method="publicGetGetBookSummaryByCurrency",
    params={"currency": "{coin}", "kind": "future"},
    rows=("result",),
    columns={"price": "mark_price"},
    id_column="instrument_name",
    source="deribit.fetch_tickers",
)
_USDC_SUMMARY = replace(_SUMMARY, params={"currency": "USDC", "kind": "future"})

_INVERSE = Product(
    contract_kind="inverse",
    quotes=("USD",),
    lot_unit="usd",  # deribit.fetch_markets: min_trade_amount
    ohlcv=Candles(
        volume_unit="usd",
        endpoint=bars(
            method="publicGetGetTradingviewChartData",
            params=query(
                id="instrument_name",
                start="start_timestamp",
                end="end_timestamp",
                resolution="5",
            ),
            rows=("result",),
            is_columnar=True,
            columns={**NAMED_OHLC, "time": "ticks", "volume": "cost"},
            limit=5000,
            source="deribit.fetch_ohlcv: 5000 rows, lists by column; volume coins, cost USD",
        ),
    ),
    open_interest_now=OpenInterest(
        amount_unit=None,
        value_unit="usd",
        quantity_from="value",
        endpoint=replace(
            _SUMMARY,
            columns={"time": "creation_timestamp", "value": "open_interest", "price": "mark_price"},
            source="deribit.fetch_tickers, parse_open_interest: USD for inverse",
        ),
    ),
    funding=Funding(
        interval_hours=1.0,
        endpoint=Endpoint(
            method="publicGetGetFundingRateHistory",
            params=query(id="instrument_name", start="start_timestamp", end="end_timestamp"),
            rows=("result",),
            columns={"time": "timestamp", "rate": "interest_1h"},
            limit=744,
            paging="windows",
            start_shift=-1,
            period_seconds=3600,
            source="deribit.fetch_funding_rate_history: hourly, 744 rows",
        ),
    ),
    liquidations=_TRADES,
    brackets=GrowingMargins(
        maintenance=0.01,
        initial=0.02,
        growth={"BTC": 0.00005, "ETH": 0.000004},
        leverage_key="max_leverage",
        source="Deribit, 11 January 2022: BTC maintenance margin 1 % + size in BTC x .005 %, ETH 1 "
        "% + size in ETH x .0004 %, initial margin 1 % more; get_instruments: max_leverage",
    ),
    margin_rule=MarginRule(
        source="Deribit, Standard margin: a ratio of the whole position that grows with it, no fee",
    ),
    mark_price=_SUMMARY,
)


_LINEAR = replace(
    _INVERSE,
    contract_kind="linear",
    quotes=("USDC",),
    lot_unit="base",  # deribit.fetch_markets: min_trade_amount
    ohlcv=Candles(
        volume_unit="base",
        endpoint=replace(
            _INVERSE.ohlcv.endpoint,
            columns={**NAMED_OHLC, "time": "ticks", "volume": "volume"},
        ),
    ),
    open_interest_now=OpenInterest(
        amount_unit="base",
        endpoint=replace(
            _USDC_SUMMARY,
            columns={
                "time": "creation_timestamp",
                "amount": "open_interest",
                "price": "mark_price",
            },
            source="deribit.fetch_tickers: contracts are listed under the currency they settle in; "
            "Deribit get_book_summary_by_currency: coins for linear",
        ),
    ),
    liquidations=replace(_TRADES, amount_unit="base"),
    mark_price=_USDC_SUMMARY,
)

VENUE = Venue(
    name="deribit",
    ccxt_id="deribit",
    options={"fetchMarkets": {"fetchAllMarkets": True}},
    products=(_INVERSE, _LINEAR),
    source="deribit.fetch_markets: get_instruments of all currencies at once",
    not_listed=("linear_usdt",),
)
