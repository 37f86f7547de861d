"""What each venue answers, in which unit and how far back: a table to check line by line.

Belongs here: facts about venues, each with the ccxt function or the venue's page it was read
from. Does not belong here: anything that acts on them. No other module of this package names a
venue, so adding one or correcting a unit touches this page alone. `sources.venues.shapes` says
how to read it.

Requests go through ccxt's endpoint methods (``fapiPublicGetKlines``), so ccxt builds, signs and
paces them; the answers are read by the columns declared here. ccxt's unified functions are not
used for data: they drop fields (taker volume, mark price, the side of a position), read the wall
clock, cut pages short, and turn the contract volume of inverse contracts into coins.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

from sources.venues.shapes import (
    Ask,
    Brackets,
    Candles,
    Column,
    Funding,
    GrowingMargins,
    LeverageLadders,
    LiquidationRule,
    LongShortRatio,
    MarginTables,
    OpenInterest,
    OrderLiquidations,
    Params,
    PeriodLiquidations,
    Product,
    RateLimit,
    StepBrackets,
    Stream,
    Venue,
)

BAR_SECONDS = 300
"""Length of the bars asked for: the finest period in which venues tell open interest."""

_USD = ("USDT", "USDC", "USD")
_OHLC: Mapping[str, Column] = MappingProxyType(
    {"time": 0, "open": 1, "high": 2, "low": 3, "close": 4}
)
_OHLCV: Mapping[str, Column] = MappingProxyType({**_OHLC, "volume": 5})
_KEYED_OHLC: Mapping[str, Column] = MappingProxyType(
    {"open": "open", "high": "high", "low": "low", "close": "close"}
)


# binance: ccxt/async_support/binance.py. USDT-M (fapi) and coin-M (dapi) answer alike in different
# units; they are two venues because their books, limits and outages are separate.

# For each address; a tenth is left for other programs and for the last run.
_BINANCE_RATE_LIMITS = MappingProxyType(
    {"statistics": RateLimit(900, 300.0), "funding": RateLimit(450, 300.0)}
)
# "Only the data of the latest 30 days is available"; an older startTime is refused (-1130), so
# ten minutes are left for the clocks to differ.
_BINANCE_STATISTICS_REACH = timedelta(days=30) - timedelta(minutes=10)
_BINANCE_SPAN: Params = MappingProxyType(
    {"startTime": "{start}", "endTime": "{end}", "limit": "{limit}"}
)


def _binance(
    api: Literal["fapi", "dapi"],
) -> Product:
    """Return Binance's linear (fapi) or inverse (dapi) product."""
    is_linear = api == "fapi"
    amount_unit: Literal["base", "contracts"] = "base" if is_linear else "contracts"
    statistics: Params = {
        **({"symbol": "{id}"} if is_linear else {"pair": "{pair}"}),
        "period": "5m",
        **_BINANCE_SPAN,
    }
    # Klines over more than 200 days are refused on dapi.
    longest_span = None if is_linear else timedelta(days=200)

    def statistic(
        endpoint: str, columns: Mapping[str, Column], source: str, extra: Params | None = None
    ) -> Ask:
        return Ask(
            method=f"{api}DataGet{endpoint}",
            params={**statistics, **(extra or {})},
            columns={"time": "timestamp", **columns},
            limit=500,
            paging="windows",
            period_seconds=BAR_SECONDS,
            reach=_BINANCE_STATISTICS_REACH,
            rate_group="statistics",
            source=source,
        )

    def bars(endpoint: str, columns: Mapping[str, Column], source: str) -> Ask:
        return Ask(
            method=f"{api}PublicGet{endpoint}",
            params={"symbol": "{id}", "interval": "5m", **_BINANCE_SPAN},
            columns=columns,
            # 499 rows weigh 2 and 1000 weigh 5: a row is cheapest in pages of 499.
            limit=499,
            paging="windows",
            period_seconds=BAR_SECONDS,
            settles_after_seconds=BAR_SECONDS,
            longest_span=longest_span,
            source=source,
        )

    return Product(
        contract_kind="linear" if is_linear else "inverse",
        quotes=_USD if is_linear else ("USD",),
        ohlcv=Candles(
            volume_unit=amount_unit,
            asks=(
                bars(
                    "Klines",
                    {**_OHLCV, "trade_count": 8, "taker_buy": 9},
                    "binance.parse_ohlcv, fetch_ohlcv: startTime and endTime inclusive; fields 5 "
                    "and 9 are base coins on fapi and contracts on dapi (where 7 and 10 are base)",
                ),
            ),
        ),
        mark_ohlc=Candles(
            asks=(bars("MarkPriceKlines", _OHLC, "binance.fetch_ohlcv, price='mark'"),)
        ),
        open_interest_now=OpenInterest(
            amount_unit=amount_unit,
            ask=Ask(
                method=f"{api}PublicGetOpenInterest",
                params={"symbol": "{id}"},
                columns={"time": "time", "amount": "openInterest"},
                source="binance.fetch_open_interest: base on fapi, contracts on dapi; no value",
            ),
        ),
        open_interest_history=OpenInterest(
            amount_unit=amount_unit,
            value_unit="usd" if is_linear else "base",
            ask=statistic(
                "OpenInterestHist",
                {"amount": "sumOpenInterest", "value": "sumOpenInterestValue"},
                "binance.fetch_open_interest_history, parse_open_interest; Binance "
                "Open-Interest-Statistics: on dapi the amount is contracts and the value base; "
                "the label is the instant of the value",
                None if is_linear else {"contractType": "PERPETUAL"},
            ),
        ),
        funding=Funding(
            ask=Ask(
                method=f"{api}PublicGetFundingRate",
                params={"symbol": "{id}", **_BINANCE_SPAN},
                columns={"time": "fundingTime", "rate": "fundingRate"},
                limit=1000,
                paging="oldest",
                rate_group="funding",
                source="binance.fetch_funding_rate_history; Binance Get-Funding-Rate-History: "
                "ascending, at most 1000, 500 requests in 5 minutes",
            ),
        ),
        ratios=(
            LongShortRatio(
                measure="accounts",
                ask=statistic(
                    "GlobalLongShortAccountRatio",
                    {"ratio": "longShortRatio"},
                    "binance.fetch_long_short_ratio_history; Binance Long-Short-Ratio",
                ),
            ),
            LongShortRatio(
                measure="top_accounts",
                ask=statistic(
                    "TopLongShortAccountRatio",
                    {"ratio": "longShortRatio"},
                    "Binance Top-Long-Short-Account-Ratio, fields as in the one for all accounts",
                ),
            ),
            LongShortRatio(
                measure="top_positions",
                ask=statistic(
                    "TopLongShortPositionRatio",
                    {"ratio": "longShortRatio"},
                    "Binance Top-Trader-Long-Short-Ratio, fields as in the one for all accounts",
                ),
            ),
        ),
        brackets=Brackets(
            notional_unit="usd" if is_linear else "base",
            brackets_key="brackets",
            ask=Ask(
                method="fapiPrivateGetLeverageBracket"
                if is_linear
                else "dapiPrivateV2GetLeverageBracket",
                params={},
                columns={
                    "floor": ("notionalFloor", "qtyFloor"),
                    "cap": ("notionalCap", "qtyCap"),
                    "number": "bracket",
                    "maintenance": "maintMarginRatio",
                    "leverage": "initialLeverage",
                    **({"cum": "cum"} if is_linear else {}),
                },
                per="product",
                id_column="symbol",
                needs_key=True,
                source="binance.fetch_leverage_tiers: on dapi caps and cum are base coins",
            ),
        ),
        liquidation_rule=LiquidationRule(
            deduction="published" if is_linear else "none",
            source="Binance, How to Calculate Liquidation Price of USDⓈ-M Futures Contracts: the "
            "bracket's cum is taken off, no fee",
        ),
        mark_price=Ask(
            method=f"{api}PublicGetPremiumIndex",
            params={},
            columns={"price": "markPrice"},
            per="product",
            id_column="symbol",
            source="binance.fetch_mark_prices",
        ),
    )


