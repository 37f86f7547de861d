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
import numpy.typing as npt

from sources.http_exchange import exchange, refusal_error
from sources.providers.answer_values import (
    LARGEST_LEVERAGE,
    Floats,
    amount_of,
    price_of,
    read_instant,
    read_number,
    read_numbers,
    shown,
)
from sources.providers.price_cells import cells_at, cells_between, split_sides
from sources.providers.provider import AnswerContext, MapRequest, Provider
from sources.providers.provider_answer import MapCells, ProviderAnswer
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
    """Return the records of a CoinGlass heatmap (v4 or v3 spelling) or map (`Provider.parse`).

    The asset is never in the answer, so ``asset`` or ``symbol`` is needed; so are ``venue_scope``
    unless ``model`` is an aggregated one, and for maps ``captured_at`` and, to separate the sides,
    ``reference_price``.
    """
    answer = ProviderAnswer(PROVIDER, context, raw)
    document = answer.require_object(answer.json(), "the answer")
    code = str(document.get("code", "0"))
    if code not in ("0", "00000"):
        raise answer.refusal(
            f"an error instead of data, code {code!r}: {shown(document.get('msg'), 200)}",
            "mend the request (key, plan, symbol, range) and fetch again",
        )
    data = answer.require_object(document.get("data"), "data")
    for names in _SPELLINGS:
        if any(name in data for name in names[:2]):
            _read_heatmap(answer, data, names)
            break
    else:
        _read_map(answer, data)
    return answer.batches()


def _model_and_venue(answer: ProviderAnswer, shape: str) -> tuple[str, str]:
    """Return the model, as far as shape and context show it, and the venue of the map."""
    model = answer.context.model or shape
    if ("heatmap" in model) != (shape == "heatmap"):
        raise answer.refusal(
            f"the answer has the shape of a {shape}, not of the requested model {model!r}",
            f"name a model that is a {shape}, or none",
        )
    return model, "all" if model.startswith("aggregated") else answer.require_venue()


def _read_heatmap(
    answer: ProviderAnswer, data: Mapping[str, Any], names: tuple[str, str, str]
) -> None:
    model, venue = _model_and_venue(answer, "heatmap")
    asset, multiplier = answer.require_asset()
    levels = answer.require_levels(data.get(names[_AXIS]), names[_AXIS]) / multiplier
    starts, closes = _read_candles(answer, data.get(names[_CANDLES]), names[_CANDLES])
    closes = closes / multiplier
    received = answer.require_list(data.get(names[_CELLS]), names[_CELLS])
    column, level, value = _read_triples(answer, received, names, (len(starts), len(levels)))
    if len(column) == 0:
        return
    if not answer.context.all_columns:
        newest = column == column.max()
        column, level, value = column[newest], level[newest], value[newest]
    answer.check_reference_price(float(closes[column.max()]))
    price_low, price_high = cells_between(levels)
    for x in np.unique(column):
        of_column = column == x
        y = level[of_column]
        answer.add_cells(
            MapCells(
                asset=asset,
                as_of=_column_instant(answer, starts, int(x)),
                model=model,
                venue_scope=venue,
                edges=(price_low[y], price_high[y]),
                side=split_sides(levels[y], float(closes[x])),
                value=value[of_column],
                reference_price=float(closes[x]),
            )
        )


def _read_candles(
    answer: ProviderAnswer, received: object, name: str
) -> tuple[list[datetime], Floats]:
    """Return the opens in time of all candles and their closes; one bad candle spoils the axis."""
    starts: list[datetime] = []
    closes: list[float] = []
    for index, candle in enumerate(answer.require_list(received, name)):
        is_whole = isinstance(candle, list) and len(candle) >= 5
        start = read_instant(candle[0]) if is_whole else None
        close = read_number(candle[4]) if is_whole else float("nan")
        if start is None or not (np.isfinite(close) and close > 0):
            raise answer.refusal(
                f"{name}[{index}] is {shown(candle)}, expected [seconds, open, high, low, "
                "close, ...]",
                "the time axis must be whole; fetch the answer again",
            )
        if starts and start <= starts[-1]:
            raise answer.refusal(
                f"{name}[{index}] starts at {start.isoformat()}, not after the one before",
                "the time axis must ascend; fetch the answer again",
            )
        starts.append(start)
        closes.append(close)
    return starts, np.array(closes)


def _column_instant(answer: ProviderAnswer, starts: list[datetime], x: int) -> datetime:
    """Return when column x was known: at its candle's end, or at the capture if that came first."""
    if x + 1 < len(starts):
        return starts[x + 1]
    # The length of the first candle is unknown: it has no neighbour.
    end = starts[x] + (starts[x] - starts[x - 1]) if x > 0 else None
    if answer.context.captured_at is None:
        return end or starts[x]
    captured_at = answer.context.captured_at.astimezone(UTC)
    if captured_at < starts[x]:
        raise answer.refusal(
            f"captured_at {captured_at.isoformat()} lies before the newest candle's start "
            f"{starts[x].isoformat()}",
            "give the instant at which this answer was received",
        )
    return min(captured_at, end) if end else captured_at


