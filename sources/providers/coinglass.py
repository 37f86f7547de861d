"""CoinGlass: liquidation heatmaps (models 1-3, one venue or all) and liquidation maps.

Heatmap (https://docs.coinglass.com/reference/liquidation-heatmap): a price axis ``y_axis``,
candles ``price_candlesticks`` and cells ``[x, y, USD]`` in ``liquidation_leverage_data``, where x
counts candles and y prices. Version 3 of the API named them ``prices``, ``y`` and ``liq``. A cell
carries no side: below the close of its candle it must be longs, above it shorts.

Map (https://docs.coinglass.com/reference/liquidation-aggregated-map): under ``data.data``, by
price, entries ``[price, level, leverage or null, null]``; no instant, no price, no venue.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sources.http_exchange import exchange, refusal_error, require_keys, require_model
from sources.providers.provider import AnswerContext, MapRequest, Provider
from sources.providers.provider_answer import (
    LARGEST_LEVERAGE,
    Floats,
    MapRows,
    cells_between,
    cells_on_ladder,
    check_reference_price,
    decode_json,
    expect_list,
    expect_object,
    expected_asset,
    expected_capture,
    expected_venue,
    read_instant,
    read_levels,
    read_number,
    read_numbers,
    rejected,
    shown,
    split_sides,
)
from sources.records import Batch

if TYPE_CHECKING:
    import aiohttp

NAME = "coinglass"
KEY_VARIABLE = "LIQHEAT_COINGLASS_API_KEY"
BASE_URL = "https://open-api-v4.coinglass.com"
_AXIS, _CELLS, _CANDLES = 0, 1, 2
_SPELLINGS = (
    ("y_axis", "liquidation_leverage_data", "price_candlesticks"),
    ("y", "liq", "prices"),
)
_PATHS = {
    **{f"heatmap_model{n}": f"heatmap/model{n}" for n in (1, 2, 3)},
    **{f"aggregated_heatmap_model{n}": f"aggregated-heatmap/model{n}" for n in (1, 2, 3)},
    "map": "map",
    "aggregated_map": "aggregated-map",
}
_VENUE_SPELLINGS = {
    "okx": "OKX",
    "htx": "HTX",
    "mexc": "MEXC",
    "bingx": "BingX",
    "kucoin": "KuCoin",
}


def parse(raw: bytes, context: AnswerContext) -> list[Batch]:
    """Return the records of a CoinGlass heatmap (v4 or v3 spelling) or map.

    Parameters
    ----------
    raw : bytes
        The answer as received.
    context : AnswerContext
        The asset is never in the answer, so ``asset`` or ``symbol`` is needed; so are
        ``venue_scope`` unless ``model`` is an aggregated one, and for maps ``captured_at`` and,
        to tell sides apart, ``reference_price``.

    Returns
    -------
    list of Batch
        ``provider_map`` in USD, then ``quarantine`` if anything was refused.
    """
    answer = expect_object(decode_json(raw, NAME, context), "the answer", NAME, context)
    code = str(answer.get("code", "0"))
    if code not in ("0", "00000"):
        raise rejected(
            NAME,
            context,
            f"an error instead of data, code {code!r}: {shown(answer.get('msg'), 200)}",
            "mend the request (key, plan, symbol, range) and fetch again",
        )
    data = expect_object(answer.get("data"), "data", NAME, context)
    rows = MapRows(NAME, context, raw, PROVIDER.unit, PROVIDER.semantics)
    for names in _SPELLINGS:
        if any(name in data for name in names[:2]):
            _read_heatmap(rows, data, names)
            break
    else:
        _read_map(rows, data)
    return rows.batches()


def _model_and_venue(context: AnswerContext, shape: str) -> tuple[str, str]:
    """Return the model, as far as shape and context tell it, and the venue it is about."""
    model = context.model or shape
    if ("heatmap" in model) != (shape == "heatmap"):
        raise rejected(
            NAME,
            context,
            f"the answer has the shape of a {shape}, not of model {model!r} as asked for",
            f"name a model that is a {shape}, or none",
        )
    if model.startswith("aggregated"):
        return model, "all"
    return model, expected_venue(NAME, context)


def _read_heatmap(rows: MapRows, data: Mapping[str, Any], names: tuple[str, str, str]) -> None:
    context = rows.context
    model, venue = _model_and_venue(context, "heatmap")
    asset, multiplier = expected_asset(NAME, context, None)
    axis = expect_list(data.get(names[_AXIS]), names[_AXIS], NAME, context)
    levels = read_levels(axis, names[_AXIS], NAME, context) / multiplier
    starts, closes = _read_candles(data, names[_CANDLES], context)
    closes = closes / multiplier
    received = expect_list(data.get(names[_CELLS]), names[_CELLS], NAME, context)
    column, level, value = _read_triples(rows, received, names, len(starts), len(levels))
    if len(column) == 0:
        return
    if not context.all_columns:
        newest = column == column.max()
        column, level, value = column[newest], level[newest], value[newest]
    check_reference_price(NAME, context, float(closes[column.max()]))
    price_low, price_high = cells_between(levels)
    for x in np.unique(column):
        of_column = column == x
        y = level[of_column]
        rows.add_cells(
            asset=asset,
            as_of=_column_instant(starts, int(x), context),
            model=model,
            venue_scope=venue,
            price_low=price_low[y],
            price_high=price_high[y],
            side=split_sides(levels[y], float(closes[x])),
            value=value[of_column],
            reference_price=float(closes[x]),
        )


def _read_candles(
    data: Mapping[str, Any], name: str, context: AnswerContext
) -> tuple[list[datetime], Floats]:
    """Return the opens in time of all candles and their closes; one bad candle spoils the axis."""
    candles = expect_list(data.get(name), name, NAME, context)
    starts: list[datetime] = []
    closes = np.empty(len(candles))
    for index, candle in enumerate(candles):
        is_whole = isinstance(candle, list) and len(candle) >= 5
        start = read_instant(candle[0]) if is_whole else None
        close = read_number(candle[4]) if is_whole else float("nan")
        if start is None or not (np.isfinite(close) and close > 0):
            raise rejected(
                NAME,
                context,
                f"{name}[{index}] is {shown(candle)}, expected [seconds, open, high, low, "
                "close, ...]",
                "the time axis must be whole; fetch the answer again",
            )
        if starts and start <= starts[-1]:
            raise rejected(
                NAME,
                context,
                f"{name}[{index}] starts at {start.isoformat()}, not after the one before",
                "the time axis must ascend; fetch the answer again",
            )
        starts.append(start)
        closes[index] = close
    return starts, closes


def _column_instant(starts: list[datetime], x: int, context: AnswerContext) -> datetime:
    """Return when column x was known: at its candle's end, or at the capture if that came first."""
    if x + 1 < len(starts):
        return starts[x + 1]
    # The first candle has no neighbour to tell its length.
    end = starts[x] + (starts[x] - starts[x - 1]) if x > 0 else None
    if context.captured_at is None:
        return end or starts[x]
    captured_at = context.captured_at.astimezone(UTC)
    if captured_at < starts[x]:
        raise rejected(
            NAME,
            context,
            f"captured_at {captured_at.isoformat()} lies before the newest candle's start "
            f"{starts[x].isoformat()}",
            "give the instant at which this answer was received",
        )
    return min(captured_at, end) if end else captured_at


