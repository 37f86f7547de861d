"""Gate perpetuals settled in USDT and in coins.

ccxt/async_support/gate.py. contract_stats carries open interest, liquidations and ratios in one row
labelled at the start of its period. Its open interest is that at the end of the period: with this
shift recorded hours obey |change of open interest| <= volume, without it they do not. It counts
both sides (twice the position_size of the contract list). total_size of the tickers is not read:
one series, one way of counting.
"""

from dataclasses import replace
from datetime import timedelta

from sources.venues.declaration import (
    Candles,
    Funding,
    LongShortRatio,
    OpenInterest,
    PeriodLiquidations,
    Product,
    Venue,
)
from sources.venues.endpoints import (
    BAR_SECONDS,
    IN_SECONDS,
    LETTER_OHLC,
    Columns,
    Endpoint,
    bars,
    query,
)
from sources.venues.margin_specs import BracketRows, MarginRule

_BARS_REACH = timedelta(seconds=9_900 * BAR_SECONDS)  # 10,000 points back


def _statistics(columns: Columns) -> Endpoint:
    """Return contract_stats, read for some of its columns."""
    return bars(
        method="publicFuturesGetSettleContractStats",
        params=query(settle="settle", id="contract", start="from", limit="limit", interval="5m"),
        columns={"time": "time", **columns},
        limit=100,
        **IN_SECONDS,
        source="gate.fetch_open_interest_history, parse_open_interest: contracts and USD, at most "
        "100 rows from `from` on; Gate ContractStat: liq amounts base, liq_usd quote",
    )


def _bars(contract: str, columns: Columns, source: str) -> Endpoint:
    """Return the candles of a contract or of its mark price."""
    return bars(
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
        **IN_SECONDS,
        reach=_BARS_REACH,
        source=source,
    )


_LINEAR = Product(
    contract_kind="linear",
    quotes=("USDT",),
    ohlcv=Candles(
        volume_unit="contracts",
        endpoint=_bars(
            "{id}",
            {**LETTER_OHLC, "volume": "v"},
            "gate.fetch_ohlcv, parse_ohlcv: seconds, v contracts, 1999 rows, from and to inclusive",
        ),
    ),
    mark_ohlc=Candles(
        endpoint=_bars("mark_{id}", LETTER_OHLC, "gate.fetch_ohlcv: the contract mark_ and the id")
    ),
    open_interest_history=OpenInterest(
        amount_unit="contracts",
        value_unit="usd",
        sides_counted=2,
        label_shift_seconds=BAR_SECONDS,
        endpoint=_statistics(
            {"amount": "open_interest", "value": "open_interest_usd", "price": "mark_price"}
        ),
    ),
    liquidations=PeriodLiquidations(
        amount_unit="contracts",
        is_complete=True,
        endpoint=_statistics(
            {
                "long_amount": "long_liq_size",
                "long_usd": "long_liq_usd",
                "short_amount": "short_liq_size",
                "short_usd": "short_liq_usd",
            }
        ),
    ),
    ratios=(
        LongShortRatio(_statistics({"ratio": "lsr_account"}), "accounts", BAR_SECONDS),
        LongShortRatio(_statistics({"ratio": "lsr_taker"}), "taker_volume", BAR_SECONDS),
        LongShortRatio(_statistics({"ratio": "top_lsr_account"}), "top_accounts", BAR_SECONDS),
        LongShortRatio(_statistics({"ratio": "top_lsr_size"}), "top_positions", BAR_SECONDS),
    ),
    funding=Funding(
        endpoint=Endpoint(
            method="publicFuturesGetSettleFundingRate",
            params=query(settle="settle", id="contract", start="from", end="to", limit="limit"),
            columns={"time": "t", "rate": "r"},
            limit=1000,
            paging="newest",
            **IN_SECONDS,
            source="gate.fetch_funding_rate_history",
        ),
    ),
    brackets=BracketRows(
        notional_unit="usd",
        endpoint=Endpoint(
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
    margin_rule=MarginRule(
        deduction="published",
        fee_ratio=0.00075,
        fee_key="taker_fee_rate",
        source="Gate, Liquidation price: [entry -+ margin / size] / [1 -+ (maintenance margin "
        "ratio + taker rate)]; since 2025-07-29 a tier's ratio holds for what exceeds the one "
        "before it",
    ),
    mark_price=Endpoint(
        method="publicFuturesGetSettleTickers",
        params={"settle": "usdt"},
        columns={"price": "mark_price"},
        id_column="contract",
        source="gate.parse_ticker",
    ),
)


# Settled in coins: the same endpoints under another settle, contracts of one USD. Their risk limits
# are not read: no page says whether they are coins or USD.
_INVERSE = replace(
    _LINEAR, contract_kind="inverse", quotes=("USD",), brackets=None, mark_price=None
)

VENUE = Venue(
    name="gate",
    ccxt_id="gate",
    options={
        "fetchMarkets": {"types": ["swap"]},
        "swap": {"fetchMarkets": {"settlementCurrencies": ["usdt", "btc"]}},
    },
    products=(_LINEAR, _INVERSE),
    source="gate.fetch_swap_markets: futures/usdt/contracts and futures/btc/contracts",
    not_listed=("linear_usdc",),
)
