"""HTX swaps. Volume and open interest count both sides.

ccxt/async_support/htx.py. "Sum of both buy and sell sides" accompanies them in the API reference.
"""

from dataclasses import replace
from datetime import timedelta

from sources.venues.declaration import (
    Candles,
    Funding,
    OpenInterest,
    OrderLiquidations,
    Product,
    Venue,
    sides,
)
from sources.venues.endpoints import BAR_SECONDS, IN_SECONDS, NAMED_OHLC, Endpoint, bars, query
from sources.venues.margin_specs import LeverageLadders, MarginRule


def _ladders(method: str) -> LeverageLadders:
    """Return the tiered adjustment factors of linear or inverse swaps."""
    return LeverageLadders(
        endpoint=Endpoint(
            method=method,
            params={},
            rows=("data",),
            columns={"leverage": "lever_rate", "cap": "max_size", "share": "adjust_factor"},
            id_column="contract_code",
            source="htx.fetch_leverage_tiers, parse_market_leverage_tiers: adjust_factor / "
            "lever_rate; HTX Query information on Tiered Adjustment Factor: sizes are contracts",
        ),
        lists_key="list",
        brackets_key="ladders",
    )


_MARK_BARS = bars(
    method="contractPublicGetIndexMarketHistoryLinearSwapMarkPriceKline",
    params={"contract_code": "{id}", "period": "5min", "size": "{limit}"},
    rows=("data",),
    columns={**NAMED_OHLC, "time": "id"},
    limit=2000,
    paging="latest",
    label_unit="s",
    reach=timedelta(seconds=1_990 * BAR_SECONDS),
    source="htx.fetch_ohlcv, price='mark': size alone, at most 2000",
)

_OPEN_INTEREST_HOURS = Endpoint(
    method="contractPublicGetLinearSwapApiV1SwapHisOpenInterest",
    params=query(
        id="contract_code",
        limit="size",
        contract_type="swap",
        period="60min",
        amount_type=1,
    ),
    rows=("data", "tick"),
    columns={"time": "ts", "amount": "volume", "value": "value"},
    limit=200,
    paging="latest",
    period_seconds=3600,
    reach=timedelta(hours=199),
    source="htx.fetch_open_interest_history: one hour at the finest, at most 200; "
    "amount_type 1 is contracts",
)

_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDT",),
    ohlcv=Candles(
        volume_unit="contracts",
        sides_counted=2,
        endpoint=bars(
            method="contractPublicGetLinearSwapExMarketHistoryKline",
            params=query(id="contract_code", start="from", end="to", period="5min"),
            rows=("data",),
            columns={**NAMED_OHLC, "time": "id", "volume": "vol"},
            limit=2000,
            **IN_SECONDS,
            source="htx.fetch_ohlcv: seconds, 2000 rows, from and to inclusive; vol contracts, "
            "amount coins, both of both sides",
        ),
    ),
    mark_ohlc=Candles(_MARK_BARS),
    open_interest_now=OpenInterest(
        amount_unit="contracts",
        value_unit="usd",
        sides_counted=2,
        endpoint=Endpoint(
            method="contractPublicGetV5MarketOpenInterest",
            params={"contract_code": "{id}"},
            rows=("data",),
            columns={"amount": "volume", "value": "value"},
            time_key="ts",
            source="htx.fetch_open_interest, parse_open_interest: volume contracts, amount base",
        ),
    ),
    open_interest_history=OpenInterest(
        amount_unit="contracts",
        value_unit="usd",
        sides_counted=2,
        endpoint=_OPEN_INTEREST_HOURS,
    ),
    funding=Funding(
        endpoint=Endpoint(
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
            *sides("position_side", long="long", short="short"),
            *sides("side", long="sell", short="buy"),
        ),
        endpoint=Endpoint(
            method="contractPublicGetV5MarketLiquidationOrders",
            params=query(id="contract_code", start="start_time", end="end_time", limit="limit"),
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
    brackets=_ladders("contractPublicGetLinearSwapApiV1SwapAdjustfactor"),
    margin_rule=MarginRule(
        source="HTX, Tiered Adjustment Factor: liquidated where equity / used margin falls to the "
        "adjustment factor; no deduction, no fee",
    ),
    # The last price: mark prices come one contract at a time, and a cap need not be exact.
    mark_price=Endpoint(
        method="contractPublicGetLinearSwapExMarketDetailBatchMerged",
        params={},
        rows=("ticks",),
        columns={"price": "close"},
        id_column="contract_code",
        source="htx.fetch_tickers, parse_ticker",
    ),
)


# Coin-margined swaps have endpoints of their own; a contract is 100 USD of bitcoin and 10 USD of
# other coins. Volume and open interest add both sides here too.
_INVERSE = replace(
    _LINEAR,
    contract_kind="inverse",
    quotes=("USD",),
    ohlcv=replace(
        _LINEAR.ohlcv,
        endpoint=replace(
            _LINEAR.ohlcv.endpoint,
            method="contractPublicGetSwapExMarketHistoryKline",
            source="htx.fetch_ohlcv, inverse: as for linear swaps",
        ),
    ),
    mark_ohlc=Candles(
        replace(
            _MARK_BARS,
            method="contractPublicGetIndexMarketHistorySwapMarkPriceKline",
            source="htx.fetch_ohlcv, price='mark', inverse: size alone, at most 2000",
        )
    ),
    open_interest_now=OpenInterest(
        amount_unit="contracts",
        sides_counted=2,
        endpoint=Endpoint(
            method="contractPublicGetSwapApiV1SwapOpenInterest",
            params={},
            rows=("data",),
            columns={"amount": "volume"},
            time_key="ts",
            id_column="contract_code",
            source="htx.fetch_open_interests, parse_open_interest: volume contracts, amount coins",
        ),
    ),
    open_interest_history=OpenInterest(
        amount_unit="contracts",
        sides_counted=2,
        endpoint=replace(
            _OPEN_INTEREST_HOURS,
            method="contractPublicGetSwapApiV1SwapHisOpenInterest",
            params=query(id="contract_code", limit="size", period="60min", amount_type=1),
            columns={"time": "ts", "amount": "volume"},
            source="htx.fetch_open_interest_history, inverse: amount_type 1 is contracts; no value",
        ),
    ),
    funding=Funding(
        endpoint=Endpoint(
            method="contractPublicGetSwapApiV1SwapHistoricalFundingRate",
            params={"contract_code": "{id}", "page_index": "{page}", "page_size": "{limit}"},
            rows=("data", "data"),
            columns={"time": "funding_time", "rate": "funding_rate"},
            limit=50,
            paging="numbered",
            source="htx.fetch_funding_rate_history, inverse: pages of 50, newest first",
        ),
    ),
    liquidations=None,
    brackets=_ladders("contractPublicGetSwapApiV1SwapAdjustfactor"),
    mark_price=None,
)

VENUE = Venue(
    name="htx",
    ccxt_id="htx",
    options={"fetchMarkets": {"types": {"spot": False, "linear": True, "inverse": True}}},
    products=(_LINEAR, _INVERSE),
    source="htx.fetch_markets_by_type_and_sub_type: swap_contract_info",
    not_listed=("linear_usdc",),
)
