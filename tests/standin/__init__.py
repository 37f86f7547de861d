"""A stand-in exchange for tests, benchmarks and the demo: ten venues on one local port.

    market = synthetic_market(start=..., end=..., venues=("binance", "okx"))
    async with Standin(market, now=...) as standin:
        exchange = ccxt.async_support.binanceusdm()
        point_at(exchange, standin.base_url)
        follow_clock(exchange, standin)

With ``accounts=PopulationParameters()`` Hyperliquid has accounts too, whose true book is
`Standin.population`: states, fills, the lists of accounts and the websocket's trades.

Venues answer in their own shapes, units, orders and limits, as of `Standin.now`; `Faults` breaks
them. From another process: ``python tests/standin --help``.
"""

from standin.exchange import LogEntry, Standin, serving
from standin.faults import Fault, Faults
from standin.feeding import (
    Pace,
    market_from_batches,
    market_from_recording,
    refined,
    synthetic_market,
)
from standin.market_data import (
    ASSETS,
    DAY,
    HOUR,
    MINUTE,
    VENUES,
    Instrument,
    MarketData,
    Series,
    specify,
)
from standin.pointing import follow_clock, point_at
from standin.population import Population, PopulationParameters, TrueBook, large_population

__all__ = [
    "ASSETS",
    "DAY",
    "HOUR",
    "MINUTE",
    "VENUES",
    "Fault",
    "Faults",
    "Instrument",
    "LogEntry",
    "MarketData",
    "Pace",
    "Population",
    "PopulationParameters",
    "Series",
    "Standin",
    "TrueBook",
    "follow_clock",
    "large_population",
    "market_from_batches",
    "market_from_recording",
    "point_at",
    "refined",
    "serving",
    "specify",
    "synthetic_market",
]
