"""The Fear & Greed index of alternative.me: one figure a day, 0 to 100.

Belongs here: fetching and reading it. Does not belong here: what it means for a map.

https://alternative.me/crypto/fear-and-greed-index/#api: values and times are text; times are
seconds and mean midnight UTC, when the value of the day is published.
"""

import json
from datetime import datetime

import numpy as np

from sources.checks import Provenance, flag_sentiment, make_batches
from sources.errors import InputRejected
from sources.http_exchange import HttpRequest, exchange, open_session
from sources.records import Batch
from sources.venues.payload import Table, from_ms, to_ms
from sources.venues.plausibility import flag_ahead

FEAR_GREED_ADDRESS = "https://api.alternative.me"
INDEX_NAME = "fear_greed"
SOURCE = "alternative.me:fng"


async def fetch_fear_greed(*, days: int, now: datetime, base_url: str | None = None) -> list[Batch]:
    """Return the index of the latest days.

    Parameters
    ----------
    days : int
        Number of days, the current one included; 0 for all since 2018-02-01.
    now : datetime
        The time, UTC.
    base_url : str, optional
        Where a stand-in listens.

    Raises
    ------
    ProviderUnavailable, ProviderRejected
        Where the service does not respond, or refuses.
    InputRejected
        Where the response is no index.
    """
    async with open_session() as session:
        body = await exchange(
            session,
            "alternative.me",
            HttpRequest(
                "GET",
                f"{(base_url or FEAR_GREED_ADDRESS).rstrip('/')}/fng/",
                params={"limit": str(days), "format": "json"},
            ),
        )
    return parse_fear_greed(body, now=now)


def parse_fear_greed(body: bytes, *, now: datetime) -> list[Batch]:
    """Return the sentiment records of a response, and the quarantine of faulty rows.

    Raises
    ------
    InputRejected
        Where the response is no JSON, reports an error, or has no list of values.
    """
    try:
        payload = json.loads(body)
    except ValueError as exc:
        raise InputRejected(
            f"alternative.me: the response is no JSON ({body[:100]!r}); try again later"
        ) from exc
    rows = payload.get("data") if isinstance(payload, dict) else None
    error = (payload.get("metadata") or {}).get("error") if isinstance(payload, dict) else None
    if error or not isinstance(rows, list):
        raise InputRejected(
            f"alternative.me: the response has no list of values "
            f"({error or str(payload)[:100]!r}); try again later"
        )
    table = Table(rows)
    labels = table.labels("timestamp", "s")
    values = table.numbers("value", "value", is_required=True)
    flag_ahead(labels, to_ms(now), table.rejects)
    flag_sentiment({"value": values}, table.rejects.flag)
    words = table.texts("value_classification")
    usable = np.flatnonzero(table.rejects.is_usable)
    kept = {int(labels[row]): int(row) for row in usable[::-1]}
    days = sorted(kept)
    columns = {
        "index_name": INDEX_NAME,
        "observed_at": [from_ms(label) for label in days],
        "index_value": [float(values[kept[label]]) for label in days],
        "classification": [words[kept[label]] for label in days],
    }
    origin = Provenance("sentiment", None, "alternative.me /fng/", SOURCE, now)
    return make_batches(origin, len(days), columns, table.refused())