_BINANCE_STREAM = Stream(
    rows=("o",),
    # z is what the order has filled in all, l its last fill, q what it asked for.
    columns={"time": "T", "id": "s", "price": ("ap", "p"), "amount": ("z", "l", "q")},
    # S is the side of the order: a sale closes a long.
    sides=(("S", "SELL", True), ("S", "BUY", False)),
    amount_unit_linear="base",
    amount_unit_inverse="contracts",
    is_complete=False,
    is_per_instrument=False,
    source="ccxt.pro binance.handle_liquidation, parse_ws_liquidation; Binance Liquidation Order "
    "Streams: at most one order a second and symbol",
)


# bybit: ccxt/async_support/bybit.py. One interface, a category for each product.


def _bybit(category: Literal["linear", "inverse"]) -> Product:
    """Return Bybit's linear or inverse product: the same endpoints in other units."""
    is_linear = category == "linear"
    # These add both sides. The figure of one side, which newer answers carry beside them, only
    # audits them: a history made of it would mix the two where it begins.
    coins, dollars = "openInterest", "openInterestValue"
    if not is_linear:
        coins, dollars = dollars, coins
    quantity_from: Literal["amount", "value"] = "amount" if is_linear else "value"
    span: Params = {
        "category": category,
        "symbol": "{id}",
        "startTime": "{start}",
        "endTime": "{end}",
        "limit": "{limit}",
    }

    def bars(method: str, columns: Mapping[str, Column], source: str) -> Ask:
        return Ask(
            method=method,
            params={
                "category": category,
                "symbol": "{id}",
                "interval": "5",
                "start": "{start}",
                "end": "{end}",
                "limit": "{limit}",
            },
            rows=("result", "list"),
            columns=columns,
            limit=1000,
            paging="windows",
            period_seconds=BAR_SECONDS,
            settles_after_seconds=BAR_SECONDS,
            source=source,
        )

    return Product(
        contract_kind=category,
        quotes=("USDT", "USDC") if is_linear else ("USD",),
        # An inverse contract is one USD; ccxt gives the smallest order as its size.
        contract_size=1.0,
        ohlcv=Candles(
            volume_unit="base" if is_linear else "usd",
            asks=(
                bars(
                    "publicGetV5MarketKline",
                    _OHLCV,
                    "bybit.parse_ohlcv, fetch_ohlcv: newest first, start and end inclusive; field "
                    "5 is base for linear and USD for inverse (6 is the other); no taker volume",
                ),
            ),
        ),
        mark_ohlc=Candles(
            asks=(
                bars("publicGetV5MarketMarkPriceKline", _OHLC, "bybit.fetch_ohlcv, price='mark'"),
            )
        ),
        open_interest_now=OpenInterest(
            amount_unit="base",
            value_unit="usd",
            quantity_from=quantity_from,
            sides_counted=2,
            ask=Ask(
                method="publicGetV5MarketTickers",
                params={"category": category},
                rows=("result", "list"),
                columns={
                    "amount": coins,
                    "value": dollars,
                    "price": "markPrice",
                    "one_side": "singleOpenInterest",
                },
                per="product",
                id_column="symbol",
                answer_time="time",
                source="bybit.fetch_tickers, parse_ticker: all symbols in one call; "
                "parse_open_interest: base for linear, USD for inverse; Bybit Get Open Interest: "
                "the sum of both sides",
            ),
        ),
        open_interest_history=OpenInterest(
            amount_unit="base" if is_linear else None,
            value_unit=None if is_linear else "usd",
            quantity_from=quantity_from,
            sides_counted=2,
            ask=Ask(
                method="publicGetV5MarketOpenInterest",
                params={**span, "intervalTime": "5min"},
                rows=("result", "list"),
                columns={
                    "time": "timestamp",
                    quantity_from: "openInterest",
                    "one_side": "singleOpenInterest",
                },
                limit=200,
                paging="windows",
                period_seconds=BAR_SECONDS,
                source="bybit.fetch_derivatives_open_interest_history: walks back from endTime, "
                "which must be given, at most 200; back to the launch of the contract",
            ),
        ),
        funding=Funding(
            ask=Ask(
                method="publicGetV5MarketFundingHistory",
                params=span,
                rows=("result", "list"),
                columns={"time": "fundingRateTimestamp", "rate": "fundingRate"},
                limit=200,
                paging="newest",
                source="bybit.fetch_funding_rate_history: needs endTime",
            ),
        ),
        ratios=(
            LongShortRatio(
                measure="accounts",
                ask=Ask(
                    method="publicGetV5MarketAccountRatio",
                    params={**span, "period": "5min"},
                    rows=("result", "list"),
                    columns={"time": "timestamp", "long": "buyRatio", "short": "sellRatio"},
                    limit=500,
                    paging="windows",
                    period_seconds=BAR_SECONDS,
                    source="bybit.parse_long_short_ratio: buyRatio / sellRatio",
                ),
            ),
        ),
        brackets=Brackets(
            notional_unit="usd" if is_linear else "base",
            ask=Ask(
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
        ),
        liquidation_rule=LiquidationRule(
            deduction="published" if is_linear else "none",
            source="Bybit, Liquidation Price Calculation under Isolated Mode (Unified Trading "
            "Account): position value x MMR less the maintenance margin deduction",
        ),
        mark_price=Ask(
            method="publicGetV5MarketTickers",
            params={"category": category},
            rows=("result", "list"),
            columns={"price": "markPrice"},
            per="product",
            id_column="symbol",
            source="bybit.parse_ticker",
        ),
    )


_BYBIT_STREAM = Stream(
    rows=("data",),
    columns={
        "time": ("T", "updatedTime"),
        "id": ("s", "symbol"),
        "price": ("p", "price"),
        "amount": ("v", "size"),
    },
    # S is the side of the position: Buy is a long. ccxt passes it on as if it were an order's.
    sides=(
        ("S", "Buy", True),
        ("S", "Sell", False),
        ("side", "Buy", True),
        ("side", "Sell", False),
    ),
    amount_unit_linear="base",
    amount_unit_inverse="usd",
    is_complete=True,
    is_per_instrument=True,
    source="ccxt.pro bybit.watch_liquidations, parse_ws_liquidation; Bybit All Liquidation: S is "
    "the side of the position, every liquidation is sent",
)


# okx: ccxt/async_support/okx.py. Linear and inverse swaps share endpoints and unit (contracts);
# only the size of a contract differs: coins for linear, USD for inverse.

_OKX_MOST_RECENT_BARS = 1430  # the endpoint for recent bars keeps 1440


def _okx_bars(
    recent: str, older: str, columns: Mapping[str, Column], limit: int, confirm: int, source: str
) -> tuple[Ask, ...]:
    """Return the endpoint for recent bars and the one for all others."""
    return tuple(
        Ask(
            method=method,
            params={
                "instId": "{id}",
                "bar": "5m",
                "before": "{start}",
                "after": "{end}",
                "limit": "{limit}",
            },
            rows=("data",),
            columns=columns,
            limit=limit,
            paging="windows",
            start_shift=-1,
            end_shift=1,
            period_seconds=BAR_SECONDS,
            settles_after_seconds=BAR_SECONDS,
            closed=(confirm, "1"),
            reach=reach,
            source=source,
        )
        for method, reach in (
            (recent, timedelta(seconds=_OKX_MOST_RECENT_BARS * BAR_SECONDS)),
            (older, None),
        )
    )


def _okx_statistic(endpoint: str, columns: Mapping[str, Column], source: str) -> Ask:
    """Return one of OKX's trading statistics, which share parameters and bounds."""
    return Ask(
        method=f"publicGetRubikStatContracts{endpoint}",
        params={
            "instId": "{id}",
            "period": "5m",
            "begin": "{start}",
            "end": "{end}",
            "limit": "{limit}",
        },
        rows=("data",),
        columns={"time": 0, **columns},
        limit=100,
        paging="windows",
        start_shift=-1,
        end_shift=1,
        period_seconds=BAR_SECONDS,
        # The row of the running period is sent too and still changes.
        settles_after_seconds=BAR_SECONDS,
        # 1440 rows are documented, about three days of five minutes have been found.
        reach=timedelta(days=3),
        source=source,
    )


def _okx(contract_kind: Literal["linear", "inverse"]) -> Product:
    """Return OKX's linear or inverse swaps."""
    return Product(
        contract_kind=contract_kind,
        quotes=("USDT", "USDC") if contract_kind == "linear" else ("USD",),
        contract_size_keys=("ctVal", "ctMult"),
        ohlcv=Candles(
            volume_unit="contracts",
            asks=_okx_bars(
                "publicGetMarketCandles",
                "publicGetMarketHistoryCandles",
                _OHLCV,
                300,
                8,
                "okx.fetch_ohlcv: before and after leave their bounds out, newest first, 300 rows; "
                "parse_ohlcv: 5 contracts, 6 base, 8 state: 0 while the candle may change",
            ),
        ),
        mark_ohlc=Candles(
            asks=_okx_bars(
                "publicGetMarketMarkPriceCandles",
                "publicGetMarketHistoryMarkPriceCandles",
                _OHLC,
                100,
                5,
                "okx.fetch_ohlcv, price='mark': 100 rows; OKX mark price candles: 5 is the state",
            ),
        ),
        open_interest_now=OpenInterest(
            amount_unit="contracts",
            value_unit="usd",
            ask=Ask(
                method="publicGetPublicOpenInterest",
                params={"instType": "SWAP"},
                rows=("data",),
                columns={"time": "ts", "amount": "oi", "value": "oiUsd"},
                per="product",
                id_column="instId",
                source="okx.fetch_open_interests, parse_open_interest: oi contracts, oiCcy base",
            ),
        ),
        open_interest_history=OpenInterest(
            amount_unit="contracts",
            value_unit="usd",
            ask=_okx_statistic(
                "OpenInterestHistory",
                {"amount": 1, "value": 3},
                "okx.fetch_open_interest_history: time, contracts, base, USD; "
                "handle_trading_statistics_window: begin and end leave their bounds out, 100 rows",
            ),
        ),
        funding=Funding(
            ask=Ask(
                method="publicGetPublicFundingRateHistory",
                params={
                    "instId": "{id}",
                    "before": "{start}",
                    "after": "{end}",
                    "limit": "{limit}",
                },
                rows=("data",),
                columns={"time": "fundingTime", "rate": ("realizedRate", "fundingRate")},
                limit=100,
                paging="newest",
                start_shift=-1,
                end_shift=1,
                reach=timedelta(days=90),
                source="okx.fetch_funding_rate_history: realizedRate is what was paid; OKX: up to "
                "three months",
            ),
        ),
        ratios=(
            LongShortRatio(
                measure="accounts",
                ask=_okx_statistic(
                    "LongShortAccountRatioContract",
                    {"ratio": 1},
                    "okx.fetch_long_short_ratio_history",
                ),
            ),
        ),
        brackets=Brackets(
            notional_unit="contracts",
            ask=Ask(
                method="publicGetPublicPositionTiers",
                params={"instType": "SWAP", "tdMode": "isolated", "instFamily": "{pair}"},
                rows=("data",),
                columns={
                    "floor": "minSz",
                    "cap": "maxSz",
                    "number": "tier",
                    "maintenance": "mmr",
                    "leverage": "maxLever",
                },
                source="okx.fetch_market_leverage_tiers: ccxt calls minSz and maxSz notional, "
                "they are contracts",
            ),
            # minSz is one lot above the cap of the tier before.
            floor_step=1.0,
        ),
        liquidation_rule=LiquidationRule(
            fee_ratio=0.0005,
            source="OKX, Perpetual futures: liquidation price: (mmr + taker fee rate) of the whole "
            "position; fee schedule, regular users: taker .05 %",
        ),
        mark_price=Ask(
            method="publicGetPublicMarkPrice",
            params={"instType": "SWAP"},
            rows=("data",),
            columns={"price": "markPx"},
            per="product",
            id_column="instId",
            source="okx.fetch_mark_prices",
        ),
    )


_OKX_STREAM = Stream(
    rows=("data",),
    # ccxt reads the first of the details and drops the others.
    details_key="details",
    columns={"time": "ts", "id": "instId", "price": "bkPx", "amount": "sz"},
    # posSide is the position's; in net mode it says "net" and the order's side decides.
    sides=(
        ("posSide", "long", True),
        ("posSide", "short", False),
        ("side", "sell", True),
        ("side", "buy", False),
    ),
    amount_unit_linear="contracts",
    amount_unit_inverse="contracts",
    is_complete=False,
    is_per_instrument=False,
    source="ccxt.pro okx.handle_liquidation, parse_ws_liquidation; OKX liquidation orders channel: "
    "at most one order a second and contract; bkPx is the bankruptcy price",
)


# gate: ccxt/async_support/gate.py. contract_stats carries open interest, liquidations and ratios in
# one row labelled at the start of its period: open interest is that at the period's end (with this
# shift recorded hours obey |change of open interest| <= volume, without it they do not) and counts
# both sides (twice the position_size of the contract list). total_size of the tickers is left
# alone: one series, one way of counting.

_GATE_BARS_REACH = timedelta(seconds=9_900 * BAR_SECONDS)  # 10,000 points back


def _gate_statistics(columns: Mapping[str, Column]) -> Ask:
    """Return contract_stats, read for some of its columns."""
    return Ask(
        method="publicFuturesGetSettleContractStats",
        params={
            "settle": "{settle}",
            "contract": "{id}",
            "interval": "5m",
            "from": "{start}",
            "limit": "{limit}",
        },
        columns={"time": "time", **columns},
        limit=100,
        paging="windows",
        time_unit="s",
        label_unit="s",
        period_seconds=BAR_SECONDS,
        settles_after_seconds=BAR_SECONDS,
        source="gate.fetch_open_interest_history, parse_open_interest: contracts and USD, at most "
        "100 rows from `from` on; Gate ContractStat: liq amounts base, liq_usd quote",
    )


def _gate_bars(contract: str, columns: Mapping[str, Column], source: str) -> Ask:
    """Return the candles of a contract or of its mark price."""
    return Ask(
        method="publicFuturesGetSettleCandlesticks",
        params={
            "settle": "{settle}",
            "contract": contract,
            "interval": "5m",
            "from": "{start}",
            "to": "{end}",
        },
        columns=columns,
        limit=1999,
        paging="windows",
        time_unit="s",
        label_unit="s",
        period_seconds=BAR_SECONDS,
        settles_after_seconds=BAR_SECONDS,
        reach=_GATE_BARS_REACH,
        source=source,
    )


_GATE_OHLC: Mapping[str, Column] = MappingProxyType(
    {"time": "t", "open": "o", "high": "h", "low": "l", "close": "c"}
)
_GATE_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDT",),
    ohlcv=Candles(
        volume_unit="contracts",
        asks=(
            _gate_bars(
                "{id}",
                {**_GATE_OHLC, "volume": "v"},
                "gate.fetch_ohlcv, parse_ohlcv: seconds, v contracts, 1999 rows, from and to "
                "inclusive",
            ),
        ),
    ),
    mark_ohlc=Candles(
        asks=(
            _gate_bars("mark_{id}", _GATE_OHLC, "gate.fetch_ohlcv: the contract mark_ and the id"),
        )
    ),
    open_interest_history=OpenInterest(
        amount_unit="contracts",
        value_unit="usd",
        sides_counted=2,
        label_shift_seconds=BAR_SECONDS,
        ask=_gate_statistics(
            {"amount": "open_interest", "value": "open_interest_usd", "price": "mark_price"}
        ),
    ),
    liquidations=PeriodLiquidations(
        amount_unit="contracts",
        is_complete=True,
        ask=_gate_statistics(
            {
                "long_amount": "long_liq_size",
                "long_usd": "long_liq_usd",
                "short_amount": "short_liq_size",
                "short_usd": "short_liq_usd",
            }
        ),
    ),
    ratios=(
        LongShortRatio(_gate_statistics({"ratio": "lsr_account"}), "accounts", BAR_SECONDS),
        LongShortRatio(_gate_statistics({"ratio": "lsr_taker"}), "taker_volume", BAR_SECONDS),
        LongShortRatio(_gate_statistics({"ratio": "top_lsr_account"}), "top_accounts", BAR_SECONDS),
        LongShortRatio(_gate_statistics({"ratio": "top_lsr_size"}), "top_positions", BAR_SECONDS),
    ),
    funding=Funding(
        ask=Ask(
            method="publicFuturesGetSettleFundingRate",
            params={
                "settle": "{settle}",
                "contract": "{id}",
                "from": "{start}",
                "to": "{end}",
                "limit": "{limit}",
            },
            columns={"time": "t", "rate": "r"},
            limit=1000,
            paging="newest",
            time_unit="s",
            label_unit="s",
            source="gate.fetch_funding_rate_history",
        ),
    ),
    brackets=Brackets(
        notional_unit="usd",
        ask=Ask(
            method="publicFuturesGetSettleRiskLimitTiers",
            params={"settle": "{settle}", "contract": "{id}"},
            columns={
                "cap": "risk_limit",
                "number": "tier",
                "maintenance": "maintenance_rate",
                "leverage": "leverage_max",
                "cum": "deduction",
            },
            source="gate.fetch_leverage_tiers, parse_market_leverage_tiers; Gate List risk limit "
            "tiers: deduction, the maintenance margin quick calculation deduction amount",
        ),
    ),
    liquidation_rule=LiquidationRule(
        deduction="published",
        fee_ratio=0.00075,
        fee_key="taker_fee_rate",
        source="Gate, Liquidation price: [entry -+ margin / size] / [1 -+ (maintenance margin "
        "ratio + taker rate)]; since 2025-07-29 a tier's ratio holds for what exceeds the one "
        "before it",
    ),
    mark_price=Ask(
        method="publicFuturesGetSettleTickers",
        params={"settle": "usdt"},
        columns={"price": "mark_price"},
        per="product",
        id_column="contract",
        source="gate.parse_ticker",
    ),
)