def _read_triples(
    rows: MapRows,
    received: list[Any],
    names: tuple[str, str, str],
    column_count: int,
    level_count: int,
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]], Floats]:
    """Return x, y and USD of the usable cells, shape (n,) each; the others go to quarantine."""
    triples = np.full((len(received), 3), np.nan)
    try:
        triples[:] = received
    except (TypeError, ValueError, OverflowError):
        # Some item is text, short, or nested: take them one by one.
        for index, item in enumerate(received):
            if isinstance(item, list) and len(item) == 3:
                triples[index] = read_numbers(item)
    x, y, value = triples.T
    with np.errstate(invalid="ignore"):
        faults = (
            (np.isnan(x) | np.isnan(y), "not [x_index, y_index, usd]"),
            ((x != np.floor(x)) | (y != np.floor(y)), "an index is not whole"),
            (
                (x < 0) | (x >= column_count),
                f"x_index outside {names[2]} (0 to {column_count - 1})",
            ),
            ((y < 0) | (y >= level_count), f"y_index outside {names[0]} (0 to {level_count - 1})"),
            (~np.isfinite(value), "value is not a finite number"),
            (value < 0, "value is negative"),
        )
    usable = np.ones(len(received), dtype=bool)
    for is_bad, reason in faults:
        for number in np.flatnonzero(is_bad & usable).tolist():
            rows.reject_row(reason, received[number], number + 1, names[_CELLS])
        usable &= ~is_bad
    return x[usable].astype(np.int64), y[usable].astype(np.int64), value[usable]


