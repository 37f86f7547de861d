"""Prices of stablecoins: hourly closes of USDT/USD, USDC/USD and USDC/USDT on spot markets.

Belongs here: fetching and reading them. Does not belong here: the value of a contract's figures in
USD (``sql/intermediate/int_quote_rate_hour.sql``).

Endpoints and columns are those of ccxt's ``kraken.fetch_ohlcv``, ``bitstamp.fetch_ohlcv`` and
``binance.fetch_ohlcv``. All return at least thirty days of hours in one call, oldest first; ccxt
itself would list every market of a venue first.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

import numpy as np

from sources.checks import Provenance, make_batches
from sources.errors import InputRejected
from sources.http_exchange import HttpRequest, exchange, open_session
from sources.records import Batch
from sources.venues.endpoints import Column
from sources.venues.payload import Table, from_ms, to_ms
from sources.venues.plausibility import flag_ahead

_HOUR_MS = 3_600_000
MOST_HOURS = 990
"""Hours in one response, on markets that take a span."""
# A coin that has lost half its value is no quote currency any more; 1 / rate is another pair.
_LOWEST_PRICE, _HIGHEST_PRICE = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class QuoteMarket:
    """One pair on one spot market.

    Parameters
    ----------
    venue, pair : str
        As in the record kind ``quote_rate``.
    url : str
        Endpoint of its hourly candles.
    params : mapping of str to str
        Request parameters.
    since_param : str
        Parameter of the first label.
    until_param : str or None
        Parameter of the last label, for markets that take a span.
    time_unit : {'s', 'ms'}
        Unit of these parameters and of labels, which are the starts of hours.
    rows : tuple of str
        Path to the rows in the response.
    time, close : Column
        Columns of label and close.
    """

    venue: str
    pair: str
    url: str
    params: Mapping[str, str]
    since_param: str
    time_unit: Literal["s", "ms"]
    rows: tuple[str, ...]
    time: Column
    close: Column
    until_param: str | None = None

    @property
    def source(self) -> str:
        """Return the provenance of its records."""
        return f"{self.venue}:{urlsplit(self.url).path}"


def _kraken(pair: str, market_id: str) -> QuoteMarket:
    return QuoteMarket(
        venue="kraken",
        pair=pair,
        url="https://api.kraken.com/0/public/OHLC",
        params={"pair": market_id, "interval": "60"},
        since_param="since",
        time_unit="s",
        rows=("result", market_id),
        time=0,
        close=4,
    )


def _bitstamp(pair: str, market_id: str) -> QuoteMarket:
    return QuoteMarket(
        venue="bitstamp",
        pair=pair,
        url=f"https://www.bitstamp.net/api/v2/ohlc/{market_id}/",
        params={"step": "3600", "limit": "1000"},
        since_param="start",
        time_unit="s",
        rows=("data", "ohlc"),
        time="timestamp",
        close="close",
        until_param="end",
    )


QUOTE_MARKETS = (
    _kraken("USDT/USD", "USDTZUSD"),
    _kraken("USDC/USD", "USDCUSD"),
    _bitstamp("USDT/USD", "usdtusd"),
    _bitstamp("USDC/USD", "usdcusd"),
    QuoteMarket(
        venue="binance",
        pair="USDC/USDT",
        url="https://api.binance.com/api/v3/klines",
        params={"symbol": "USDCUSDT", "interval": "1h", "limit": "1000"},
        since_param="startTime",
        time_unit="ms",
        rows=(),
        time=0,
        close=4,
        until_param="endTime",
    ),
)
"""Two markets in USD, so that one may be down, and the most traded pair against USDT."""


async def fetch_quote_rates(
    market: QuoteMarket,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
    base_url: str | None = None,
) -> list[Batch]:
    """Return finished hourly closes of one market.

    Parameters
    ----------
    market : QuoteMarket
        The market.
    since, until : datetime
        Start of the first hour and end of the last one wanted.
    now : datetime
        The time, UTC.
    base_url : str, optional
        Where a stand-in listens; the market itself where not given.

    Raises
    ------
    ProviderUnavailable, ProviderRejected
        Where the market does not respond, or refuses.
    InputRejected
        Where the response has no candles.
    """
    # Kraken excludes the first label; one hour more is requested and dropped.
    unit_ms = 1 if market.time_unit == "ms" else 1000
    first_ms = to_ms(since) - _HOUR_MS
    bounds = {market.since_param: str(first_ms // unit_ms)}
    if market.until_param is not None:
        bounds[market.until_param] = str(to_ms(until) // unit_ms)
    url = market.url
    if base_url is not None:
        url = base_url.rstrip("/") + urlsplit(url).path
    request = HttpRequest("GET", url, params={**market.params, **bounds})
    async with open_session() as session:
        body = await exchange(session, market.venue, request)
    return parse_quote_rates(body, market, since=since, until=until, now=now)


def parse_quote_rates(
    body: bytes, market: QuoteMarket, *, since: datetime, until: datetime, now: datetime
) -> list[Batch]:
    """Return the records of a response, and the quarantine of faulty rows.

    Raises
    ------
    InputRejected
        Where the response is no JSON or has no candles at the declared path.
    """
    name = f"{market.venue} {market.pair}"
    try:
        found = json.loads(body)
        for key in market.rows:
            found = found[key]
    except (ValueError, LookupError, TypeError):
        found = None
    if not isinstance(found, list):
        raise InputRejected(f"{name}: the response has no candles ({body[:100]!r})")
    table = Table(found)
    labels = table.labels(market.time, market.time_unit)
    prices = table.numbers(market.close, "close", is_required=True)
    flag_ahead(labels, to_ms(now), table.rejects)
    table.rejects.flag((labels > 0) & (labels % _HOUR_MS != 0), "time", "not the start of an hour")
    table.rejects.flag(
        (prices < _LOWEST_PRICE) | (prices > _HIGHEST_PRICE),
        "close",
        "less than half or more than twice par: is it the price of another pair?",
    )
    is_wanted = (labels + _HOUR_MS <= to_ms(until)) & (labels >= to_ms(since))
    usable = np.flatnonzero(table.rejects.is_usable & is_wanted)
    kept = {int(labels[row]): float(prices[row]) for row in usable}
    hours = sorted(kept)
    columns = {
        "pair": market.pair,
        "observed_at": [from_ms(label + _HOUR_MS) for label in hours],
        "price": [kept[label] for label in hours],
    }
    origin = Provenance("quote_rate", market.venue, name, market.source, now)
    return make_batches(origin, len(hours), columns, table.refused())