# Settled in coins: the same endpoints under another settle, contracts of one USD. Their risk limits
# are not read: no page says whether they are coins or USD.
_GATE_INVERSE = replace(
    _GATE_LINEAR, contract_kind="inverse", quotes=("USD",), brackets=None, mark_price=None
)


# hyperliquid: ccxt/async_support/hyperliquid.py. Everything is base coins; contexts of all coins
# come in one answer without a time. No history of open interest, no mark candles. Open interest
# adds both sides: it is always an even number of lots (docs/decisions/0012).

# 1200 weight a minute and address, 20 for each of these calls: 60. ccxt counts on five times that.
_HYPERLIQUID_RATE_LIMITS = MappingProxyType({"info": RateLimit(57, 60.0)})
_HYPERLIQUID_CONTEXTS: Params = MappingProxyType({"type": "metaAndAssetCtxs"})
_HYPERLIQUID_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDC",),
    ohlcv=Candles(
        volume_unit="base",
        asks=(
            Ask(
                method="publicPostInfo",
                rate_group="info",
                params={
                    "type": "candleSnapshot",
                    "req": {
                        "coin": "{coin}",
                        "interval": "5m",
                        "startTime": "{start}",
                        "endTime": "{end}",
                    },
                },
                columns={**_GATE_OHLC, "volume": "v", "trade_count": "n"},
                limit=5000,
                paging="windows",
                period_seconds=BAR_SECONDS,
                settles_after_seconds=BAR_SECONDS,
                reach=timedelta(seconds=4_990 * BAR_SECONDS),
                source="hyperliquid.fetch_ohlcv, parse_ohlcv: v base, n trades; Hyperliquid candle "
                "snapshot: the most recent 5000",
            ),
        ),
    ),
    open_interest_now=OpenInterest(
        amount_unit="base",
        sides_counted=2,
        ask=Ask(
            method="publicPostInfo",
            rate_group="info",
            params=_HYPERLIQUID_CONTEXTS,
            rows=(1,),
            joined_rows=(0, "universe"),
            columns={"amount": "openInterest"},
            per="product",
            id_column="name",
            id_key="baseName",
            source="hyperliquid.fetch_swap_markets, parse_open_interest: base; contexts and "
            "universe go together by position",
        ),
    ),
    funding=Funding(
        interval_hours=1.0,
        ask=Ask(
            method="publicPostInfo",
            rate_group="info",
            params={
                "type": "fundingHistory",
                "coin": "{coin}",
                "startTime": "{start}",
                "endTime": "{end}",
            },
            columns={"time": "time", "rate": "fundingRate"},
            limit=500,
            paging="oldest",
            source="hyperliquid.fetch_funding_rate_history: 500 rows of one hour",
        ),
    ),
    mark_price=Ask(
        method="publicPostInfo",
        rate_group="info",
        params=_HYPERLIQUID_CONTEXTS,
        rows=(1,),
        joined_rows=(0, "universe"),
        columns={"price": "markPx"},
        per="product",
        id_column="name",
        id_key="baseName",
        source="hyperliquid.fetch_swap_markets",
    ),
    brackets=MarginTables(
        ask=Ask(
            method="publicPostInfo",
            rate_group="info",
            params={"type": "meta"},
            rows=("universe",),
            columns={
                "leverage": "maxLeverage",
                "table": "marginTableId",
                "tier_floor": "lowerBound",
                "tier_leverage": "maxLeverage",
            },
            per="product",
            id_column="name",
            id_key="baseName",
            source="Hyperliquid Retrieve perpetuals metadata: universe and marginTables",
        ),
        tables="marginTables",
        tiers_key="marginTiers",
        # A number below 50 is the maximum leverage itself.
        first_table=50,
        maintenance_share=0.5,
    ),
    liquidation_rule=LiquidationRule(
        deduction="continuous",
        source="Hyperliquid, Liquidations and Margin tiers: maintenance margin is half the initial "
        "margin at maximum leverage, less a deduction that makes tiers continuous; no fee",
    ),
)


