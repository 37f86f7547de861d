"""Binance USDⓈ-M futures; `binancecoinm` declares the coin-margined ones with the same product.

ccxt/async_support/binance.py. fapi (USDⓈ-M) and dapi (coin-M) respond alike in different units.
They are two venues because their order books, rate limits and outages are separate.
"""

from datetime import timedelta
from types import MappingProxyType
from typing import Literal

from sources.venues.declaration import (
    Candles,
    Funding,
    LongShortRatio,
    OpenInterest,
    Product,
    RatioMeasure,
    Stream,
    Venue,
    sides,
)
from sources.venues.endpoints import (
    OHLC,
    OHLCV,
    Columns,
    Endpoint,
    Params,
    RateLimit,
    bars,
    samples,
)
from sources.venues.margin_specs import BracketRows, MarginRule

# For each address; a tenth is left for other programs and for the last run.
RATE_LIMITS = MappingProxyType(
    {"statistics": RateLimit(900, 300.0), "funding": RateLimit(450, 300.0)}
)
# "Only the data of the latest 30 days is available"; an older startTime is refused (-1130), so
# ten minutes are left for the clocks to differ.
_STATISTICS_REACH = timedelta(days=30) - timedelta(minutes=10)
_SPAN: Params = MappingProxyType({"startTime": "{start}", "endTime": "{end}", "limit": "{limit}"})


Api = Literal["fapi", "dapi"]


def _amount_unit(api: Api) -> Literal["base", "contracts"]:
    return "base" if api == "fapi" else "contracts"


def _statistic(
    api: Api,
    name: str,
    columns: Columns,
    source: str,
    extra: Params | None = None,
) -> Endpoint:
    """Return one of the trading statistics, which share parameters and bounds."""
    contract = {"symbol": "{id}"} if api == "fapi" else {"pair": "{pair}"}
    return samples(
        method=f"{api}DataGet{name}",
        params={**contract, "period": "5m", **_SPAN, **(extra or {})},
        columns={"time": "timestamp", **columns},
        limit=500,
        reach=_STATISTICS_REACH,
        rate_group="statistics",
        source=source,
    )


def _bars(api: Api, name: str, columns: Columns, source: str) -> Endpoint:
    """Return the candles of a contract or of its mark price."""
    return bars(
        method=f"{api}PublicGet{name}",
        params={"symbol": "{id}", "interval": "5m", **_SPAN},
        columns=columns,
        # 499 rows weigh 2 and 1000 weigh 5: a row is cheapest in pages of 499.
        limit=499,
        # Klines over more than 200 days are refused on dapi.
        longest_span=None if api == "fapi" else timedelta(days=200),
        source=source,
    )


def _open_interest_history(api: Api) -> OpenInterest:
    return OpenInterest(
        amount_unit=_amount_unit(api),
        value_unit="usd" if api == "fapi" else "base",
        endpoint=_statistic(
            api,
            "OpenInterestHist",
            {"amount": "sumOpenInterest", "value": "sumOpenInterestValue"},
            "binance.fetch_open_interest_history, parse_open_interest; Binance "
            "Open-Interest-Statistics: on dapi the amount is contracts and the value base; "
            "the label is the instant of the value",
            None if api == "fapi" else {"contractType": "PERPETUAL"},
        ),
    )


def _ratios(api: Api) -> tuple[LongShortRatio, ...]:
    names: tuple[tuple[RatioMeasure, str, str], ...] = (
        (
            "accounts",
            "GlobalLongShortAccountRatio",
            "binance.fetch_long_short_ratio_history; Binance Long-Short-Ratio",
        ),
        (
            "top_accounts",
            "TopLongShortAccountRatio",
            "Binance Top-Long-Short-Account-Ratio, fields as in the one for all accounts",
        ),
        (
            "top_positions",
            "TopLongShortPositionRatio",
            "Binance Top-Trader-Long-Short-Ratio, fields as in the one for all accounts",
        ),
    )
    return tuple(
        LongShortRatio(_statistic(api, name, {"ratio": "longShortRatio"}, source), measure)
        for measure, name, source in names
    )


