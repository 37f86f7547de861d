"""Bitget perpetuals settled in USDT.

ccxt/async_support/bitget.py.
"""

from datetime import timedelta

from sources.venues.declaration import (
    Candles,
    Funding,
    LongShortRatio,
    OpenInterest,
    Product,
    Venue,
)
from sources.venues.endpoints import (
    BAR_SECONDS,
    OHLC,
    OHLCV,
    Columns,
    Endpoint,
    Params,
    bars,
    query,
)
from sources.venues.margin_specs import BracketRows, MarginRule


def _bars(
    method: str, extra: Params, columns: Columns, limit: int, reach: timedelta | None
) -> Endpoint:
    """Return one of Bitget's candle endpoints."""
    return bars(
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
        # Rows are aligned to endTime, which is excluded: the end of the last bar is requested.
        end_shift=BAR_SECONDS * 1000,
        reach=reach,
        source="bitget.fetch_ohlcv: recent candles 1000 rows for 30 days of five minutes, history "
        "candles 200 rows; parse_ohlcv: 5 base",
    )


_RECENT = timedelta(days=29)
_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDT",),
    ohlcv=Candles(
        volume_unit="base",
        endpoint=_bars("publicMixGetV2MixMarketCandles", {}, OHLCV, 1000, _RECENT),
        older=_bars("publicMixGetV2MixMarketHistoryCandles", {}, OHLCV, 200, None),
    ),
    mark_ohlc=Candles(
        endpoint=_bars(
            "publicMixGetV2MixMarketCandles",
            {"kLineType": "MARK"},
            OHLC,
            1000,
            _RECENT,
        ),
        older=_bars("publicMixGetV2MixMarketHistoryMarkCandles", {}, OHLC, 200, None),
    ),
    open_interest_now=OpenInterest(
        amount_unit="base",
        endpoint=Endpoint(
            method="publicMixGetV2MixMarketTickers",
            params={"productType": "USDT-FUTURES"},
            rows=("data",),
            columns={"time": "ts", "amount": "holdingAmount", "price": "markPrice"},
            id_column="symbol",
            source="bitget.fetch_tickers, parse_ticker (holdingAmount); parse_open_interest: base",
        ),
    ),
    funding=Funding(
        endpoint=Endpoint(
            method="publicMixGetV2MixMarketHistoryFundRate",
            params=query(id="symbol", limit="pageSize", page="pageNo", productType="USDT-FUTURES"),
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
            endpoint=Endpoint(
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
    brackets=BracketRows(
        notional_unit="usd",
        endpoint=Endpoint(
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
    margin_rule=MarginRule(
        fee_ratio=0.0006,
        fee_key="takerFeeRate",
        source="Bitget, Estimated liquidation price (isolated margin): [margin - size x entry x "
        "direction] / [size x (MMR + TakerFeeRatio - direction)]",
    ),
)

VENUE = Venue(
    name="bitget",
    ccxt_id="bitget",
    options={"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"},
    products=(_LINEAR,),
    source="bitget.fetch_default_markets: contracts for each of six product types",
    not_followed={
        "linear_usdc": "not supported yet",
        "inverse": "published in coins, not in USD contracts",
    },
)
