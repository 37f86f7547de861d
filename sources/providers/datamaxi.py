"""DataMaxi+: a liquidation map of one contract by leverage, with its assumptions.

``/api/v1/liquidation/map``
(https://docs.datamaxiplus.com/rest/cex/liquidation/liquidation-map-price-leverage-tier) answers
``buckets[{price, side, l10xUsd, l25xUsd, l50xUsd, l100xUsd, totalUsd}]`` with ``base``,
``exchange``, ``currentPrice``, ``generatedAt`` [ms] and the ``assumptions`` it rests on: present
open interest spread over the entries of the last day by fixed shares per leverage.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sources.http_exchange import exchange, require_keys, require_model
from sources.providers.provider import AnswerContext, MapRequest, Provider
from sources.providers.provider_answer import (
    LARGEST_LEVERAGE,
    MapRows,
    cells_on_ladder,
    check_reference_price,
    decode_json,
    expect_list,
    expect_object,
    expected_asset,
    read_instant,
    read_number,
    rejected,
    shown,
    split_sides,
    venue_scope_of,
)
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
    """Return the records of a liquidation map.

    Parameters
    ----------
    raw : bytes
        The answer as received.
    context : AnswerContext
        Everything needed is in the answer; ``asset``, ``symbol`` and ``venue_scope`` are checked
        against it where given.

    Returns
    -------
    list of Batch
        ``provider_map`` in USD, one row per bucket and leverage, then ``quarantine`` if anything
        was refused.
    """
    answer = expect_object(decode_json(raw, NAME, context), "the answer", NAME, context)
    # The REST answer is the map itself; clients that wrap answers put it under data.
    if "buckets" not in answer and isinstance(answer.get("data"), dict):
        answer = answer["data"]
    if "buckets" not in answer:
        raise rejected(
            NAME,
            context,
            f"an error instead of data: {shown(answer.get('error', answer), 200)}",
            "mend the request (key, base, exchange, quote) and fetch again",
        )
    buckets = expect_list(answer["buckets"], "buckets", NAME, context)
    base = answer.get("base") or answer.get("symbol")
    asset, multiplier = expected_asset(NAME, context, base if isinstance(base, str) else None)
    venue = _answer_venue(answer, context)
    as_of = read_instant(answer.get("generatedAt")) or context.captured_at
    if as_of is None:
        raise rejected(
            NAME,
            context,
            f"generatedAt is {shown(answer.get('generatedAt'), 40)}, expected milliseconds",
            "say when the answer was captured",
        )
    current = read_number(answer.get("currentPrice"))
    current = current / multiplier if np.isfinite(current) and current > 0 else np.nan
    if np.isfinite(current):
        check_reference_price(NAME, context, current)
    rows = MapRows(NAME, context, raw, PROVIDER.unit, PROVIDER.semantics)
    read: list[tuple[float, str, float, float]] = []
    for number, bucket in enumerate(buckets, start=1):
        read.extend(_read_bucket(rows, bucket, number, current * multiplier))
    if not read:
        return rows.batches()
    prices, sides, leverages, values = zip(*read, strict=True)
    levels, of_level = np.unique(np.array(prices) / multiplier, return_inverse=True)
    price_low, price_high = cells_on_ladder(levels)
    rows.add_cells(
        asset=asset,
        as_of=as_of,
        model=MODEL,
        venue_scope=venue,
        price_low=price_low[of_level],
        price_high=price_high[of_level],
        side=np.array(sides),
        leverage=np.array(leverages),
        value=np.array(values),
        reference_price=float(current) if np.isfinite(current) else context.reference_price,
    )
    return rows.batches()


def _answer_venue(answer: Mapping[str, Any], context: AnswerContext) -> str:
    """Return the venue the answer names, refusing one about another venue than asked for."""
    named = answer.get("exchange")
    venue = venue_scope_of(named) if isinstance(named, str) and named else None
    asked = venue_scope_of(context.venue_scope) if context.venue_scope else None
    if venue is None and asked is None:
        raise rejected(NAME, context, "exchange is missing", "say which venue it is of")
    if venue is not None and asked is not None and venue != asked:
        raise rejected(
            NAME,
            context,
            f"the map is of venue {named!r}, not of {context.venue_scope!r} as asked for",
            "give the answer for that venue",
        )
    return venue or asked or ""


def _read_bucket(
    rows: MapRows, bucket: object, number: int, current_price: float
) -> list[tuple[float, str, float, float]]:
    """Return (price, side, leverage, USD) of one bucket; what is wrong with it goes aside."""
    if not isinstance(bucket, dict):
        rows.reject_row("not an object", bucket, number, "buckets")
        return []
    price = read_number(bucket.get("price"))
    if not (np.isfinite(price) and price > 0):
        rows.reject_row("price is not a positive number", bucket, number, "price")
        return []
    side = str(bucket.get("side") or "").strip().lower()
    if not side and np.isfinite(current_price):
        side = str(split_sides(np.array([price]), current_price)[0])
    if side not in ("long", "short", "unknown"):
        rows.reject_row("side is neither long nor short", bucket, number, "side")
        return []
    tiers: list[tuple[float, str, float, float]] = []
    is_whole = True
    for key, item in bucket.items():
        if key in ("price", "side", "totalUsd"):
            continue
        found = re.fullmatch(r"l(\d+(?:\.\d+)?)xUsd", key)
        if found is None or not 0 < float(found[1]) <= LARGEST_LEVERAGE:
            if key.endswith("Usd"):
                rows.reject_row("unknown leverage key", {key: item}, number, key)
                is_whole = False
            continue
        value = read_number(item)
        if not np.isfinite(value) or value < 0:
            fault = "is negative" if value < 0 else "is not a finite number"
            rows.reject_row(f"value {fault}", bucket, number, key)
            is_whole = False
            continue
        tiers.append((price, side, float(found[1]), value))
    total = read_number(bucket.get("totalUsd"))
    summed = sum(tier[3] for tier in tiers)
    if is_whole and np.isfinite(total) and tiers:
        if abs(summed - total) > TOLERATED_TOTAL_RATIO * max(summed, total):
            rows.reject_row(
                f"leverages add up to {summed:.8g}, not to totalUsd", bucket, number, "totalUsd"
            )
            return []
    elif not tiers and is_whole:
        if np.isfinite(total) and total >= 0:
            return [(price, side, float("nan"), total)]
        rows.reject_row("neither leverages nor a usable totalUsd", bucket, number, "totalUsd")
    return tiers


async def fetch(
    session: "aiohttp.ClientSession", keys: Mapping[str, str], request: MapRequest
) -> bytes:
    """Return DataMaxi+'s answer to one request, as received."""
    require_model(NAME, PROVIDER.models, request.model)
    (key,) = secrets = require_keys(NAME, PROVIDER.key_variables, keys)
    return await exchange(
        session,
        NAME,
        "GET",
        f"{(request.base_url or BASE_URL).rstrip('/')}/api/v1/liquidation/map",
        secrets=secrets,
        timeout_seconds=request.timeout_seconds,
        headers={"X-DTMX-APIKEY": key},
        params={
            "base": request.asset,
            "exchange": request.venue or "binance",
            "quote": "USDT",
        },
    )


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
    answer_suffix=".json",
    parse=parse,
    fetch=fetch,
)
