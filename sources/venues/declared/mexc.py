"""MEXC perpetuals. No open interest history.

ccxt/async_support/mexc.py.
"""

from dataclasses import replace

from sources.venues.declaration import Candles, Funding, OpenInterest, Product, Venue
from sources.venues.endpoints import IN_SECONDS, NAMED_OHLC, Columns, Endpoint, bars
from sources.venues.margin_specs import MarginRule, StepBrackets


def _bars(method: str, columns: Columns, source: str) -> Endpoint:
    """Return one of MEXC's columnar candle endpoints."""
    return bars(
        method=method,
        params={"symbol": "{id}", "interval": "Min5", "start": "{start}", "end": "{end}"},
        rows=("data",),
        is_columnar=True,
        columns={"time": "time", **columns},
        limit=2000,
        **IN_SECONDS,
        source=source,
    )


_TICKER = Endpoint(
    method="contractPublicGetTicker",
    params={},
    rows=("data",),
    columns={"price": "fairPrice"},
    id_column="symbol",
    source="mexc.parse_ticker",
)

_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDT", "USDC"),
    ohlcv=Candles(
        volume_unit="contracts",
        endpoint=_bars(
            "contractPublicGetKlineSymbol",
            {**NAMED_OHLC, "volume": "vol"},
            "mexc.fetch_ohlcv: seconds, 2000 rows, lists by column; vol contracts",
        ),
    ),
    mark_ohlc=Candles(
        endpoint=_bars(
            "contractPublicGetKlineFairPriceSymbol",
            NAMED_OHLC,
            "mexc.fetch_ohlcv, price='mark': the fair price is what liquidates",
        )
    ),
    open_interest_now=OpenInterest(
        amount_unit="contracts",
        endpoint=replace(
            _TICKER,
            columns={"time": "timestamp", "amount": "holdVol", "price": "fairPrice"},
            source="mexc.fetch_tickers, parse_ticker (fields): holdVol contracts",
        ),
    ),
    funding=Funding(
        endpoint=Endpoint(
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
    margin_rule=MarginRule(
        fee_ratio=0.0004,
        fee_key="liquidationFeeRate",
        source="MEXC, About Liquidation: position margin + unrealised PNL <= maintenance margin + "
        "liquidation fee; Get contract info: liquidationFeeRate",
    ),
    mark_price=_TICKER,
)


# Coin-margined: the same endpoints; contractSize is USD (100 of bitcoin, 10 of other coins).
_INVERSE = replace(_LINEAR, contract_kind="inverse", quotes=("USD",))

VENUE = Venue(
    name="mexc",
    ccxt_id="mexc",
    markets_method="fetch_swap_markets",
    products=(_LINEAR, _INVERSE),
    source="mexc.fetch_swap_markets: contract/detail",
    not_listed=("dated",),
)