def _brackets(api: Api) -> BracketRows:
    return BracketRows(
        notional_unit="usd" if api == "fapi" else "base",
        brackets_key="brackets",
        endpoint=Endpoint(
            method="fapiPrivateGetLeverageBracket"
            if api == "fapi"
            else "dapiPrivateV2GetLeverageBracket",
            params={},
            columns={
                "floor": ("notionalFloor", "qtyFloor"),
                "cap": ("notionalCap", "qtyCap"),
                "number": "bracket",
                "maintenance": "maintMarginRatio",
                "leverage": "initialLeverage",
                **({"cum": "cum"} if api == "fapi" else {}),
            },
            id_column="symbol",
            needs_key=True,
            source="binance.fetch_leverage_tiers: on dapi caps and cum are base coins",
        ),
    )


def binance_product(api: Api) -> Product:
    """Return Binance's linear (fapi) or inverse (dapi) product."""
    is_linear = api == "fapi"
    return Product(
        contract_kind="linear" if is_linear else "inverse",
        quotes=("USDT", "USDC", "USD") if is_linear else ("USD",),
        ohlcv=Candles(
            volume_unit=_amount_unit(api),
            endpoint=_bars(
                api,
                "Klines",
                {**OHLCV, "trade_count": 8, "taker_buy": 9},
                "binance.parse_ohlcv, fetch_ohlcv: startTime and endTime inclusive; fields 5 "
                "and 9 are base coins on fapi and contracts on dapi (where 7 and 10 are base)",
            ),
        ),
        mark_ohlc=Candles(
            endpoint=_bars(api, "MarkPriceKlines", OHLC, "binance.fetch_ohlcv, price='mark'")
        ),
        open_interest_now=OpenInterest(
            amount_unit=_amount_unit(api),
            endpoint=Endpoint(
                method=f"{api}PublicGetOpenInterest",
                params={"symbol": "{id}"},
                columns={"time": "time", "amount": "openInterest"},
                source="binance.fetch_open_interest: base on fapi, contracts on dapi; no value",
            ),
        ),
        open_interest_history=_open_interest_history(api),
        funding=Funding(
            endpoint=Endpoint(
                method=f"{api}PublicGetFundingRate",
                params={"symbol": "{id}", **_SPAN},
                columns={"time": "fundingTime", "rate": "fundingRate"},
                limit=1000,
                paging="oldest",
                rate_group="funding",
                source="binance.fetch_funding_rate_history; Binance Get-Funding-Rate-History: "
                "ascending, at most 1000, 500 requests in 5 minutes",
            ),
        ),
        ratios=_ratios(api),
        brackets=_brackets(api),
        margin_rule=MarginRule(
            deduction="published" if is_linear else "none",
            source="Binance, How to Calculate Liquidation Price of USDⓈ-M Futures Contracts: the "
            "bracket's cum is taken off, no fee",
        ),
        mark_price=Endpoint(
            method=f"{api}PublicGetPremiumIndex",
            params={},
            columns={"price": "markPrice"},
            id_column="symbol",
            source="binance.fetch_mark_prices",
        ),
    )


STREAM = Stream(
    rows=("o",),
    # z is the filled quantity of the order, l its last fill, q its original quantity.
    columns={"time": "T", "id": "s", "price": ("ap", "p"), "amount": ("z", "l", "q")},
    # S is the side of the order: a sale closes a long.
    sides=sides("S", long="SELL", short="BUY"),
    amount_unit_linear="base",
    amount_unit_inverse="contracts",
    is_complete=False,
    is_per_instrument=False,
    source="ccxt.pro binance.handle_liquidation, parse_ws_liquidation; Binance Liquidation Order "
    "Streams: at most one order a second and symbol",
)

VENUE = Venue(
    name="binance",
    ccxt_id="binanceusdm",
    options={"fetchMarkets": {"types": ["linear"]}},
    products=(binance_product("fapi"),),
    rate_limits=RATE_LIMITS,
    stream=STREAM,
    source="binance.fetch_markets: fapiPublicGetExchangeInfo",
    not_followed={"inverse": "followed as the venue binancecoinm"},
)