# bitget: ccxt/async_support/bitget.py.


def _bitget_bars(
    method: str, extra: Params, columns: Mapping[str, Column], limit: int, reach: timedelta | None
) -> Ask:
    """Return one of Bitget's candle endpoints."""
    return Ask(
        method=method,
        params={
            "productType": "USDT-FUTURES",
            "symbol": "{id}",
            "granularity": "5m",
            "startTime": "{start}",
            "endTime": "{end}",
            "limit": "{limit}",
            **extra,
        },
        rows=("data",),
        columns=columns,
        limit=limit,
        paging="windows",
        # Rows are aligned to endTime, which is left out: the end of the last bar is asked for.
        end_shift=BAR_SECONDS * 1000,
        period_seconds=BAR_SECONDS,
        settles_after_seconds=BAR_SECONDS,
        reach=reach,
        source="bitget.fetch_ohlcv: recent candles 1000 rows for 30 days of five minutes, history "
        "candles 200 rows; parse_ohlcv: 5 base",
    )


_BITGET_RECENT = timedelta(days=29)
_BITGET_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDT",),
    ohlcv=Candles(
        volume_unit="base",
        asks=(
            _bitget_bars("publicMixGetV2MixMarketCandles", {}, _OHLCV, 1000, _BITGET_RECENT),
            _bitget_bars("publicMixGetV2MixMarketHistoryCandles", {}, _OHLCV, 200, None),
        ),
    ),
    mark_ohlc=Candles(
        asks=(
            _bitget_bars(
                "publicMixGetV2MixMarketCandles",
                {"kLineType": "MARK"},
                _OHLC,
                1000,
                _BITGET_RECENT,
            ),
            _bitget_bars("publicMixGetV2MixMarketHistoryMarkCandles", {}, _OHLC, 200, None),
        ),
    ),
    open_interest_now=OpenInterest(
        amount_unit="base",
        ask=Ask(
            method="publicMixGetV2MixMarketTickers",
            params={"productType": "USDT-FUTURES"},
            rows=("data",),
            columns={"time": "ts", "amount": "holdingAmount", "price": "markPrice"},
            per="product",
            id_column="symbol",
            source="bitget.fetch_tickers, parse_ticker (holdingAmount); parse_open_interest: base",
        ),
    ),
    funding=Funding(
        ask=Ask(
            method="publicMixGetV2MixMarketHistoryFundRate",
            params={
                "productType": "USDT-FUTURES",
                "symbol": "{id}",
                "pageSize": "{limit}",
                "pageNo": "{page}",
            },
            rows=("data",),
            columns={"time": "fundingTime", "rate": "fundingRate"},
            limit=100,
            paging="numbered",
            source="bitget.fetch_funding_rate_history",
        ),
    ),
    ratios=(
        LongShortRatio(
            measure="accounts",
            ask=Ask(
                method="publicMixGetV2MixMarketAccountLongShort",
                params={"symbol": "{id}", "period": "5m"},
                rows=("data",),
                # longShortAccountRatio of the documented answer is not long / short.
                columns={"time": "ts", "long": "longAccountRatio", "short": "shortAccountRatio"},
                limit=500,
                paging="latest",
                period_seconds=BAR_SECONDS,
                source="bitget.fetch_long_short_ratio_history",
            ),
        ),
    ),
    brackets=Brackets(
        notional_unit="usd",
        ask=Ask(
            method="publicMixGetV2MixMarketQueryPositionLever",
            params={"productType": "USDT-FUTURES", "symbol": "{id}"},
            rows=("data",),
            columns={
                "floor": "startUnit",
                "cap": "endUnit",
                "number": "level",
                "maintenance": "keepMarginRate",
                "leverage": "leverage",
            },
            source="bitget.fetch_market_leverage_tiers, parse_market_leverage_tiers",
        ),
    ),
    liquidation_rule=LiquidationRule(
        fee_ratio=0.0006,
        fee_key="takerFeeRate",
        source="Bitget, Estimated liquidation price (isolated margin): [margin - size x entry x "
        "direction] / [size x (MMR + TakerFeeRatio - direction)]",
    ),
)