def _read_map(rows: MapRows, data: Mapping[str, Any]) -> None:
    context = rows.context
    entries = expect_object(data.get("data"), "data.data", NAME, context)
    model, venue = _model_and_venue(context, "map")
    asset, multiplier = expected_asset(NAME, context, None)
    as_of = expected_capture(NAME, context)
    prices: list[float] = []
    values: list[float] = []
    leverages: list[float] = []
    number = 0
    for key, listed in entries.items():
        for entry in listed if isinstance(listed, list) else [listed]:
            number += 1
            fault = _map_entry_fault(entry)
            if fault:
                rows.reject_row(fault, {key: entry}, number, "data.data")
                continue
            prices.append(read_number(entry[0]) / multiplier)
            values.append(read_number(entry[1]))
            leverage = entry[2] if len(entry) > 2 else None
            leverages.append(float("nan") if leverage is None else read_number(leverage))
    if not prices:
        return
    levels, of_level = np.unique(np.array(prices), return_inverse=True)
    price_low, price_high = cells_on_ladder(levels)
    price = levels[of_level]
    reference = context.reference_price
    if reference is not None:
        # The map has no price of its own; its middle is near price, or it is of something else.
        check_reference_price(NAME, context, float(np.median(levels)))
    rows.add_cells(
        asset=asset,
        as_of=as_of,
        model=model,
        venue_scope=venue,
        price_low=price_low[of_level],
        price_high=price_high[of_level],
        side="unknown" if reference is None else split_sides(price, reference),
        leverage=np.array(leverages),
        value=np.array(values),
        reference_price=reference,
    )


def _map_entry_fault(entry: object) -> str | None:
    """Return what is wrong with one entry of a map, None if nothing is."""
    if not isinstance(entry, list) or len(entry) < 2:
        return "not [price, level, leverage, null]"
    price, value = read_number(entry[0]), read_number(entry[1])
    if not (np.isfinite(price) and price > 0):
        return "price is not a positive number"
    if not np.isfinite(value):
        return "value is not a finite number"
    if value < 0:
        return "value is negative"
    leverage = entry[2] if len(entry) > 2 else None
    if leverage is not None and not 0 < read_number(leverage) <= LARGEST_LEVERAGE:
        return "unknown leverage"
    return None


async def fetch(
    session: "aiohttp.ClientSession", keys: Mapping[str, str], request: MapRequest
) -> bytes:
    """Return CoinGlass's answer to one request, as received.

    CoinGlass also refuses inside an answer of status 200, by a ``code`` it uses like a status.
    """
    require_model(NAME, PROVIDER.models, request.model)
    (key,) = secrets = require_keys(NAME, PROVIDER.key_variables, keys)
    params = {"range": request.window or ("1d" if request.model.endswith("map") else "3d")}
    if request.model.startswith("aggregated"):
        params["symbol"] = request.symbol or request.asset
    else:
        venue = request.venue or "binance"
        params["exchange"] = _VENUE_SPELLINGS.get(venue, venue.capitalize())
        params["symbol"] = request.pair
    base_url = (request.base_url or BASE_URL).rstrip("/")
    url = f"{base_url}/api/futures/liquidation/{_PATHS[request.model]}"
    raw = await exchange(
        session,
        NAME,
        "GET",
        url,
        secrets=secrets,
        timeout_seconds=request.timeout_seconds,
        headers={"CG-API-KEY": key, "accept": "application/json"},
        params=params,
    )
    code = _code_in(raw)
    if code is not None and 300 <= code < 600:
        said = raw.decode("utf-8", "replace")
        raise refusal_error(f"{NAME}: GET {url}", code, said, secrets, {})
    return raw


def _code_in(raw: bytes) -> int | None:
    """Return the status-like code of a short answer that carries no data."""
    if len(raw) > 4096:
        return None
    try:
        answer = json.loads(raw)
        return int(answer["code"])
    except (ValueError, TypeError, KeyError):
        return None


PROVIDER = Provider(
    name=NAME,
    sends="predicted liquidation levels by price, over time (heatmap) or at one instant (map)",
    unit="usd",
    semantics="opened",
    valuation="not stated; heatmap cells are documented as amounts in USD, map entries as levels",
    documentation_url="https://docs.coinglass.com/reference/liquidation-heatmap",
    models=tuple(_PATHS),
    key_variables=(KEY_VARIABLE,),
    answer_suffix=".json",
    parse=parse,
    fetch=fetch,
)
