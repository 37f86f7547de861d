"""From one response to records: units normalised, labels moved, faulty rows quarantined.

Belongs here: candles, funding, long/short ratios, and the reader for each kind of declaration.
Does not belong here: how a response was requested (`sources.venues.client`), which column is which
(`sources.venues.declared`).

Rows of other instruments, outside the requested span or not yet final are left out without a trace:
they were not requested.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sources.checks import flag_bars, flag_funding, flag_ratios
from sources.records import Batch
from sources.venues.declaration import (
    Candles,
    Funding,
    LongShortRatio,
    OpenInterest,
    OrderLiquidations,
    PeriodLiquidations,
    ResponseSpec,
)
from sources.venues.endpoints import Endpoint
from sources.venues.liquidations import read_order_liquidations, read_period_liquidations
from sources.venues.open_interest import read_open_interest, snapshot_labels
from sources.venues.payload import Milliseconds, Table, find_rows, to_instants
from sources.venues.plausibility import flag_ahead
from sources.venues.responses import ResponseContext, ResponseRows

_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Page:
    """What was read from one response.

    Parameters
    ----------
    batches : list of Batch
        Records, and quarantine where rows were rejected.
    labels : ndarray of int64
        Labels of all rows that have one [ms], for paging.
    received : int
        Rows in the response.
    """

    batches: list[Batch]
    labels: Milliseconds
    received: int


def read_page(
    spec: ResponseSpec, endpoint: Endpoint, payload: object, context: ResponseContext
) -> Page:
    """Return the records of one response.

    Parameters
    ----------
    spec : ResponseSpec
        What the response contains.
    endpoint : Endpoint
        The layout of its rows.
    payload : object
        The response, decoded.
    context : ResponseContext
        What was requested, and when.

    Raises
    ------
    MalformedResponse
        Where the response has no rows at the declared path.
    """
    table = Table(find_rows(payload, endpoint))
    if "time" in endpoint.columns:
        labels = table.labels(endpoint.columns["time"], endpoint.label_unit)
    else:
        labels = snapshot_labels(endpoint, payload, context, len(table.rows))
    flag_ahead(labels, context.now_ms, table.rejects)
    rows = ResponseRows(endpoint, payload, table, context, labels)
    return Page(_READERS[type(spec)](spec, rows), labels[labels > 0], len(rows))


def _read_candles(spec: Candles, rows: ResponseRows) -> list[Batch]:
    endpoint, labels = rows.endpoint, rows.labels
    instrument = rows.context.sole_instrument()
    is_traded = "volume" in endpoint.columns
    # A bar is stored once: a cell that is missing this time would be missing for ever.
    values = {cell: rows.numbers(cell) for cell in endpoint.columns if cell != "time"}
    flag_bars(values, rows.flag)
    is_off = (labels > 0) & (labels % (endpoint.period_seconds * 1000) != 0)
    rows.flag(is_off, "time", f"no multiple of {endpoint.period_seconds} s")
    wanted = rows.are_wanted()
    if endpoint.closed is not None:
        column, final = endpoint.closed
        wanted &= np.array(
            [state is None or state == final for state in rows.table.texts(column)], dtype=np.bool_
        )
    kept = rows.keep(labels.tolist(), list(values.values()), wanted)
    kept_values = {cell: column[kept] for cell, column in values.items()}
    prices = {cell: kept_values[cell] / instrument.base_multiplier for cell in _PRICES}
    if len(kept):
        ends = labels[kept] + endpoint.period_seconds * 1000
        rows.context.closes.bars[instrument.instrument] = (ends, prices["close"])
    columns: dict[str, object] = {
        "bar_start_at": to_instants(labels[kept]),
        "bar_seconds": endpoint.period_seconds,
    }
    if not is_traded:
        columns |= {f"mark_{cell}": price for cell, price in prices.items()}
        return rows.batches("mark_ohlc", len(kept), columns)
    columns |= prices
    for cell in ("volume", "taker_buy"):
        if cell in values:
            quantities = instrument.units.to_position(kept_values[cell], spec.volume_unit)
            columns[f"{cell}_quantity"] = quantities / spec.sides_counted
    if "trade_count" in values:
        columns["trade_count"] = kept_values["trade_count"] / spec.sides_counted
    return rows.batches("ohlcv", len(kept), columns)


def _read_funding(spec: Funding, rows: ResponseRows) -> list[Batch]:
    rates, labels, seen = rows.numbers("rate"), rows.labels, rows.context.seen
    flag_funding({"rate": rates}, rows.flag)
    kept = rows.keep(labels.tolist(), [rates], rows.are_wanted())
    kept = kept[[int(labels[row]) not in seen for row in kept]] if len(kept) else kept
    rows.context.seen = set(labels.tolist())
    columns = {
        # Some venues label a payment some milliseconds late.
        "funded_at": to_instants(labels[kept] // 1000 * 1000),
        "funding_rate_ratio": rates[kept],
        "funding_interval_hours": spec.interval_hours,
    }
    return rows.batches("funding_rate", len(kept), columns)


def _read_ratio(spec: LongShortRatio, rows: ResponseRows) -> list[Batch]:
    # Endpoints that carry several ratios send 0 for those they do not keep.
    if "ratio" in rows.endpoint.columns:
        ratios = rows.numbers("ratio", is_required=False)
        is_known = ~np.isnan(ratios) & (ratios != 0)
        flag_ratios({"ratio": np.where(is_known, ratios, np.nan)}, rows.flag)
    else:
        longs, shorts = rows.numbers("long"), rows.numbers("short")
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = longs / shorts
        is_known = np.isfinite(ratios)
        flag_ratios({"ratio": np.where(is_known, ratios, 0.0)}, rows.flag)
    kept = rows.keep(rows.labels.tolist(), [ratios], rows.are_wanted() & is_known)
    columns = {
        "observed_at": to_instants(rows.labels[kept] + spec.label_shift_seconds * 1000),
        "measure": spec.measure,
        "long_short_ratio": ratios[kept],
    }
    return rows.batches("long_short_ratio", len(kept), columns)


_READERS: Mapping[type, Callable[[Any, ResponseRows], list[Batch]]] = {
    Candles: _read_candles,
    Funding: _read_funding,
    LongShortRatio: _read_ratio,
    OpenInterest: read_open_interest,
    OrderLiquidations: read_order_liquidations,
    PeriodLiquidations: read_period_liquidations,
}