# kucoin: ccxt/async_support/kucoin.py; ccxt keeps its futures under an id of their own.

_KUCOIN_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDT", "USDC"),
    ohlcv=Candles(
        volume_unit="contracts",
        asks=(
            Ask(
                method="futuresPublicGetKlineQuery",
                params={"symbol": "{id}", "granularity": 5, "from": "{start}", "to": "{end}"},
                rows=("data",),
                columns=_OHLCV,
                limit=200,
                paging="windows",
                period_seconds=BAR_SECONDS,
                settles_after_seconds=BAR_SECONDS,
                source="kucoin.fetch_contract_ohlcv, parse_ohlcv: ms, 200 rows, 5 contracts (lots)",
            ),
        ),
    ),
    mark_ohlc=Candles(
        asks=(
            Ask(
                method="utaGetMarketKline",
                params={
                    "tradeType": "FUTURES",
                    "symbol": "{id}-mark-price",
                    "interval": "5min",
                    "startAt": "{start}",
                    "endAt": "{end}",
                },
                rows=("data", "list"),
                columns={"time": 0, "open": 1, "close": 2, "high": 3, "low": 4},
                limit=1500,
                paging="windows",
                time_unit="s",
                label_unit="s",
                # Whether endAt is left out is not documented; one second more takes either.
                end_shift=1,
                period_seconds=BAR_SECONDS,
                settles_after_seconds=BAR_SECONDS,
                source="kucoin.fetch_utaohlcv, parse_ohlcv: seconds, 1500 rows, order o c h l",
            ),
        ),
    ),
    open_interest_now=OpenInterest(
        amount_unit="contracts",
        ask=Ask(
            method="utaGetMarketOpenInterest",
            params={},
            rows=("data",),
            columns={"time": "ts", "amount": "openInterest"},
            per="product",
            id_column="symbol",
            source="kucoin.fetch_open_interests, parse_open_interest: contracts, all in one call",
        ),
    ),
    open_interest_history=OpenInterest(
        amount_unit="contracts",
        ask=Ask(
            method="utaGetMarketOpenInterest",
            params={
                "symbol": "{id}",
                "interval": "5min",
                "startAt": "{start}",
                "endAt": "{end}",
                "pageSize": "{limit}",
            },
            rows=("data",),
            columns={"time": "ts", "amount": "openInterest"},
            limit=200,
            paging="windows",
            end_shift=1,
            period_seconds=BAR_SECONDS,
            source="kucoin.fetch_open_interest_history: ms, 200 rows",
        ),
    ),
    funding=Funding(
        ask=Ask(
            method="futuresPublicGetContractFundingRates",
            params={"symbol": "{id}", "from": "{start}", "to": "{end}"},
            rows=("data",),
            columns={"time": ("timepoint", "ts"), "rate": "fundingRate"},
            limit=100,
            paging="newest",
            source="kucoin.fetch_funding_rate_history",
        ),
    ),
    brackets=Brackets(
        notional_unit="usd",
        ask=Ask(
            method="futuresPublicGetContractsRiskLimitSymbol",
            params={"symbol": "{id}"},
            rows=("data",),
            columns={
                "floor": "minRiskLimit",
                "cap": "maxRiskLimit",
                "number": "level",
                "maintenance": "maintainMargin",
                "leverage": "maxLeverage",
            },
            source="kucoin.fetch_market_leverage_tiers, parse_market_leverage_tiers",
        ),
    ),
    liquidation_rule=LiquidationRule(
        fee_ratio=0.0006,
        fee_key="takerFeeRate",
        source="KuCoin, How to Calculate Futures Liquidation Price (isolated, since 2025-05-22): 1 "
        "-+ (maintenance margin rate + liquidation fee rate), for which the taker fee is taken",
    ),
)


# Coin-margined: the same endpoints, contracts of one USD (the multiplier is -1). Their risk limits
# are not read: no page says whether they are coins or USD.
_KUCOIN_INVERSE = replace(_KUCOIN_LINEAR, contract_kind="inverse", quotes=("USD",), brackets=None)


