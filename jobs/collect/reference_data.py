"""Data that no venue of contracts publishes: the Fear & Greed index, and prices of stablecoins.

Belongs here: when they are due, landing them. Does not belong here: requests and formats
(`sources.sentiment`, `sources.quotes`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import pyarrow.compute as pc

from jobs.collect.round_report import VenueOutcome, summarise_calls
from jobs.collect.warehouse_state import WarehouseState
from jobs.instants import HOUR
from jobs.settings import Settings
from sources.errors import SourceError
from sources.quotes import MOST_HOURS, QUOTE_MARKETS, QuoteMarket, fetch_quote_rates
from sources.records import Batch
from sources.sentiment import fetch_fear_greed

SENTIMENT_SOURCE = "alternative.me"
QUOTE_SOURCE = "spot_markets"


async def fetch_reference_data(
    settings: Settings,
    known: WarehouseState,
    now: datetime,
    history: timedelta,
    land: Callable[[Batch], None],
) -> dict[str, VenueOutcome]:
    """Land the index and the prices that are due; return the outcome of each source requested.

    Parameters
    ----------
    settings : Settings
        Addresses.
    known : WarehouseState
        What the warehouse has; nothing is requested where it is blind.
    now : datetime
        The time, UTC.
    history : timedelta
        How far back prices are wanted.
    land : callable
        Takes each batch.
    """
    if known.is_blind:
        return {}
    calls: dict[str, list[Awaitable[list[Batch]]]] = {}
    # A stand-in for venues has neither, and the real ones live in another time.
    is_real = settings.venue_url is None
    newest = known.sentiment_at
    if (is_real or settings.sentiment_url) and not (newest and newest.date() >= now.date()):
        calls[SENTIMENT_SOURCE] = [_fetch_sentiment(newest, now, settings.sentiment_url)]
    due = _due_quotes(known, now, history) if is_real or settings.quotes_url else []
    if due:
        calls[QUOTE_SOURCE] = [
            fetch_quote_rates(
                market, since=since, until=until, now=now, base_url=settings.quotes_url
            )
            for market, since, until in due
        ]
    outcomes = await asyncio.gather(*(_land_answers(several, land) for several in calls.values()))
    return dict(zip(calls, outcomes, strict=True))


async def _land_answers(
    calls: Sequence[Awaitable[list[Batch]]], land: Callable[[Batch], None]
) -> VenueOutcome:
    """Land the answers to calls made at once; a call that fails costs itself only."""
    started = time.monotonic()
    rows, errors = 0, []
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(answer, SourceError):
            errors.append(answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            for batch in answer:
                land(batch)
                rows += batch.table.num_rows
    return summarise_calls(len(calls), rows, errors, time.monotonic() - started)


async def _fetch_sentiment(
    newest: datetime | None, now: datetime, base_url: str | None
) -> list[Batch]:
    """Return the days of the index after the newest known; all without one."""
    days = 0 if newest is None else (now - newest).days + 1
    batches = await fetch_fear_greed(days=days, now=now, base_url=base_url)
    if newest is None:
        return batches
    return [
        Batch(one.kind, one.table.filter(pc.greater(one.table["observed_at"], newest)))
        if one.kind == "sentiment"
        else one
        for one in batches
    ]


def _due_quotes(
    known: WarehouseState, now: datetime, history: timedelta
) -> list[tuple[QuoteMarket, datetime, datetime]]:
    """Return the spans to request of each market: since the last close, at most once an hour.

    While bars are older than the first close, also a piece further back.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    due = []
    for market in QUOTE_MARKETS:
        first = hour - min(history, MOST_HOURS * HOUR)
        oldest, newest = known.quotes.get((market.venue, market.pair), (None, first))
        if newest >= hour:
            continue
        due.append((market, newest, now))
        if oldest is not None and known.first_bar_at is not None and market.until_param:
            since = max(known.first_bar_at, oldest - MOST_HOURS * HOUR)
            if since < oldest - HOUR:
                due.append((market, since, oldest - HOUR))
    return due
