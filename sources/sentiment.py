"""The Fear & Greed index of alternative.me: one figure a day, 0 to 100.

Belongs here: asking for it and reading the answer. Does not belong here: what it means for a map.

https://alternative.me/crypto/fear-and-greed-index/#api: values and times are text, times are
seconds and stand for midnight UTC, when the figure of the day is published.
"""

import json
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from sources.checks import QuarantinedRow, flag_sentiment, quarantine
from sources.errors import InputRejected
from sources.http_exchange import HttpRequest, exchange
from sources.records import SCHEMAS, Batch
from sources.venues.payload import Table
from sources.venues.plausibility import flag_ahead
from sources.venues.responses import from_ms, to_ms

if TYPE_CHECKING:
    import aiohttp

ADDRESS = "https://api.alternative.me"
INDEX_NAME = "fear_greed"
SOURCE = "alternative.me:fng"


async def ask_fear_greed(*, days: int, now: datetime, base_url: str | None = None) -> list[Batch]:
    """Return the index of the latest days, over a connection of its own; see `fetch_fear_greed`."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        return await fetch_fear_greed(session, days=days, now=now, base_url=base_url or ADDRESS)


async def fetch_fear_greed(
    session: "aiohttp.ClientSession",
    *,
    days: int,
    now: datetime,
    base_url: str = ADDRESS,
    timeout_seconds: float = 10.0,
) -> list[Batch]:
    """Return the index of the latest days.

    Parameters
    ----------
    session : aiohttp.ClientSession
        The connection pool to use.
    days : int
        How many, the running one included; 0 for all since 2018-02-01.
    now : datetime
        The time, UTC.
    base_url : str
        Where the service listens.
    timeout_seconds : float
        For the whole call.

    Raises
    ------
    ProviderUnavailable, ProviderRejected
        Where the service does not answer, or refuses.
    InputRejected
        Where the answer is no index.
    """
    body = await exchange(
        session,
        "alternative.me",
        HttpRequest(
            "GET",
            f"{base_url.rstrip('/')}/fng/",
            timeout_seconds,
            params={"limit": str(days), "format": "json"},
        ),
    )
    return parse_fear_greed(body, now=now)


def parse_fear_greed(body: bytes, *, now: datetime) -> list[Batch]:
    """Return the sentiment records of an answer, and a quarantine for rows that are none.

    Raises
    ------
    InputRejected
        Where the answer is no JSON, tells an error, or has no list of values.
    """
    try:
        answer = json.loads(body)
    except ValueError as exc:
        raise InputRejected(
            f"alternative.me: the answer is no JSON ({body[:100]!r}); ask again later"
        ) from exc
    rows = answer.get("data") if isinstance(answer, dict) else None
    told = (answer.get("metadata") or {}).get("error") if isinstance(answer, dict) else None
    if told or not isinstance(rows, list):
        raise InputRejected(
            f"alternative.me: the answer has no list of values "
            f"({told or str(answer)[:100]!r}); ask again later"
        )
    table = Table(rows)
    labels = table.labels("timestamp", "s")
    values = table.numbers("value", "value", is_required=True)
    flag_ahead(labels, to_ms(now), table.rejects)
    flag_sentiment({"value": values}, table.rejects.flag)
    words = table.texts("value_classification")
    usable = np.flatnonzero(table.rejects.is_usable)
    kept = {int(labels[row]): int(row) for row in usable[::-1]}
    records = [
        {
            "index_name": INDEX_NAME,
            "observed_at": from_ms(label),
            "index_value": float(values[row]),
            "classification": words[row],
            "source": SOURCE,
            "ingested_at": now,
        }
        for label, row in sorted(kept.items())
    ]
    batches = [Batch("sentiment", pa.Table.from_pylist(records, schema=SCHEMAS["sentiment"]))]
    if table.rejects.reasons:
        refused = [
            QuarantinedRow(reason, table.received(row), row + 1, cell)
            for row, (cell, reason) in sorted(table.rejects.reasons.items())
        ]
        batches.append(
            quarantine(
                refused,
                kind="sentiment",
                venue=None,
                input_name="alternative.me /fng/",
                source=SOURCE,
                ingested_at=now,
            )
        )
    return batches