# htx: ccxt/async_support/htx.py. Volume and open interest add both sides: "Sum of both buy and sell
# sides" stands beside them in the venue's interface description.
_HTX_RULE = LiquidationRule(
    source="HTX, Tiered Adjustment Factor: liquidated where equity / used margin falls to the "
    "adjustment factor; no deduction, no fee",
)


def _htx_ladders(method: str) -> LeverageLadders:
    """Return the tiered adjustment factors of linear or inverse swaps."""
    return LeverageLadders(
        ask=Ask(
            method=method,
            params={},
            rows=("data",),
            columns={"leverage": "lever_rate", "cap": "max_size", "share": "adjust_factor"},
            per="product",
            id_column="contract_code",
            source="htx.fetch_leverage_tiers, parse_market_leverage_tiers: adjust_factor / "
            "lever_rate; HTX Query information on Tiered Adjustment Factor: sizes are contracts",
        ),
        lists_key="list",
        brackets_key="ladders",
    )


_HTX_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDT",),
    ohlcv=Candles(
        volume_unit="contracts",
        sides_counted=2,
        asks=(
            Ask(
                method="contractPublicGetLinearSwapExMarketHistoryKline",
                params={
                    "contract_code": "{id}",
                    "period": "5min",
                    "from": "{start}",
                    "to": "{end}",
                },
                rows=("data",),
                columns={**_KEYED_OHLC, "time": "id", "volume": "vol"},
                limit=2000,
                paging="windows",
                time_unit="s",
                label_unit="s",
                period_seconds=BAR_SECONDS,
                settles_after_seconds=BAR_SECONDS,
                source="htx.fetch_ohlcv: seconds, 2000 rows, from and to inclusive; vol contracts, "
                "amount coins, both of both sides",
            ),
        ),
    ),
    mark_ohlc=Candles(
        asks=(
            Ask(
                method="contractPublicGetIndexMarketHistoryLinearSwapMarkPriceKline",
                params={"contract_code": "{id}", "period": "5min", "size": "{limit}"},
                rows=("data",),
                columns={**_KEYED_OHLC, "time": "id"},
                limit=2000,
                paging="latest",
                label_unit="s",
                period_seconds=BAR_SECONDS,
                settles_after_seconds=BAR_SECONDS,
                reach=timedelta(seconds=1_990 * BAR_SECONDS),
                source="htx.fetch_ohlcv, price='mark': size alone, at most 2000",
            ),
        ),
    ),
    open_interest_now=OpenInterest(
        amount_unit="contracts",
        value_unit="usd",
        sides_counted=2,
        ask=Ask(
            method="contractPublicGetV5MarketOpenInterest",
            params={"contract_code": "{id}"},
            rows=("data",),
            columns={"amount": "volume", "value": "value"},
            answer_time="ts",
            source="htx.fetch_open_interest, parse_open_interest: volume contracts, amount base",
        ),
    ),
    open_interest_history=OpenInterest(
        amount_unit="contracts",
        value_unit="usd",
        sides_counted=2,
        ask=Ask(
            method="contractPublicGetLinearSwapApiV1SwapHisOpenInterest",
            params={
                "contract_code": "{id}",
                "contract_type": "swap",
                "period": "60min",
                "amount_type": 1,
                "size": "{limit}",
            },
            rows=("data", "tick"),
            columns={"time": "ts", "amount": "volume", "value": "value"},
            limit=200,
            paging="latest",
            period_seconds=3600,
            reach=timedelta(hours=199),
            source="htx.fetch_open_interest_history: one hour at the finest, at most 200; "
            "amount_type 1 is contracts",
        ),
    ),
    funding=Funding(
        ask=Ask(
            method="contractPublicGetV5MarketFundingRateHistory",
            params={"contract_code": "{id}", "start_time": "{start}", "limit": "{limit}"},
            rows=("data",),
            columns={"time": "funding_time", "rate": "funding_rate"},
            limit=100,
            paging="latest",
            source="htx.fetch_funding_rate_history: at most 100",
        ),
    ),
    liquidations=OrderLiquidations(
        amount_unit="contracts",
        is_complete=True,
        sides=(
            ("position_side", "long", True),
            ("position_side", "short", False),
            ("side", "sell", True),
            ("side", "buy", False),
        ),
        ask=Ask(
            method="contractPublicGetV5MarketLiquidationOrders",
            params={
                "contract_code": "{id}",
                "start_time": "{start}",
                "end_time": "{end}",
                "limit": "{limit}",
            },
            rows=("data",),
            columns={
                "time": "liquidation_time",
                "price": "bankrupt_price",
                "amount": "volume",
                "key": "id",
            },
            limit=100,
            paging="newest",
            reach=timedelta(days=90),
            longest_span=timedelta(hours=48),
            source="htx.fetch_liquidations, parse_liquidation: position_side is the position's; "
            "HTX: spans of 48 hours within 90 days",
        ),
    ),
    brackets=_htx_ladders("contractPublicGetLinearSwapApiV1SwapAdjustfactor"),
    liquidation_rule=_HTX_RULE,
    # The last price: mark prices come one contract at a time, and a cap need not be exact.
    mark_price=Ask(
        method="contractPublicGetLinearSwapExMarketDetailBatchMerged",
        params={},
        rows=("ticks",),
        columns={"price": "close"},
        per="product",
        id_column="contract_code",
        source="htx.fetch_tickers, parse_ticker",
    ),
)


# Coin-margined swaps have endpoints of their own; a contract is 100 USD of bitcoin and 10 USD of
# other coins. Volume and open interest add both sides here too.
_HTX_INVERSE = Product(
    contract_kind="inverse",
    quotes=("USD",),
    brackets=_htx_ladders("contractPublicGetSwapApiV1SwapAdjustfactor"),
    liquidation_rule=_HTX_RULE,
    ohlcv=Candles(
        volume_unit="contracts",
        sides_counted=2,
        asks=(
            replace(
                _HTX_LINEAR.ohlcv.asks[0],
                method="contractPublicGetSwapExMarketHistoryKline",
                source="htx.fetch_ohlcv, inverse: as for linear swaps",
            ),
        ),
    ),
    mark_ohlc=Candles(
        asks=(
            Ask(
                method="contractPublicGetIndexMarketHistorySwapMarkPriceKline",
                params={"contract_code": "{id}", "period": "5min", "size": "{limit}"},
                rows=("data",),
                columns={**_KEYED_OHLC, "time": "id"},
                limit=2000,
                paging="latest",
                label_unit="s",
                period_seconds=BAR_SECONDS,
                settles_after_seconds=BAR_SECONDS,
                reach=timedelta(seconds=1_990 * BAR_SECONDS),
                source="htx.fetch_ohlcv, price='mark', inverse: size alone, at most 2000",
            ),
        ),
    ),
    open_interest_now=OpenInterest(
        amount_unit="contracts",
        sides_counted=2,
        ask=Ask(
            method="contractPublicGetSwapApiV1SwapOpenInterest",
            params={},
            rows=("data",),
            columns={"amount": "volume"},
            answer_time="ts",
            per="product",
            id_column="contract_code",
            source="htx.fetch_open_interests, parse_open_interest: volume contracts, amount coins",
        ),
    ),
    open_interest_history=OpenInterest(
        amount_unit="contracts",
        sides_counted=2,
        ask=Ask(
            method="contractPublicGetSwapApiV1SwapHisOpenInterest",
            params={
                "contract_code": "{id}",
                "period": "60min",
                "amount_type": 1,
                "size": "{limit}",
            },
            rows=("data", "tick"),
            columns={"time": "ts", "amount": "volume"},
            limit=200,
            paging="latest",
            period_seconds=3600,
            reach=timedelta(hours=199),
            source="htx.fetch_open_interest_history, inverse: amount_type 1 is contracts; no value",
        ),
    ),
    funding=Funding(
        ask=Ask(
            method="contractPublicGetSwapApiV1SwapHistoricalFundingRate",
            params={"contract_code": "{id}", "page_index": "{page}", "page_size": "{limit}"},
            rows=("data", "data"),
            columns={"time": "funding_time", "rate": "funding_rate"},
            limit=50,
            paging="numbered",
            source="htx.fetch_funding_rate_history, inverse: pages of 50, newest first",
        ),
    ),
)


