"""Hyblock: liquidation heatmap rows, already with a side and price edges.

``/v2/liquidationHeatmap`` answers ``{"data": [{timestamp, size, startingPrice, endingPrice,
side}]}`` (https://docs.hyblockcapital.com); asset and venue are in the request only. ``size``
comes without a unit: the endpoint's ``scaling`` is ``relative`` by default and its documentation
speaks of the relative strength of levels, so its totals are not taken for USD here.
"""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sources.errors import ProviderRejected
from sources.http_exchange import HttpRequest, exchange
from sources.providers.answer_values import amount_of, price_of, read_instant, shown
from sources.providers.provider import AnswerContext, MapRequest, Provider
from sources.providers.provider_answer import MapCells, ProviderAnswer
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
    """Return the records of a ``liquidationHeatmap`` answer (see `Provider.parse`).

    ``asset`` or ``symbol`` and ``venue_scope`` are needed. Rows of several instants are cut to the
    newest unless ``all_columns``.
    """
    answer = ProviderAnswer(PROVIDER, context, raw)
    document = answer.json()
    if isinstance(document, dict):
        if "data" not in document:
            named = (document[key] for key in ("message", "error", "msg") if key in document)
            raise answer.refusal(
                f"an error instead of data: {shown(next(named, document), 200)}",
                "mend the request (token, key, coin, exchange, lookback) and fetch again",
            )
        document = document["data"]
    listed = answer.require_list(document, "data")
    asset, multiplier = answer.require_asset()
    venue = answer.require_venue()
    maps: dict[datetime, list[tuple[float, float, str, float]]] = {}
    for as_of, cell in answer.read_rows(listed, _read_row, "data"):
        maps.setdefault(as_of, []).append(cell)
    for as_of in sorted(maps) if context.all_columns else sorted(maps)[-1:]:
        edge_a, edge_b, sides, sizes = zip(*maps[as_of], strict=True)
        edges = np.array([edge_a, edge_b]) / multiplier
        side = np.array(sides)
        price_low, price_high = edges.min(axis=0), edges.max(axis=0)
        if "long" in sides and "short" in sides:
            # Price lies between the highest long and the lowest short.
            longs, shorts = price_high[side == "long"], price_low[side == "short"]
            answer.check_reference_price(float((longs.max() + shorts.min()) / 2))
        answer.add_cells(
            MapCells(
                asset=asset,
                as_of=as_of,
                model=MODEL,
                venue_scope=venue,
                edges=(price_low, price_high),
                side=side,
                value=np.array(sizes),
                reference_price=context.reference_price,
            )
        )
    return answer.batches()


def _read_row(item: Any) -> tuple[datetime, tuple[float, float, str, float]]:  # noqa: ANN401 - JSON
    """Return (instant, (edge, other edge, side, size)) of a row."""
    if not isinstance(item, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of fault for the caller
    as_of = read_instant(item.get("timestamp"))
    if as_of is None:
        raise ValueError("timestamp is not an instant")
    named = "startingPrice or endingPrice"
    edges = [price_of(item.get(name), named) for name in ("startingPrice", "endingPrice")]
    size = amount_of(item.get("size"), "size")
    side = _SIDES.get(str(item.get("side") or "").strip().lower())
    if side is None:
        raise ValueError("side is neither long nor short")
    return as_of, (edges[0], edges[1], side, size)


async def _send(session: "aiohttp.ClientSession", secrets: list[str], request: MapRequest) -> bytes:
    """Return Hyblock's answer to one request, as received; a bearer token is requested first."""
    client_id, client_secret, key = secrets
    grant = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
    }
    url = request.token_url or TOKEN_URL
    asked = HttpRequest("POST", url, request.timeout_seconds, secrets, form=grant)
    token = _read_token(await exchange(session, NAME, asked))
    venue = request.venue or "binance"
    params = {
        "coin": request.symbol or request.asset,
        "exchange": venue if "_" in venue else f"{venue}_perp_stable",
        "lookback": request.window or "7d",
        "scaling": "relative",
    }
    headers = {"Authorization": f"Bearer {token}", "x-api-key": key}
    sent = request.get(BASE_URL, MODEL, [*secrets, token], headers, params)
    return await exchange(session, NAME, sent)


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
    parse=parse,
    send=_send,
    default_model=MODEL,
)
