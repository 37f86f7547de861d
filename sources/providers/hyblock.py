"""Hyblock: liquidation heatmap rows, already with a side and price edges.

``/v2/liquidationHeatmap`` answers ``{"data": [{timestamp, size, startingPrice, endingPrice,
side}]}`` (https://docs.hyblockcapital.com); asset and venue are in the request only. ``size``
comes without a unit: the endpoint's ``scaling`` is ``relative`` by default and its documentation
speaks of the relative strength of levels, so its totals are not taken for USD here.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sources.errors import ProviderRejected
from sources.http_exchange import exchange, require_keys, require_model
from sources.providers.provider import AnswerContext, MapRequest, Provider
from sources.providers.provider_answer import (
    MapRows,
    check_reference_price,
    decode_json,
    expect_list,
    expected_asset,
    expected_venue,
    read_instant,
    read_number,
    rejected,
    shown,
)
from sources.records import Batch

if TYPE_CHECKING:
    import aiohttp

NAME = "hyblock"
KEY_VARIABLES = (
    "LIQHEAT_HYBLOCK_CLIENT_ID",
    "LIQHEAT_HYBLOCK_CLIENT_SECRET",
    "LIQHEAT_HYBLOCK_API_KEY",
)
BASE_URL = "https://api.hyblockcapital.com/v2"
TOKEN_URL = "https://auth-api.hyblockcapital.com/oauth2/token"  # noqa: S105 - an address
MODEL = "liquidationHeatmap"
_SIDES = {"long": "long", "longs": "long", "short": "short", "shorts": "short", "": "unknown"}


def parse(raw: bytes, context: AnswerContext) -> list[Batch]:
    """Return the records of a ``liquidationHeatmap`` answer.

    Parameters
    ----------
    raw : bytes
        The answer as received.
    context : AnswerContext
        ``asset`` or ``symbol`` and ``venue_scope`` are needed. Rows of several instants are cut to
        the newest unless ``all_columns``.

    Returns
    -------
    list of Batch
        ``provider_map`` in relative units, then ``quarantine`` if anything was refused.
    """
    answer = decode_json(raw, NAME, context)
    if isinstance(answer, dict) and "data" not in answer:
        said = next((answer[key] for key in ("message", "error", "msg") if key in answer), answer)
        raise rejected(
            NAME,
            context,
            f"an error instead of data: {shown(said, 200)}",
            "mend the request (token, key, coin, exchange, lookback) and fetch again",
        )
    listed = expect_list(
        answer["data"] if isinstance(answer, dict) else answer, "data", NAME, context
    )
    asset, multiplier = expected_asset(NAME, context, None)
    venue = expected_venue(NAME, context)
    rows = MapRows(NAME, context, raw, PROVIDER.unit, PROVIDER.semantics)
    maps: dict[datetime, list[tuple[float, float, str, float]]] = {}
    for number, item in enumerate(listed, start=1):
        try:
            as_of, cell = _read_row(item)
        except ValueError as exc:
            rows.reject_row(str(exc), item, number, "data")
            continue
        maps.setdefault(as_of, []).append(cell)
    for as_of in sorted(maps) if context.all_columns else sorted(maps)[-1:]:
        edge_a, edge_b, sides, sizes = zip(*maps[as_of], strict=True)
        edges = np.array([edge_a, edge_b]) / multiplier
        side = np.array(sides)
        price_low, price_high = edges.min(axis=0), edges.max(axis=0)
        reference = _price_between(price_low, price_high, side)
        if reference is not None:
            check_reference_price(NAME, context, reference)
        rows.add_cells(
            asset=asset,
            as_of=as_of,
            model=MODEL,
            venue_scope=venue,
            price_low=price_low,
            price_high=price_high,
            side=side,
            value=np.array(sizes),
            reference_price=context.reference_price,
        )
    return rows.batches()


def _price_between(
    price_low: "np.ndarray[Any, Any]",
    price_high: "np.ndarray[Any, Any]",
    side: "np.ndarray[Any, Any]",
) -> float | None:
    """Return a price between the highest long and the lowest short, None if a side is missing."""
    if not (np.any(side == "long") and np.any(side == "short")):
        return None
    return float((price_high[side == "long"].max() + price_low[side == "short"].min()) / 2)


def _read_row(item: object) -> tuple[datetime, tuple[float, float, str, float]]:
    """Return (instant, (edge, other edge, side, size)) of a row, or ValueError with its fault."""
    if not isinstance(item, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of fault for the caller
    as_of = read_instant(item.get("timestamp"))
    if as_of is None:
        raise ValueError("timestamp is not an instant")
    edges = [read_number(item.get(name)) for name in ("startingPrice", "endingPrice")]
    if not all(np.isfinite(edge) and edge > 0 for edge in edges):
        raise ValueError("startingPrice or endingPrice is not a positive number")
    size = read_number(item.get("size"))
    if not np.isfinite(size):
        raise ValueError("size is not a finite number")
    if size < 0:
        raise ValueError("size is negative")
    side = _SIDES.get(str(item.get("side") or "").strip().lower())
    if side is None:
        raise ValueError("side is neither long nor short")
    return as_of, (edges[0], edges[1], side, size)


async def fetch(
    session: "aiohttp.ClientSession", keys: Mapping[str, str], request: MapRequest
) -> bytes:
    """Return Hyblock's answer to one request, as received; a bearer token is asked for first."""
    require_model(NAME, PROVIDER.models, request.model)
    client_id, client_secret, key = secrets = require_keys(NAME, KEY_VARIABLES, keys)
    granted = await exchange(
        session,
        NAME,
        "POST",
        request.token_url or TOKEN_URL,
        secrets=secrets,
        timeout_seconds=request.timeout_seconds,
        form={
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        },
    )
    token = _read_token(granted)
    venue = request.venue or "binance"
    return await exchange(
        session,
        NAME,
        "GET",
        f"{(request.base_url or BASE_URL).rstrip('/')}/{MODEL}",
        secrets=[*secrets, token],
        timeout_seconds=request.timeout_seconds,
        headers={"Authorization": f"Bearer {token}", "x-api-key": key},
        params={
            "coin": request.symbol or request.asset,
            "exchange": venue if "_" in venue else f"{venue}_perp_stable",
            "lookback": request.window or "7d",
            "scaling": "relative",
        },
    )


def _read_token(granted: bytes) -> str:
    """Return the bearer token of a token answer, which is never quoted."""
    try:
        token = json.loads(granted)["access_token"]
    except (ValueError, TypeError, KeyError):
        token = None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise ProviderRejected(
            f"{NAME}: the token endpoint answered without an access_token; check "
            f"{KEY_VARIABLES[0]} and {KEY_VARIABLES[1]}"
        )
    return token


PROVIDER = Provider(
    name=NAME,
    sends="predicted liquidation levels by price bucket and side",
    unit="relative",
    semantics="opened",
    valuation="not stated; sizes follow the endpoint's scaling",
    documentation_url="https://docs.hyblockcapital.com",
    models=(MODEL,),
    key_variables=KEY_VARIABLES,
    answer_suffix=".json",
    parse=parse,
    fetch=fetch,
)