# mexc: ccxt/async_support/mexc.py. No history of open interest at all.


def _mexc_bars(method: str, columns: Mapping[str, Column], source: str) -> Ask:
    """Return one of MEXC's columnar candle endpoints."""
    return Ask(
        method=method,
        params={"symbol": "{id}", "interval": "Min5", "start": "{start}", "end": "{end}"},
        rows=("data",),
        is_columnar=True,
        columns={"time": "time", **columns},
        limit=2000,
        paging="windows",
        time_unit="s",
        label_unit="s",
        period_seconds=BAR_SECONDS,
        settles_after_seconds=BAR_SECONDS,
        source=source,
    )


_MEXC_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDT", "USDC"),
    ohlcv=Candles(
        volume_unit="contracts",
        asks=(
            _mexc_bars(
                "contractPublicGetKlineSymbol",
                {**_KEYED_OHLC, "volume": "vol"},
                "mexc.fetch_ohlcv: seconds, 2000 rows, lists by column; vol contracts",
            ),
        ),
    ),
    mark_ohlc=Candles(
        asks=(
            _mexc_bars(
                "contractPublicGetKlineFairPriceSymbol",
                _KEYED_OHLC,
                "mexc.fetch_ohlcv, price='mark': the fair price is what liquidates",
            ),
        )
    ),
    open_interest_now=OpenInterest(
        amount_unit="contracts",
        ask=Ask(
            method="contractPublicGetTicker",
            params={},
            rows=("data",),
            columns={"time": "timestamp", "amount": "holdVol", "price": "fairPrice"},
            per="product",
            id_column="symbol",
            source="mexc.fetch_tickers, parse_ticker (fields): holdVol contracts",
        ),
    ),
    funding=Funding(
        ask=Ask(
            method="contractPublicGetFundingRateHistory",
            params={"symbol": "{id}", "page_num": "{page}", "page_size": "{limit}"},
            rows=("data", "resultList"),
            columns={"time": "settleTime", "rate": "fundingRate"},
            limit=100,
            paging="numbered",
            source="mexc.fetch_funding_rate_history",
        ),
    ),
    brackets=StepBrackets(
        first="riskBaseVol",
        step="riskIncrVol",
        largest="maxVol",
        maintenance="maintenanceMarginRate",
        maintenance_step="riskIncrMmr",
        initial="initialMarginRate",
        initial_step="riskIncrImr",
        listed="riskLimitCustom",
        listed_columns={
            "number": "level",
            "cap": "maxVol",
            "maintenance": "mmr",
            "leverage": "maxLeverage",
        },
        value_mark=("riskLimitType", "BY_VALUE"),
        source="mexc.parse_market_leverage_tiers, which leaves out riskBaseVol; MEXC Get contract "
        "info: riskLimitMode, riskLimitCustom, riskLimitType",
    ),
    liquidation_rule=LiquidationRule(
        fee_ratio=0.0004,
        fee_key="liquidationFeeRate",
        source="MEXC, About Liquidation: position margin + unrealised PNL <= maintenance margin + "
        "liquidation fee; Get contract info: liquidationFeeRate",
    ),
    mark_price=Ask(
        method="contractPublicGetTicker",
        params={},
        rows=("data",),
        columns={"price": "fairPrice"},
        per="product",
        id_column="symbol",
        source="mexc.parse_ticker",
    ),
)


# Coin-margined: the same endpoints; contractSize is USD (100 of bitcoin, 10 of other coins).
_MEXC_INVERSE = replace(_MEXC_LINEAR, contract_kind="inverse", quotes=("USD",))


# deribit: ccxt/async_support/deribit.py. Amounts of inverse perpetuals are USD, of linear ones
# coins ("for options and linear futures it is the underlying base currency coin"). No mark candles,
# no history of open interest.

_DERIBIT_TRADES = OrderLiquidations(
    amount_unit="usd",
    is_complete=True,
    sides=(("direction", "sell", True), ("direction", "buy", False)),
    mark_column="liquidation",
    taker_marks=("T", "MT"),
    maker_marks=("M", "MT"),
    ask=Ask(
        method="publicGetGetLastTradesByInstrumentAndTime",
        params={
            "instrument_name": "{id}",
            "start_timestamp": "{start}",
            "end_timestamp": "{end}",
            "count": "{limit}",
            "include_old": True,
            "sorting": "asc",
        },
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
        "liquidation M, T or MT tells whose position was liquidated, amount USD or, linear, coins. "
        "deribit.fetch_liquidations tells bankruptcies of settlements, which have no side",
    ),
)

_DERIBIT_INVERSE = Product(
    contract_kind="inverse",
    quotes=("USD",),
    lot_unit="usd",  # deribit.fetch_markets: min_trade_amount
    ohlcv=Candles(
        volume_unit="usd",
        asks=(
            Ask(
                method="publicGetGetTradingviewChartData",
                params={
                    "instrument_name": "{id}",
                    "resolution": "5",
                    "start_timestamp": "{start}",
                    "end_timestamp": "{end}",
                },
                rows=("result",),
                is_columnar=True,
                columns={**_KEYED_OHLC, "time": "ticks", "volume": "cost"},
                limit=5000,
                paging="windows",
                period_seconds=BAR_SECONDS,
                settles_after_seconds=BAR_SECONDS,
                source="deribit.fetch_ohlcv: 5000 rows, lists by column; volume coins, cost USD",
            ),
        ),
    ),
    open_interest_now=OpenInterest(
        amount_unit=None,
        value_unit="usd",
        quantity_from="value",
        ask=Ask(
            method="publicGetGetBookSummaryByCurrency",
            params={"currency": "{coin}", "kind": "future"},
            rows=("result",),
            columns={"time": "creation_timestamp", "value": "open_interest", "price": "mark_price"},
            per="coin",
            id_column="instrument_name",
            source="deribit.fetch_tickers, parse_open_interest: USD for inverse",
        ),
    ),
    funding=Funding(
        interval_hours=1.0,
        ask=Ask(
            method="publicGetGetFundingRateHistory",
            params={
                "instrument_name": "{id}",
                "start_timestamp": "{start}",
                "end_timestamp": "{end}",
            },
            rows=("result",),
            columns={"time": "timestamp", "rate": "interest_1h"},
            limit=744,
            paging="windows",
            start_shift=-1,
            period_seconds=3600,
            source="deribit.fetch_funding_rate_history: hourly, 744 rows",
        ),
    ),
    liquidations=_DERIBIT_TRADES,
    brackets=GrowingMargins(
        maintenance=0.01,
        initial=0.02,
        growth={"BTC": 0.00005, "ETH": 0.000004},
        leverage_key="max_leverage",
        source="Deribit, 11 January 2022: BTC maintenance margin 1 % + size in BTC x .005 %, ETH 1 "
        "% + size in ETH x .0004 %, initial margin 1 % more; get_instruments: max_leverage",
    ),
    liquidation_rule=LiquidationRule(
        source="Deribit, Standard margin: a ratio of the whole position that grows with it, no fee",
    ),
    mark_price=Ask(
        method="publicGetGetBookSummaryByCurrency",
        params={"currency": "{coin}", "kind": "future"},
        rows=("result",),
        columns={"price": "mark_price"},
        per="coin",
        id_column="instrument_name",
        source="deribit.fetch_tickers",
    ),
)


