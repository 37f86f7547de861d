"""KuCoin futures, which ccxt keeps under an id of their own.

ccxt/async_support/kucoin.py.
"""

from dataclasses import replace

from sources.venues.declaration import Candles, Funding, OpenInterest, Product, Venue
from sources.venues.endpoints import IN_SECONDS, OHLCV, Endpoint, bars, query, samples
from sources.venues.margin_specs import BracketRows, MarginRule

_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDT", "USDC"),
    ohlcv=Candles(
        volume_unit="contracts",
        endpoint=bars(
            method="futuresPublicGetKlineQuery",
            params={"symbol": "{id}", "granularity": 5, "from": "{start}", "to": "{end}"},
            rows=("data",),
            columns=OHLCV,
            limit=200,
            source="kucoin.fetch_contract_ohlcv, parse_ohlcv: ms, 200 rows, 5 contracts (lots)",
        ),
    ),
    mark_ohlc=Candles(
        endpoint=bars(
            method="utaGetMarketKline",
            params=query(
                start="startAt",
                end="endAt",
                tradeType="FUTURES",
                symbol="{id}-mark-price",
                interval="5min",
            ),
            rows=("data", "list"),
            columns={"time": 0, "open": 1, "close": 2, "high": 3, "low": 4},
            limit=1500,
            **IN_SECONDS,
            # Whether endAt is left out is not documented; one second more takes either.
            end_shift=1,
            source="kucoin.fetch_utaohlcv, parse_ohlcv: seconds, 1500 rows, order o c h l",
        ),
    ),
    open_interest_now=OpenInterest(
        amount_unit="contracts",
        endpoint=Endpoint(
            method="utaGetMarketOpenInterest",
            params={},
            rows=("data",),
            columns={"time": "ts", "amount": "openInterest"},
            id_column="symbol",
            source="kucoin.fetch_open_interests, parse_open_interest: contracts, all in one call",
        ),
    ),
    open_interest_history=OpenInterest(
        amount_unit="contracts",
        endpoint=samples(
            method="utaGetMarketOpenInterest",
            params=query(
                id="symbol", start="startAt", end="endAt", limit="pageSize", interval="5min"
            ),
            rows=("data",),
            columns={"time": "ts", "amount": "openInterest"},
            limit=200,
            end_shift=1,
            source="kucoin.fetch_open_interest_history: ms, 200 rows",
        ),
    ),
    funding=Funding(
        endpoint=Endpoint(
            method="futuresPublicGetContractFundingRates",
            params={"symbol": "{id}", "from": "{start}", "to": "{end}"},
            rows=("data",),
            columns={"time": ("timepoint", "ts"), "rate": "fundingRate"},
            limit=100,
            paging="newest",
            source="kucoin.fetch_funding_rate_history",
        ),
    ),
    brackets=BracketRows(
        notional_unit="usd",
        endpoint=Endpoint(
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
    margin_rule=MarginRule(
        fee_ratio=0.0006,
        fee_key="takerFeeRate",
        source="KuCoin, How to Calculate Futures Liquidation Price (isolated, since 2025-05-22): 1 "
        "-+ (maintenance margin rate + liquidation fee rate), for which the taker fee is taken",
    ),
)


# Coin-margined: the same endpoints, contracts of one USD (the multiplier is -1). Their risk limits
# are not read: no page says whether they are coins or USD.
_INVERSE = replace(_LINEAR, contract_kind="inverse", quotes=("USD",), brackets=None)

VENUE = Venue(
    name="kucoin",
    ccxt_id="kucoinfutures",
    markets_method="fetch_contract_markets",
    products=(_LINEAR, _INVERSE),
    source="kucoin.fetch_contract_markets: contracts/active",
)