def _read_triples(
    answer: ProviderAnswer, received: list[Any], names: tuple[str, str, str], size: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Return x, y and USD of the usable cells, shape (n,) each; the others are quarantined."""
    triples = np.full((len(received), 3), np.nan)
    try:
        triples[:] = received
    except (TypeError, ValueError, OverflowError):
        # Some item is text, short, or nested: take them one by one.
        for index, item in enumerate(received):
            if isinstance(item, list) and len(item) == 3:
                triples[index] = read_numbers(item)
    x, y, value = triples.T
    columns, levels = size
    with np.errstate(invalid="ignore"):
        faults = (
            (np.isnan(x) | np.isnan(y), "not [x_index, y_index, usd]"),
            ((x != np.floor(x)) | (y != np.floor(y)), "an index is not whole"),
            ((x < 0) | (x >= columns), f"x_index outside {names[_CANDLES]} (0 to {columns - 1})"),
            ((y < 0) | (y >= levels), f"y_index outside {names[_AXIS]} (0 to {levels - 1})"),
            (~np.isfinite(value), "value is not a finite number"),
            (value < 0, "value is negative"),
        )
    usable = np.ones(len(received), dtype=bool)
    for is_bad, reason in faults:
        for number in np.flatnonzero(is_bad & usable).tolist():
            answer.reject_row(reason, received[number], number + 1, names[_CELLS])
        usable &= ~is_bad
    return x[usable].astype(np.int64), y[usable].astype(np.int64), value[usable]


def _read_map(answer: ProviderAnswer, data: Mapping[str, Any]) -> None:
    listed = answer.require_object(data.get("data"), "data.data")
    model, venue = _model_and_venue(answer, "map")
    asset, multiplier = answer.require_asset()
    as_of = answer.require_capture()
    entries = [
        {key: entry}
        for key, at_key in listed.items()
        for entry in (at_key if isinstance(at_key, list) else [at_key])
    ]
    read = list(answer.read_rows(entries, _read_entry, "data.data"))
    if not read:
        return
    prices, values, leverages = np.array(read).T
    prices = prices / multiplier
    reference = answer.context.reference_price
    # The map has no price of its own; its middle is near price, or it is of something else.
    answer.check_reference_price(float(np.median(np.unique(prices))))
    answer.add_cells(
        MapCells(
            asset=asset,
            as_of=as_of,
            model=model,
            venue_scope=venue,
            edges=cells_at(prices),
            side="unknown" if reference is None else split_sides(prices, reference),
            leverage=leverages,
            value=values,
            reference_price=reference,
        )
    )


def _read_entry(keyed: dict[str, object]) -> tuple[float, float, float]:
    """Return (price, value, leverage or NaN) of one entry of a map."""
    (entry,) = keyed.values()
    if not isinstance(entry, list) or len(entry) < 2:
        raise ValueError("not [price, level, leverage, null]")
    price, value = price_of(entry[0]), amount_of(entry[1])
    leverage = entry[2] if len(entry) > 2 else None
    if leverage is None:
        return price, value, float("nan")
    if not 0 < read_number(leverage) <= LARGEST_LEVERAGE:
        raise ValueError("unknown leverage")
    return price, value, read_number(leverage)


async def _send(session: "aiohttp.ClientSession", secrets: list[str], request: MapRequest) -> bytes:
    """Return CoinGlass's answer to one request, as received.

    CoinGlass also refuses inside an answer of status 200, by a ``code`` it uses like a status.
    """
    params = {"range": request.window or ("1d" if request.model.endswith("map") else "3d")}
    if request.model.startswith("aggregated"):
        params["symbol"] = request.symbol or request.asset
    else:
        venue = request.venue or "binance"
        params["exchange"] = _VENUE_SPELLINGS.get(venue, venue.capitalize())
        params["symbol"] = request.pair
    path = f"api/futures/liquidation/{_PATHS[request.model]}"
    headers = {"CG-API-KEY": secrets[0], "accept": "application/json"}
    sent = request.get(BASE_URL, path, secrets, headers, params)
    raw = await exchange(session, NAME, sent)
    code = _code_in(raw)
    if code is not None and 300 <= code < 600:
        text = raw.decode("utf-8", "replace")
        raise refusal_error(f"{NAME}: GET {sent.url}", code, text, secrets, {})
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
    parse=parse,
    send=_send,
    default_model="aggregated_heatmap_model2",
)
