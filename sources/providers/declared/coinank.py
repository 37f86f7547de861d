"""CoinAnk: liquidation maps of one contract by leverage, or of all venues side by side.

``getLiqMap``: ``data`` holds ``prices`` (an even ladder), one list of the same length per leverage
(``x25`` ... ``x100``), ``lastPrice`` and ``lastIndex``, the rung at the current price: below it
longs, above it shorts. ``getAggLiqMap``: the same with one list per venue. Neither contains its
instant or its look-back; ``getLiqMap`` does not name its venue, ``getAggLiqMap`` not its
coin.

CoinAnk's page calls the values a relative strength, and they can be nothing else: in answers of one
minute (2026-03-03) Binance's BTC total was five times its open interest in the one product and
twenty-five times in the other. They do not compare with USD, nor the two products with each other.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sources.http_exchange import exchange
from sources.providers.answer_values import (
    Floats,
    leverage_of,
    read_number,
    shown,
    venue_scope_of,
)
from sources.providers.price_cells import cells_on_ladder, split_sides
from sources.providers.provider import AnswerContext, MapRequest, Provider
from sources.providers.provider_answer import MapCells, ProviderAnswer
from sources.records import Batch

if TYPE_CHECKING:
    import aiohttp

NAME = "coinank"
KEY_VARIABLE = "LIQHEAT_COINANK_API_KEY"
BASE_URL = "https://open-api.coinank.com"
PAIR_MODEL, AGGREGATED_MODEL = "getLiqMap", "getAggLiqMap"
_SUCCESS = ("1", "200")
_VENUE_SPELLINGS = {"okx": "Okex"}


_LEVERAGE_KEY = r"x(.+)"


def parse(raw: bytes, context: AnswerContext) -> list[Batch]:
    """Return the records of a ``getLiqMap`` or ``getAggLiqMap`` answer (see `Provider.parse`).

    ``captured_at`` is needed, for ``getLiqMap`` also ``venue_scope``, for ``getAggLiqMap`` also
    ``asset``. There is one row per filled rung and leverage or venue (venues are not summed).
    """
    answer = ProviderAnswer(PROVIDER, context, raw)
    document = answer.require_object(answer.json(), "the answer")
    if document.get("success") is False or str(document.get("code", "1")) not in _SUCCESS:
        raise answer.refusal(
            f"an error instead of data, code {str(document.get('code'))!r}: "
            f"{shown(document.get('msg'), 200)}",
            "mend the request (key, plan, symbol, interval) and fetch again",
        )
    data = answer.require_object(document.get("data"), "data")
    ladder = answer.require_levels(data.get("prices"), "data.prices")
    symbol = data.get("symbol") if isinstance(data.get("symbol"), str) else None
    is_pair = bool(symbol) or any(leverage_of(key, _LEVERAGE_KEY) for key in data)
    asset, multiplier = answer.require_asset(symbol or None)
    last_price = _split_price(answer, data, ladder)
    answer.check_reference_price(last_price / multiplier)
    venue = answer.require_venue() if is_pair else "all"
    as_of = answer.require_capture()
    edges = cells_on_ladder(ladder)
    sides = split_sides(ladder, last_price)
    for key, listed in data.items():
        if key == "prices" or not isinstance(listed, list):
            continue
        leverage = leverage_of(key, _LEVERAGE_KEY) if is_pair else None
        if is_pair and leverage is None:
            answer.reject_row("unknown leverage key", {key: listed}, None, key, venue)
            continue
        if len(listed) != len(ladder):
            raise answer.refusal(
                f"data.{key} has {len(listed)} values for {len(ladder)} prices",
                "the answer was cut; fetch it again",
            )
        of_venue = venue if is_pair else venue_scope_of(key)
        answer.add_cells(
            MapCells(
                asset=asset,
                as_of=as_of,
                model=PAIR_MODEL if is_pair else AGGREGATED_MODEL,
                venue_scope=of_venue,
                edges=edges,
                side=sides,
                leverage=leverage,
                value=answer.read_amounts(listed, key, of_venue),
                reference_price=last_price,
                multiplier=multiplier,
            )
        )
    return answer.batches()


def _split_price(answer: ProviderAnswer, data: Mapping[str, Any], ladder: Floats) -> float:
    """Return the price that splits longs from shorts, where both ways to find it agree."""
    price, index = read_number(data.get("lastPrice")), read_number(data.get("lastIndex"))
    no_split = "without it longs and shorts cannot be separated; fetch the answer again"
    if not (np.isfinite(price) and price > 0):
        raise answer.refusal(
            f"data.lastPrice is {shown(data.get('lastPrice'), 40)}, expected a positive price",
            no_split,
        )
    if not (np.isfinite(index) and index == np.floor(index) and 0 <= index < len(ladder)):
        raise answer.refusal(
            f"data.lastIndex is {shown(data.get('lastIndex'), 40)}, expected a whole index into "
            f"data.prices (0 to {len(ladder) - 1})",
            no_split,
        )
    at_index = float(ladder[int(index)])
    step = float(np.diff(ladder).max()) if len(ladder) > 1 else 0.0
    if abs(at_index - price) > step * (1 + 1e-9):
        raise answer.refusal(
            f"data.prices[lastIndex={int(index)}] is {at_index:.8g} but lastPrice is {price:.8g}",
            "the two disagree on where longs end and shorts begin; fetch the answer again",
        )
    return price


async def _send(session: "aiohttp.ClientSession", secrets: list[str], request: MapRequest) -> bytes:
    """Return CoinAnk's answer to one request, as received."""
    params = {"interval": request.window or "1d"}
    if request.model == AGGREGATED_MODEL:
        params["baseCoin"] = request.asset
    else:
        venue = request.venue or "binance"
        params["exchange"] = _VENUE_SPELLINGS.get(venue, venue.capitalize())
        params["symbol"] = request.pair
    path = f"api/liqMap/{request.model}"
    headers = {"apikey": secrets[0], "accept": "application/json"}
    return await exchange(session, NAME, request.get(BASE_URL, path, secrets, headers, params))


PROVIDER = Provider(
    name=NAME,
    sends="relative strength of liquidations by price, by leverage of one contract or by venue",
    unit="relative",
    semantics="opened",
    valuation="none: a relative strength",
    documentation_url="https://coinank.com/openapi",
    models=(PAIR_MODEL, AGGREGATED_MODEL),
    key_variables=(KEY_VARIABLE,),
    parse=parse,
    send=_send,
    default_model=AGGREGATED_MODEL,
)