_DERIBIT_LINEAR = replace(
    _DERIBIT_INVERSE,
    contract_kind="linear",
    quotes=("USDC",),
    lot_unit="base",  # deribit.fetch_markets: min_trade_amount
    ohlcv=Candles(
        volume_unit="base",
        asks=(
            replace(
                _DERIBIT_INVERSE.ohlcv.asks[0],
                columns={**_KEYED_OHLC, "time": "ticks", "volume": "volume"},
            ),
        ),
    ),
    open_interest_now=OpenInterest(
        amount_unit="base",
        ask=Ask(
            method="publicGetGetBookSummaryByCurrency",
            params={"currency": "USDC", "kind": "future"},
            rows=("result",),
            columns={
                "time": "creation_timestamp",
                "amount": "open_interest",
                "price": "mark_price",
            },
            per="product",
            id_column="instrument_name",
            source="deribit.fetch_tickers: contracts are listed under the currency they settle in; "
            "Deribit get_book_summary_by_currency: coins for linear",
        ),
    ),
    liquidations=replace(_DERIBIT_TRADES, amount_unit="base"),
    mark_price=Ask(
        method="publicGetGetBookSummaryByCurrency",
        params={"currency": "USDC", "kind": "future"},
        rows=("result",),
        columns={"price": "mark_price"},
        per="product",
        id_column="instrument_name",
        source="deribit.fetch_tickers",
    ),
)


# Why contracts are left out, in the words of marts.venue_coverage.

_DATED = "they expire and trade at a basis to the perpetual"
_NOT_LISTED = "the venue does not list them"


VENUES: Mapping[str, Venue] = MappingProxyType(
    {
        venue.name: venue
        for venue in (
            Venue(
                name="binance",
                ccxt_id="binanceusdm",
                options={"fetchMarkets": {"types": ["linear"]}},
                products=(_binance("fapi"),),
                rate_limits=_BINANCE_RATE_LIMITS,
                stream=_BINANCE_STREAM,
                source="binance.fetch_markets: fapiPublicGetExchangeInfo",
                not_followed={
                    "inverse": "followed as the venue binancecoinm",
                    "dated": _DATED,
                },
            ),
            Venue(
                name="binancecoinm",
                ccxt_id="binancecoinm",
                options={"fetchMarkets": {"types": ["inverse"]}, "defaultType": "swap"},
                products=(_binance("dapi"),),
                rate_limits=_BINANCE_RATE_LIMITS,
                stream=_BINANCE_STREAM,
                source="binance.fetch_markets: dapiPublicGetExchangeInfo",
                not_followed={
                    "linear_usdt": "followed as the venue binance",
                    "linear_usdc": "followed as the venue binance",
                    "dated": _DATED,
                },
            ),
            Venue(
                name="bybit",
                ccxt_id="bybit",
                options={"fetchMarkets": {"types": ["linear", "inverse"]}},
                products=(_bybit("linear"), _bybit("inverse")),
                stream=_BYBIT_STREAM,
                source="bybit.fetch_future_markets: instruments-info for each category, once plain "
                "and once for contracts before launch",
                not_followed={
                    "dated": _DATED,
                },
            ),
            Venue(
                name="okx",
                ccxt_id="okx",
                options={"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"},
                products=(_okx("linear"), _okx("inverse")),
                stream=_OKX_STREAM,
                source="okx.fetch_markets_by_type: public/instruments, instType SWAP",
                not_followed={
                    "dated": _DATED,
                },
            ),
            Venue(
                name="gate",
                ccxt_id="gate",
                options={
                    "fetchMarkets": {"types": ["swap"]},
                    "swap": {"fetchMarkets": {"settlementCurrencies": ["usdt", "btc"]}},
                },
                products=(_GATE_LINEAR, _GATE_INVERSE),
                source="gate.fetch_swap_markets: futures/usdt/contracts and futures/btc/contracts",
                not_followed={
                    "linear_usdc": _NOT_LISTED,
                    "dated": _DATED,
                },
            ),
            Venue(
                name="hyperliquid",
                ccxt_id="hyperliquid",
                options={"fetchMarkets": {"types": ["swap"]}},
                products=(_HYPERLIQUID_LINEAR,),
                coin_key="baseName",
                # kPEPE: a small k before a ticker that has none itself.
                multiplier_prefixes=(("k", 1000),),
                rate_limits=_HYPERLIQUID_RATE_LIMITS,
                source="hyperliquid.fetch_swap_markets: metaAndAssetCtxs",
                not_followed={
                    "linear_usdt": _NOT_LISTED,
                    "inverse": _NOT_LISTED,
                    "dated": _NOT_LISTED,
                },
            ),
            Venue(
                name="bitget",
                ccxt_id="bitget",
                options={"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"},
                products=(_BITGET_LINEAR,),
                source="bitget.fetch_default_markets: contracts for each of six product types",
                not_followed={
                    "linear_usdc": "not supported yet",
                    "inverse": "published in coins, not in USD contracts",
                    "dated": _DATED,
                },
            ),
            Venue(
                name="kucoin",
                ccxt_id="kucoinfutures",
                markets_method="fetch_contract_markets",
                products=(_KUCOIN_LINEAR, _KUCOIN_INVERSE),
                source="kucoin.fetch_contract_markets: contracts/active",
                not_followed={
                    "dated": _DATED,
                },
            ),
            Venue(
                name="htx",
                ccxt_id="htx",
                options={
                    "fetchMarkets": {"types": {"spot": False, "linear": True, "inverse": True}}
                },
                products=(_HTX_LINEAR, _HTX_INVERSE),
                source="htx.fetch_markets_by_type_and_sub_type: swap_contract_info",
                not_followed={
                    "linear_usdc": _NOT_LISTED,
                    "dated": _DATED,
                },
            ),
            Venue(
                name="mexc",
                ccxt_id="mexc",
                markets_method="fetch_swap_markets",
                products=(_MEXC_LINEAR, _MEXC_INVERSE),
                source="mexc.fetch_swap_markets: contract/detail",
                not_followed={
                    "dated": _NOT_LISTED,
                },
            ),
            Venue(
                name="deribit",
                ccxt_id="deribit",
                options={"fetchMarkets": {"fetchAllMarkets": True}},
                products=(_DERIBIT_INVERSE, _DERIBIT_LINEAR),
                source="deribit.fetch_markets: get_instruments of all currencies at once",
                not_followed={
                    "linear_usdt": _NOT_LISTED,
                    "dated": _DATED,
                },
            ),
        )
    }
)
"""Every declared venue by name."""


def venues_with_one_side() -> list[str]:
    """Return the venues that send the figure of one side beside that of both.

    Examples
    --------
    >>> venues_with_one_side()
    ['bybit']
    """
    return [
        venue.name
        for venue in VENUES.values()
        for reading in (product.open_interest_now for product in venue.products[:1])
        if reading is not None and "one_side" in reading.ask.columns
    ]


def sides_counted_by(venue: str) -> int:
    """Return how many sides a venue's own open interest counts; 1 where it is not declared.

    Examples
    --------
    >>> sides_counted_by("binance"), sides_counted_by("hyperliquid"), sides_counted_by("lighter")
    (1, 2, 1)
    """
    if venue not in VENUES:
        return 1
    told = {
        reading.sides_counted
        for product in VENUES[venue].products
        for reading in (product.open_interest_now, product.open_interest_history)
        if reading is not None
    }
    return max(told, default=1)
