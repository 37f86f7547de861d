"""Realised liquidations of venues, as orders or as sums of periods, from REST and from streams.

Belongs here: which position an order closed, its quantity and value. Does not belong here: keeping
streams alive (`sources.recorder`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from sources.checks import LARGEST_FIGURE
from sources.records import Batch
from sources.units import AmountUnit
from sources.venues.declaration import OrderLiquidations, PeriodLiquidations, SideRule, Stream
from sources.venues.endpoints import Columns
from sources.venues.instruments import Instrument
from sources.venues.payload import Floats, from_ms, take_cell, to_instants, to_ms, to_number
from sources.venues.plausibility import TOLERATED_AHEAD_MS
from sources.venues.responses import ResponseRows

KIND = "realised_liquidation"
_DAY_MS = 24 * 3_600_000


class Fault(NamedTuple):
    """Why a row is no order: the cell and the reason."""

    cell: str
    reason: str


@dataclass(frozen=True, slots=True)
class LiquidationOrder:
    """One liquidation order as received.

    Parameters
    ----------
    price, amount : float
        In the venue's units.
    closes_long : bool
        Whether it closed a long position.
    """

    price: float
    amount: float
    closes_long: bool

    def record(
        self, instrument: Instrument, unit: AmountUnit, *, closes_long: bool | None = None
    ) -> dict[str, object]:
        """Return the columns of its record, units normalised.

        ``closes_long`` overrides the side, for a trade that liquidated its other party.
        """
        is_long = self.closes_long if closes_long is None else closes_long
        quantity = instrument.units.to_position(self.amount, unit)
        price = self.price / instrument.base_multiplier
        return {
            "instrument": instrument.instrument,
            "period_seconds": 0,
            "side": "long" if is_long else "short",
            "price": price,
            "liquidated_quantity": quantity,
            "liquidated_usd": instrument.units.position_to_usd(quantity, price),
        }


def read_order(
    row: object, columns: Columns, sides: Sequence[SideRule]
) -> LiquidationOrder | Fault:
    """Return the order in a row, or its fault."""
    figures = {}
    for cell in ("price", "amount"):
        figure = to_number(take_cell(row, columns[cell]))
        if figure is None:
            return Fault(cell, "missing or not a finite number")
        if figure <= 0:
            return Fault(cell, "not above 0")
        if figure > LARGEST_FIGURE:
            return Fault(cell, "more than exists of any coin or currency")
        figures[cell] = figure
    is_long = closes_long(row, sides)
    if is_long is None:
        return Fault("side", "no side, or an unknown one")
    return LiquidationOrder(figures["price"], figures["amount"], is_long)


def closes_long(row: object, sides: Sequence[SideRule]) -> bool | None:
    """Return whether an order closed a long position; None where its row does not show it.

    Examples
    --------
    >>> rules = (("posSide", "long", True), ("posSide", "short", False), ("side", "sell", True))
    >>> closes_long({"posSide": "short", "side": "buy"}, rules)
    False
    >>> closes_long({"posSide": "net", "side": "sell"}, rules), closes_long({}, rules)
    (True, None)
    """
    for column, value, is_long in sides:
        if take_cell(row, column) == value:
            return is_long
    return None


def read_order_liquidations(spec: OrderLiquidations, rows: ResponseRows) -> list[Batch]:
    """Return the liquidation orders of a response: of a list of orders, or of all trades."""
    instrument, columns = rows.context.sole_instrument(), rows.endpoint.columns
    reasons, seen = rows.table.rejects.reasons, rows.context.seen
    keys = rows.table.texts(columns["key"])
    rows.flag(np.array([key is None for key in keys], dtype=np.bool_), "key", "missing")
    orders: dict[int, LiquidationOrder] = {}
    marks: dict[int, object] = {}
    for number, row in enumerate(rows.table.rows):
        if spec.mark_column is not None:
            marks[number] = take_cell(row, spec.mark_column)
            if marks[number] is None:
                reasons.pop(number, None)
                continue
        order = read_order(row, columns, spec.sides)
        if isinstance(order, Fault):
            reasons.setdefault(number, order)
            continue
        orders[number] = order
        if spec.mark_column and marks[number] not in (*spec.taker_marks, *spec.maker_marks):
            reasons.setdefault(number, (spec.mark_column, "an unknown mark of a liquidation"))
    is_order = np.array([number in orders for number in range(len(rows))], dtype=np.bool_)
    figures = [
        np.array([getattr(orders.get(number), cell, np.nan) for number in range(len(rows))])
        for cell in ("price", "amount")
    ]
    labelled = list(zip(rows.labels.tolist(), keys, strict=True))
    records: list[dict[str, object]] = []
    for number in map(int, rows.keep(labelled, figures, rows.are_wanted() & is_order)):
        label, key = labelled[number]
        if (label, key) in seen:
            continue
        for is_long in _sides_closed(spec, orders[number], marks.get(number)):
            record = orders[number].record(instrument, spec.amount_unit, closes_long=is_long)
            records.append(record | {"period_start_at": from_ms(label), "order_key": str(key)})
    rows.context.seen = set(labelled)
    lists = {name: [one[name] for one in records] for name in records[0]} if records else {}
    return rows.batches(KIND, len(records), lists | {"is_complete_feed": spec.is_complete})


def _sides_closed(spec: OrderLiquidations, order: LiquidationOrder, mark: object) -> list[bool]:
    """Return whether long positions were closed, for each party of a trade that was liquidated."""
    taker = [order.closes_long] if mark is None or mark in spec.taker_marks else []
    maker = [not order.closes_long] if mark in spec.maker_marks else []
    return taker + maker


def read_period_liquidations(spec: PeriodLiquidations, rows: ResponseRows) -> list[Batch]:
    """Return liquidations summed over periods: one record for each side."""
    units = rows.context.sole_instrument().units
    cells = ("long_amount", "long_usd", "short_amount", "short_usd")
    values = {cell: rows.numbers(cell) for cell in cells}
    for cell, column in values.items():
        rows.flag(column < 0, cell, "negative")
    kept = rows.keep(rows.labels.tolist(), list(values.values()), rows.are_wanted())

    def both(cell: str) -> Floats:
        """Return a column of longs and shorts in turn."""
        sides = [values[f"{side}_{cell}"][kept] for side in ("long", "short")]
        return np.stack(sides, axis=1).reshape(-1)

    columns = {
        "period_start_at": to_instants(np.repeat(rows.labels[kept], 2)),
        "period_seconds": rows.endpoint.period_seconds,
        "side": ["long", "short"] * len(kept),
        "liquidated_quantity": units.to_position(both("amount"), spec.amount_unit),
        "liquidated_usd": both("usd"),
        "is_complete_feed": spec.is_complete,
        "order_key": "",
    }
    return rows.batches(KIND, 2 * len(kept), columns)


def find_stream_orders(message: object, stream: Stream) -> list[object] | None:
    """Return the orders in a message, each with the fields of its row; None for no such path."""
    here: Any = message
    for step in stream.rows:
        here = here.get(step) if isinstance(here, Mapping) else None
    rows = [here] if isinstance(here, Mapping) else here
    if not isinstance(rows, list):
        return None
    if stream.details_key is None:
        return rows
    orders: list[object] = []
    for row in rows:
        details = row.get(stream.details_key) if isinstance(row, Mapping) else None
        if not isinstance(details, list):
            return None
        orders.extend({**row, **one} if isinstance(one, Mapping) else one for one in details)
    return orders


def read_stream_record(
    row: object, stream: Stream, instrument: Instrument, now: datetime
) -> dict[str, object] | Fault:
    """Return the record of an order, or its fault."""
    at = to_number(take_cell(row, stream.columns["time"]))
    if at is None:
        return Fault("time", "missing or not a finite number")
    if abs(at - to_ms(now)) > _DAY_MS or at > to_ms(now) + TOLERATED_AHEAD_MS:
        return Fault("time", "not of today")
    order = read_order(row, stream.columns, stream.sides)
    if isinstance(order, Fault):
        return order
    is_linear = instrument.contract_kind == "linear"
    unit = stream.amount_unit_linear if is_linear else stream.amount_unit_inverse
    instants = {"period_start_at": from_ms(int(at)), "ingested_at": now}
    return order.record(instrument, unit) | instants
