"""Hyperliquid perpetuals. All amounts are base coins.

ccxt/async_support/hyperliquid.py. The contexts of all coins come in one response without a time.
No open interest history, no mark candles. Open interest counts both sides: it is always an even
number of lots (docs/decisions/0012).
"""

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from sources.venues.declaration import Candles, Funding, OpenInterest, Product, Venue
from sources.venues.endpoints import (
    BAR_SECONDS,
    LETTER_OHLC,
    CallWeight,
    Endpoint,
    RateLimit,
    bars,
    query,
)
from sources.venues.margin_specs import MarginRule, MarginTables

# 1200 weight a minute and address, 20 for each of these calls: 60. ccxt counts on five times that.
# Rows weigh too: "Rate limits and user limits",
# https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits
_INFO_WEIGHT = 20
_RATE_LIMITS = MappingProxyType({"info": RateLimit(57, 60.0)})
_CONTEXTS = Endpoint(
    method="publicPostInfo",
    rate_group="info",
    params={"type": "metaAndAssetCtxs"},
    rows=(1,),
    joined_rows=(0, "universe"),
    columns={"price": "markPx"},
    id_column="name",
    id_key="baseName",
    source="hyperliquid.fetch_swap_markets",
)
_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDC",),
    ohlcv=Candles(
        volume_unit="base",
        endpoint=bars(
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
            columns={**LETTER_OHLC, "volume": "v", "trade_count": "n"},
            limit=5000,
            weight=CallWeight(_INFO_WEIGHT, 60),
            reach=timedelta(seconds=4_990 * BAR_SECONDS),
            source="hyperliquid.fetch_ohlcv, parse_ohlcv: v base, n trades; Hyperliquid candle "
            "snapshot: the most recent 5000",
        ),
    ),
    open_interest_now=OpenInterest(
        amount_unit="base",
        sides_counted=2,
        endpoint=replace(
            _CONTEXTS,
            columns={"amount": "openInterest"},
            source="hyperliquid.fetch_swap_markets, parse_open_interest: base; contexts and "
            "universe go together by position",
        ),
    ),
    funding=Funding(
        interval_hours=1.0,
        endpoint=Endpoint(
            method="publicPostInfo",
            rate_group="info",
            params=query(coin="coin", start="startTime", end="endTime", type="fundingHistory"),
            columns={"time": "time", "rate": "fundingRate"},
            limit=500,
            weight=CallWeight(_INFO_WEIGHT, 20),
            paging="oldest",
            source="hyperliquid.fetch_funding_rate_history: 500 rows of one hour",
        ),
    ),
    mark_price=_CONTEXTS,
    brackets=MarginTables(
        endpoint=Endpoint(
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
    margin_rule=MarginRule(
        deduction="continuous",
        source="Hyperliquid, Liquidations and Margin tiers: maintenance margin is half the initial "
        "margin at maximum leverage, less a deduction that makes tiers continuous; no fee",
    ),
)

VENUE = Venue(
    name="hyperliquid",
    ccxt_id="hyperliquid",
    options={"fetchMarkets": {"types": ["swap"]}},
    products=(_LINEAR,),
    coin_key="baseName",
    # kPEPE: a small k before a ticker that has none itself.
    multiplier_prefixes=(("k", 1000),),
    rate_limits=_RATE_LIMITS,
    is_limit_shared=True,
    call_weight=CallWeight(_INFO_WEIGHT),
    source="hyperliquid.fetch_swap_markets: metaAndAssetCtxs",
    not_listed=("linear_usdt", "inverse", "dated"),
)
