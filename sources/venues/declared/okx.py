"""OKX swaps. Linear and inverse share endpoints and unit (contracts).

ccxt/async_support/okx.py. Only the contract size differs: coins for linear, USD for inverse.
"""

from dataclasses import replace
from datetime import timedelta

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
from sources.venues.endpoints import BAR_SECONDS, OHLC, OHLCV, Columns, Endpoint, bars, query
from sources.venues.margin_specs import BracketRows, MarginRule

_MOST_RECENT_BARS = 1430  # the endpoint for recent bars keeps 1440


def _candles(
    recent: str, older: str, columns: Columns, limit: int, confirm: int, source: str
) -> Candles:
    """Return the endpoint for recent bars and the one for all others."""
    endpoint = bars(
        method=recent,
        params=query(id="instId", start="before", end="after", limit="limit", bar="5m"),
        rows=("data",),
        columns=columns,
        limit=limit,
        start_shift=-1,
        end_shift=1,
        closed=(confirm, "1"),
        reach=timedelta(seconds=_MOST_RECENT_BARS * BAR_SECONDS),
        source=source,
    )
    return Candles(endpoint, replace(endpoint, method=older, reach=None), "contracts")


def _statistic(endpoint: str, columns: Columns, source: str) -> Endpoint:
    """Return one of OKX's trading statistics, which share parameters and bounds."""
    # The row of the running period is sent too and still changes, as with bars.
    return bars(
        method=f"publicGetRubikStatContracts{endpoint}",
        params=query(id="instId", start="begin", end="end", limit="limit", period="5m"),
        rows=("data",),
        columns={"time": 0, **columns},
        limit=100,
        start_shift=-1,
        end_shift=1,
        # 1440 rows are documented, about three days of five minutes have been found.
        reach=timedelta(days=3),
        source=source,
    )


_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDT", "USDC"),
    contract_size_keys=("ctVal", "ctMult"),
    ohlcv=_candles(
        "publicGetMarketCandles",
        "publicGetMarketHistoryCandles",
        OHLCV,
        300,
        8,
        "okx.fetch_ohlcv: before and after leave their bounds out, newest first, 300 rows; "
        "parse_ohlcv: 5 contracts, 6 base, 8 state: 0 while the candle may change",
    ),
    mark_ohlc=_candles(
        "publicGetMarketMarkPriceCandles",
        "publicGetMarketHistoryMarkPriceCandles",
        OHLC,
        100,
        5,
        "okx.fetch_ohlcv, price='mark': 100 rows; OKX mark price candles: 5 is the state",
    ),
    open_interest_now=OpenInterest(
        amount_unit="contracts",
        value_unit="usd",
        endpoint=Endpoint(
            method="publicGetPublicOpenInterest",
            params={"instType": "SWAP"},
            rows=("data",),
            columns={"time": "ts", "amount": "oi", "value": "oiUsd"},
            id_column="instId",
            source="okx.fetch_open_interests, parse_open_interest: oi contracts, oiCcy base",
        ),
    ),
    open_interest_history=OpenInterest(
        amount_unit="contracts",
        value_unit="usd",
        endpoint=_statistic(
            "OpenInterestHistory",
            {"amount": 1, "value": 3},
            "okx.fetch_open_interest_history: time, contracts, base, USD; "
            "handle_trading_statistics_window: begin and end leave their bounds out, 100 rows",
        ),
    ),
    funding=Funding(
        endpoint=Endpoint(
            method="publicGetPublicFundingRateHistory",
            params=query(id="instId", start="before", end="after", limit="limit"),
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
            endpoint=_statistic(
                "LongShortAccountRatioContract",
                {"ratio": 1},
                "okx.fetch_long_short_ratio_history",
            ),
        ),
    ),
    brackets=BracketRows(
        notional_unit="contracts",
        endpoint=Endpoint(
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
    margin_rule=MarginRule(
        fee_ratio=0.0005,
        source="OKX, Perpetual futures: liquidation price: (mmr + taker fee rate) of the whole "
        "position; fee schedule, regular users: taker .05 %",
    ),
    mark_price=Endpoint(
        method="publicGetPublicMarkPrice",
        params={"instType": "SWAP"},
        rows=("data",),
        columns={"price": "markPx"},
        id_column="instId",
        source="okx.fetch_mark_prices",
    ),
)
_INVERSE = replace(_LINEAR, contract_kind="inverse", quotes=("USD",))


_STREAM = Stream(
    rows=("data",),
    # ccxt reads the first of the details and drops the others.
    details_key="details",
    columns={"time": "ts", "id": "instId", "price": "bkPx", "amount": "sz"},
    # posSide is the position's; in net mode it says "net" and the order's side decides.
    sides=sides("posSide", long="long", short="short") + sides("side", long="sell", short="buy"),
    amount_unit_linear="contracts",
    amount_unit_inverse="contracts",
    is_complete=False,
    is_per_instrument=False,
    source="ccxt.pro okx.handle_liquidation, parse_ws_liquidation; OKX liquidation orders channel: "
    "at most one order a second and contract; bkPx is the bankruptcy price",
)

VENUE = Venue(
    name="okx",
    ccxt_id="okx",
    options={"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"},
    products=(_LINEAR, _INVERSE),
    stream=_STREAM,
    source="okx.fetch_markets_by_type: public/instruments, instType SWAP",
)
