"""CoinAnk: liquidation maps of one contract by leverage, or of all venues side by side.

``getLiqMap``: ``data`` holds ``prices`` (an even ladder), one list of the same length per leverage
(``x25`` ... ``x100``), ``lastPrice`` and ``lastIndex``, the rung at which price stands: below it
longs, above it shorts. ``getAggLiqMap``: the same with one list per venue. Neither says when it
was made, nor for which look-back; ``getLiqMap`` does not name its venue, ``getAggLiqMap`` not its
coin.

CoinAnk's page calls the values a relative strength, and they can be nothing else: in answers of one
minute (2026-03-03) Binance's BTC total was five times its open interest in the one product and
twenty-five times in the other. They do not compare with USD, nor the two products with each other.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sources.http_exchange import exchange, require_keys, require_model
from sources.providers.provider import AnswerContext, MapRequest, Provider
from sources.providers.provider_answer import (
    LARGEST_LEVERAGE,
    Floats,
    MapRows,
    cells_on_ladder,
    check_reference_price,
    decode_json,
    expect_list,
    expect_object,
    expected_asset,
    expected_capture,
    expected_venue,
    read_levels,
    read_number,
    read_numbers,
    refuse_bad_values,
    rejected,
    shown,
    split_sides,
    venue_scope_of,
)
from sources.records import Batch

if TYPE_CHECKING:
    import aiohttp

NAME = "coinank"
KEY_VARIABLE = "LIQHEAT_COINANK_API_KEY"
BASE_URL = "https://open-api.coinank.com"
PAIR_MODEL, AGGREGATED_MODEL = "getLiqMap", "getAggLiqMap"
_SUCCESS = ("1", "200")
_VENUE_SPELLINGS = {"okx": "Okex"}


def parse(raw: bytes, context: AnswerContext) -> list[Batch]:
    """Return the records of a ``getLiqMap`` or ``getAggLiqMap`` answer.

    Parameters
    ----------
    raw : bytes
        The answer as received.
    context : AnswerContext
        ``captured_at`` is needed, for ``getLiqMap`` also ``venue_scope``, for ``getAggLiqMap``
        also ``asset``.

    Returns
    -------
    list of Batch
        ``provider_map`` in CoinAnk's relative unit, one row per filled rung and leverage or venue
        (venues are not summed), then ``quarantine`` if anything was refused.
    """
    answer = expect_object(decode_json(raw, NAME, context), "the answer", NAME, context)
    if answer.get("success") is False or str(answer.get("code", "1")) not in _SUCCESS:
        raise rejected(
            NAME,
            context,
            f"an error instead of data, code {str(answer.get('code'))!r}: "
            f"{shown(answer.get('msg'), 200)}",
            "mend the request (key, plan, symbol, interval) and fetch again",
        )
    data = expect_object(answer.get("data"), "data", NAME, context)
    received = expect_list(data.get("prices"), "data.prices", NAME, context)
    ladder = read_levels(received, "data.prices", NAME, context)
    symbol = data.get("symbol") if isinstance(data.get("symbol"), str) else None
    is_pair = bool(symbol) or any(_leverage_of(key) is not None for key in data)
    asset, multiplier = expected_asset(NAME, context, symbol or None)
    last_price = _split_price(data, ladder, context)
    check_reference_price(NAME, context, last_price / multiplier)
    venue = expected_venue(NAME, context) if is_pair else "all"
    as_of = expected_capture(NAME, context)
    rows = MapRows(NAME, context, raw, PROVIDER.unit, PROVIDER.semantics)
    price_low, price_high = cells_on_ladder(ladder)
    sides = split_sides(ladder, last_price)
    for key, listed in data.items():
        if key == "prices" or not isinstance(listed, list):
            continue
        leverage = _leverage_of(key) if is_pair else None
        if is_pair and leverage is None:
            rows.reject_row("unknown leverage key", {key: listed}, None, key, venue)
            continue
        of_venue = venue if is_pair else venue_scope_of(key)
        rows.add_cells(
            asset=asset,
            as_of=as_of,
            model=PAIR_MODEL if is_pair else AGGREGATED_MODEL,
            venue_scope=of_venue,
            price_low=price_low / multiplier,
            price_high=price_high / multiplier,
            side=sides,
            leverage=leverage,
            value=_read_values(rows, key, listed, len(ladder), of_venue),
            reference_price=last_price / multiplier,
        )
    return rows.batches()


def _split_price(data: Mapping[str, Any], ladder: Floats, context: AnswerContext) -> float:
    """Return the price that splits longs from shorts, where both ways to tell it agree."""
    price, index = read_number(data.get("lastPrice")), read_number(data.get("lastIndex"))
    if not (np.isfinite(price) and price > 0):
        raise rejected(
            NAME,
            context,
            f"data.lastPrice is {shown(data.get('lastPrice'), 40)}, expected a positive price",
            "without it longs and shorts cannot be told apart; fetch the answer again",
        )
    if not (np.isfinite(index) and index == np.floor(index) and 0 <= index < len(ladder)):
        raise rejected(
            NAME,
            context,
            f"data.lastIndex is {shown(data.get('lastIndex'), 40)}, expected a whole index into "
            f"data.prices (0 to {len(ladder) - 1})",
            "without it longs and shorts cannot be told apart; fetch the answer again",
        )
    at_index = float(ladder[int(index)])
    step = float(np.diff(ladder).max()) if len(ladder) > 1 else 0.0
    if abs(at_index - price) > step * (1 + 1e-9):
        raise rejected(
            NAME,
            context,
            f"data.prices[lastIndex={int(index)}] is {at_index:.8g} but lastPrice is {price:.8g}",
            "the two disagree on where longs end and shorts begin; fetch the answer again",
        )
    return price


def _leverage_of(key: str) -> float | None:
    """Return the leverage in a key like ``x25``, None where it is no such key."""
    found = re.fullmatch(r"x(\d+(?:\.\d+)?)", key)
    if found is None:
        return None
    leverage = float(found[1])
    return leverage if 0 < leverage <= LARGEST_LEVERAGE else None


def _read_values(rows: MapRows, key: str, listed: list[Any], rung_count: int, venue: str) -> Floats:
    """Return the values of one list, shape (rung_count,), bad ones set to zero and put aside."""
    if len(listed) != rung_count:
        raise rejected(
            NAME,
            rows.context,
            f"data.{key} has {len(listed)} values for {rung_count} prices",
            "the answer was cut; fetch it again",
        )
    return refuse_bad_values(rows, read_numbers(listed), listed, key, venue)


async def fetch(
    session: "aiohttp.ClientSession", keys: Mapping[str, str], request: MapRequest
) -> bytes:
    """Return CoinAnk's answer to one request, as received."""
    require_model(NAME, PROVIDER.models, request.model)
    (key,) = secrets = require_keys(NAME, PROVIDER.key_variables, keys)
    params = {"interval": request.window or "1d"}
    if request.model == AGGREGATED_MODEL:
        params["baseCoin"] = request.asset
    else:
        venue = request.venue or "binance"
        params["exchange"] = _VENUE_SPELLINGS.get(venue, venue.capitalize())
        params["symbol"] = request.pair
    return await exchange(
        session,
        NAME,
        "GET",
        f"{(request.base_url or BASE_URL).rstrip('/')}/api/liqMap/{request.model}",
        secrets=secrets,
        timeout_seconds=request.timeout_seconds,
        headers={"apikey": key, "accept": "application/json"},
        params=params,
    )


PROVIDER = Provider(
    name=NAME,
    sends="relative strength of liquidations by price, by leverage of one contract or by venue",
    unit="relative",
    semantics="opened",
    valuation="none: a relative strength",
    documentation_url="https://coinank.com/openapi",
    models=(PAIR_MODEL, AGGREGATED_MODEL),
    key_variables=(KEY_VARIABLE,),
    answer_suffix=".json",
    parse=parse,
    fetch=fetch,
)
