"""DataMaxi+: a liquidation map of one contract by leverage, with its assumptions.

``/api/v1/liquidation/map``
(https://docs.datamaxiplus.com/rest/cex/liquidation/liquidation-map-price-leverage-tier) answers
``buckets[{price, side, l10xUsd, l25xUsd, l50xUsd, l100xUsd, totalUsd}]`` with ``base``,
``exchange``, ``currentPrice``, ``generatedAt`` [ms] and the ``assumptions`` it rests on: present
open interest spread over the entries of the last day by fixed shares per leverage.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sources.http_exchange import exchange
from sources.providers.answer_values import (
    amount_of,
    leverage_of,
    price_of,
    read_instant,
    read_number,
    shown,
    venue_scope_of,
)
from sources.providers.price_cells import cells_at, split_sides
from sources.providers.provider import AnswerContext, MapRequest, Provider
from sources.providers.provider_answer import MapCells, ProviderAnswer
from sources.records import Batch

if TYPE_CHECKING:
    import aiohttp

NAME = "datamaxi"
KEY_VARIABLE = "LIQHEAT_DATAMAXI_API_KEY"
BASE_URL = "https://api.datamaxiplus.com"
MODEL = "map"
# A bucket whose leverages do not add up to its total has lost or doubled something.
TOLERATED_TOTAL_RATIO = 0.01


def parse(raw: bytes, context: AnswerContext) -> list[Batch]:
    """Return the records of a map, one row per bucket and leverage (see `Provider.parse`).

    Everything needed is in the answer; ``asset``, ``symbol`` and ``venue_scope`` are checked
    against it where given.
    """
    answer = ProviderAnswer(PROVIDER, context, raw)
    document = answer.require_object(answer.json(), "the answer")
    # The REST answer is the map itself; clients that wrap answers put it under data.
    if "buckets" not in document and isinstance(document.get("data"), dict):
        document = document["data"]
    if "buckets" not in document:
        raise answer.refusal(
            f"an error instead of data: {shown(document.get('error', document), 200)}",
            "mend the request (key, base, exchange, quote) and fetch again",
        )
    buckets = answer.require_list(document["buckets"], "buckets")
    base = document.get("base") or document.get("symbol")
    asset, multiplier = answer.require_asset(base if isinstance(base, str) else None)
    venue = _answer_venue(answer, document)
    as_of = read_instant(document.get("generatedAt")) or context.captured_at
    if as_of is None:
        raise answer.refusal(
            f"generatedAt is {shown(document.get('generatedAt'), 40)}, expected milliseconds",
            "give the instant of the capture",
        )
    current = read_number(document.get("currentPrice"))
    current = current / multiplier if np.isfinite(current) and current > 0 else np.nan
    if np.isfinite(current):
        answer.check_reference_price(current)
    read = [
        tier
        for number, bucket in enumerate(buckets, start=1)
        for tier in _read_bucket(answer, bucket, number, current * multiplier)
    ]
    if not read:
        return answer.batches()
    prices, sides, leverages, values = zip(*read, strict=True)
    answer.add_cells(
        MapCells(
            asset=asset,
            as_of=as_of,
            model=MODEL,
            venue_scope=venue,
            edges=cells_at(np.array(prices) / multiplier),
            side=np.array(sides),
            leverage=np.array(leverages),
            value=np.array(values),
            reference_price=float(current) if np.isfinite(current) else context.reference_price,
        )
    )
    return answer.batches()


def _answer_venue(answer: ProviderAnswer, document: Mapping[str, Any]) -> str:
    """Return the venue the answer names, refusing another than the requested one."""
    context, named = answer.context, document.get("exchange")
    venue = venue_scope_of(named) if isinstance(named, str) and named else None
    expected = venue_scope_of(context.venue_scope) if context.venue_scope else None
    if venue is None and expected is None:
        raise answer.refusal("exchange is missing", "name its venue")
    if venue is not None and expected is not None and venue != expected:
        raise answer.refusal(
            f"the map is of venue {named!r}, not of the requested {context.venue_scope!r}",
            "give the answer for that venue",
        )
    return venue or expected or ""


def _read_bucket(
    answer: ProviderAnswer, bucket: object, number: int, current_price: float
) -> list[tuple[float, str, float, float]]:
    """Return (price, side, leverage, USD) of one bucket; what is wrong with it is quarantined."""
    if not isinstance(bucket, dict):
        answer.reject_row("not an object", bucket, number, "buckets")
        return []
    try:
        price = price_of(bucket.get("price"))
    except ValueError as exc:
        answer.reject_row(str(exc), bucket, number, "price")
        return []
    side = str(bucket.get("side") or "").strip().lower()
    if not side and np.isfinite(current_price):
        side = str(split_sides(np.array([price]), current_price)[0])
    if side not in ("long", "short", "unknown"):
        answer.reject_row("side is neither long nor short", bucket, number, "side")
        return []
    tiers: list[tuple[float, str, float, float]] = []
    is_whole = True
    for key, item in bucket.items():
        if key == "totalUsd" or not key.endswith("Usd"):
            continue
        leverage = leverage_of(key, r"l(.+)xUsd")
        if leverage is None:
            answer.reject_row("unknown leverage key", {key: item}, number, key)
            is_whole = False
            continue
        try:
            tiers.append((price, side, leverage, amount_of(item)))
        except ValueError as exc:
            answer.reject_row(str(exc), bucket, number, key)
            is_whole = False
    total = read_number(bucket.get("totalUsd"))
    summed = sum(tier[3] for tier in tiers)
    if is_whole and np.isfinite(total) and tiers:
        if abs(summed - total) > TOLERATED_TOTAL_RATIO * max(summed, total):
            answer.reject_row(
                f"leverages add up to {summed:.8g}, not to totalUsd", bucket, number, "totalUsd"
            )
            return []
    elif not tiers and is_whole:
        if np.isfinite(total) and total >= 0:
            return [(price, side, float("nan"), total)]
        answer.reject_row("neither leverages nor a usable totalUsd", bucket, number, "totalUsd")
    return tiers


async def _send(session: "aiohttp.ClientSession", secrets: list[str], request: MapRequest) -> bytes:
    """Return DataMaxi+'s answer to one request, as received."""
    params = {"base": request.asset, "exchange": request.venue or "binance", "quote": "USDT"}
    headers = {"X-DTMX-APIKEY": secrets[0]}
    sent = request.get(BASE_URL, "api/v1/liquidation/map", secrets, headers, params)
    return await exchange(session, NAME, sent)


PROVIDER = Provider(
    name=NAME,
    sends="present open interest by liquidation price and leverage, under published assumptions",
    unit="usd",
    semantics="standing",
    valuation="not stated",
    documentation_url=(
        "https://docs.datamaxiplus.com/rest/cex/liquidation/liquidation-map-price-leverage-tier"
    ),
    models=(MODEL,),
    key_variables=(KEY_VARIABLE,),
    parse=parse,
    send=_send,
    default_model=MODEL,
)
