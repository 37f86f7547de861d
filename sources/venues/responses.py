"""From the rows of an answer to records: units normalised, stamps moved, faults set aside.

Belongs here: one function for each kind of declaration. Does not belong here: how the answer was
got (`sources.venues.client`), nor which column is which (`sources.venues.declared`).

Each function takes the rows of one answer and gives the records of those it can use, and a
quarantine for the others. Rows of other instruments, outside the asked span or not yet final are
left out without a word: they were not asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sources.checks import (
    QuarantinedRow,
    flag_bars,
    flag_funding,
    flag_open_interest,
    flag_ratios,
    quarantine,
)
from sources.records import SCHEMAS, Batch
from sources.venues.declaration import (
    AmountUnit,
    Candles,
    Endpoint,
    Funding,
    LongShortRatio,
    OpenInterest,
    OrderLiquidations,
    PeriodLiquidations,
    SideRule,
)
from sources.venues.instruments import Instrument
from sources.venues.payload import (
    Floats,
    Milliseconds,
    Table,
    find_rows,
    take_cell,
    to_number,
)
from sources.venues.plausibility import (
    AuditLog,
    Observation,
    audit_units,
    drop_repeated,
    flag_ahead,
    flag_jumps,
    flag_sides,
)

Reading = Candles | OpenInterest | Funding | LongShortRatio | PeriodLiquidations | OrderLiquidations


def to_ms(instant: datetime) -> int:
    """Return an instant as whole milliseconds since 1970."""
    return round(instant.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """Return an instant, UTC, from milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


@dataclass(slots=True)
class Closes:
    """Closing prices lately seen, by instrument: what values open interest in the audit.

    Parameters
    ----------
    bars : dict of str to (ndarray of int64, ndarray of float64)
        Ends of bars [ms] and their closes [USD per asset unit].
    """

    bars: dict[str, tuple[Milliseconds, Floats]] = field(default_factory=dict)

    def at(self, instrument: str, instants: Milliseconds) -> Floats:
        """Return the closes at exactly these instants, NaN where there is none."""
        if instrument not in self.bars:
            return np.full(len(instants), np.nan)
        ends, closes = self.bars[instrument]
        places = np.clip(np.searchsorted(ends, instants), 0, len(ends) - 1)
        return np.where(ends[places] == instants, closes[places], np.nan)


@dataclass(slots=True)
class Context:
    """What is known when an answer is read.

    Parameters
    ----------
    venue : str
        Whose answer it is.
    instruments : mapping of str to Instrument
        Those asked for, by what the ask's ``id_column`` spells; of one instrument where the
        answer names none.
    now : datetime
        When the answer was received.
    input_name : str
        The request, free of secrets.
    first_ms, end_ms : int or None
        Labels wanted: from the first up to, not including, the end. None: all.
    previous : mapping of str to Observation
        Last accepted open interest.
    closes : Closes
        Prices for the audit.
    audit : AuditLog
        Takes the ratios of the audit.
    seen : set
        Keys of the answer before, where pages overlap.
    """

    venue: str
    instruments: Mapping[str, Instrument]
    now: datetime
    input_name: str
    first_ms: int | None = None
    end_ms: int | None = None
    previous: Mapping[str, Observation] = field(default_factory=dict)
    closes: Closes = field(default_factory=Closes)
    audit: AuditLog = field(default_factory=AuditLog)
    seen: set[object] = field(default_factory=set)

    @property
    def now_ms(self) -> int:
        """Return when the answer was received [ms]."""
        return to_ms(self.now)

    def sole_instrument(self) -> Instrument:
        """Return the one instrument asked for."""
        (instrument,) = self.instruments.values()
        return instrument


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer gave.

    Parameters
    ----------
    batches : list of Batch
        Records, and quarantine where something was refused.
    labels : ndarray of int64
        Labels of all rows that have one [ms], for paging.
    received : int
        Rows in the answer.
    """

    batches: list[Batch]
    labels: Milliseconds
    received: int


def source_of(endpoint: Endpoint) -> str:
    """Return the provenance of records from an endpoint."""
    return f"ccxt:{endpoint.method}"


def read_page(reading: Reading, endpoint: Endpoint, answer: object, context: Context) -> Page:
    """Return the records of one answer.

    Parameters
    ----------
    reading : Reading
        What is read from it.
    endpoint : Endpoint
        How the answer is laid out.
    answer : object
        Decoded JSON.
    context : Context
        Who was asked for what, and when.

    Raises
    ------
    MalformedAnswer
        Where the answer has no rows where they are declared.
    """
    table = Table(find_rows(answer, endpoint))
    if isinstance(reading, OpenInterest):
        batches, labels = _read_open_interest(reading, endpoint, answer, table, context)
    else:
        labels = table.labels(endpoint.columns["time"], endpoint.label_unit)
        flag_ahead(labels, context.now_ms, table.rejects)
        batches = _READERS[type(reading)](reading, endpoint, table, labels, context)
    return Page(batches, labels[labels > 0], len(table.rows))


def _wanted(labels: Milliseconds, context: Context, settles_ms: int) -> npt.NDArray[np.bool_]:
    """Return which labels were asked for and stand for something finished."""
    wanted = (labels > 0) & (labels + settles_ms <= context.now_ms)
    if context.first_ms is not None:
        wanted &= labels >= context.first_ms
    if context.end_ms is not None:
        wanted &= labels < context.end_ms
    return wanted


def _keep(
    keys: Sequence[object],
    values: Sequence[Floats],
    wanted: npt.NDArray[np.bool_],
    labels: Milliseconds,
    table: Table,
) -> npt.NDArray[np.intp]:
    """Return the rows that become records, by label: wanted, without fault, each key once."""
    usable = wanted & table.rejects.is_usable
    kept, contradicting = drop_repeated(keys, values, usable)
    table.rejects.flag(contradicting, "time", "a second row of this label says something else")
    rows = np.flatnonzero(kept)
    return rows[np.argsort(labels[rows], kind="stable")]


def _quarantined(
    kind: str, endpoint: Endpoint, table: Table, context: Context, instruments: Sequence[str | None]
) -> list[Batch]:
    if not table.rejects.reasons:
        return []
    rows = [
        QuarantinedRow(
            reason=reason,
            received=table.received(row),
            row_number=row + 1,
            column_name=cell,
            instrument=instruments[row],
        )
        for row, (cell, reason) in sorted(table.rejects.reasons.items())
    ]
    return [
        quarantine(
            rows,
            kind=kind,
            venue=context.venue,
            input_name=context.input_name,
            source=source_of(endpoint),
            ingested_at=context.now,
        )
    ]


def _batch(
    kind: str, rows: int, endpoint: Endpoint, context: Context, columns: Mapping[str, Any]
) -> Batch:
    """Return records of a kind from columns; a plain value stands for all rows."""
    constants = {"venue": context.venue, "source": source_of(endpoint), "ingested_at": context.now}
    arrays: list[Any] = []
    for schema_field in SCHEMAS[kind]:
        value = columns.get(schema_field.name, constants.get(schema_field.name))
        if isinstance(value, np.ndarray) and pa.types.is_timestamp(schema_field.type):
            array: Any = pa.array(value * 1000, pa.int64()).cast(schema_field.type)
        elif isinstance(value, np.ndarray) and pa.types.is_integer(schema_field.type):
            missing = np.isnan(value)
            whole = np.where(missing, 0, value).astype(np.int64)
            array = pa.array(whole, schema_field.type, mask=missing)
        elif isinstance(value, np.ndarray):
            array = pa.array(value, schema_field.type, from_pandas=True)
        elif isinstance(value, list):
            array = pa.array(value, schema_field.type)
        else:
            array = pa.array([value] * rows, schema_field.type)
        arrays.append(array)
    return Batch(kind, pa.Table.from_arrays(arrays, schema=SCHEMAS[kind]))


def _read_candles(
    reading: Candles, endpoint: Endpoint, table: Table, labels: Milliseconds, context: Context
) -> list[Batch]:
    instrument = context.sole_instrument()
    has_volume = "volume" in endpoint.columns
    kind = "ohlcv" if has_volume else "mark_ohlc"
    # A bar is stored once: with a cell left out this time, it would lack it for ever.
    values = {
        cell: table.numbers(column, cell, is_required=True)
        for cell, column in endpoint.columns.items()
        if cell != "time"
    }
    flag_bars(values, table.rejects.flag)
    is_off = (labels > 0) & (labels % (endpoint.period_seconds * 1000) != 0)
    table.rejects.flag(is_off, "time", f"no multiple of {endpoint.period_seconds} s")
    wanted = _wanted(labels, context, endpoint.settles_after_seconds * 1000)
    if endpoint.closed is not None:
        column, final = endpoint.closed
        wanted &= np.array(
            [state is None or state == final for state in table.texts(column)], dtype=np.bool_
        )
    kept = _keep(labels.tolist(), list(values.values()), wanted, labels, table)
    prices = {
        cell: values[cell][kept] / instrument.base_multiplier
        for cell in ("open", "high", "low", "close")
    }
    if len(kept):
        ends = labels[kept] + endpoint.period_seconds * 1000
        context.closes.bars[instrument.instrument] = (ends, prices["close"])
    columns: dict[str, Any] = {
        "instrument": instrument.instrument,
        "bar_start_at": labels[kept],
        "bar_seconds": endpoint.period_seconds,
    }
    if has_volume:
        factor = instrument.quantity_factor(reading.volume_unit, reading.sides_counted)
        columns |= prices
        columns["volume_quantity"] = values["volume"][kept] * factor
        if "taker_buy" in values:
            columns["taker_buy_quantity"] = values["taker_buy"][kept] * factor
        if "trade_count" in values:
            columns["trade_count"] = values["trade_count"][kept] / reading.sides_counted
    else:
        columns |= {f"mark_{cell}": price for cell, price in prices.items()}
    names = [instrument.instrument] * len(table.rows)
    return [
        _batch(kind, len(kept), endpoint, context, columns),
        *_quarantined(kind, endpoint, table, context, names),
    ]


def _read_open_interest(
    reading: OpenInterest, endpoint: Endpoint, answer: object, table: Table, context: Context
) -> tuple[list[Batch], Milliseconds]:
    count = len(table.rows)
    of_row = instruments_of_rows(endpoint, table, context)
    if "time" in endpoint.columns:
        labels = table.labels(endpoint.columns["time"], endpoint.label_unit)
    else:
        told = to_number(take_cell(answer, endpoint.answer_time)) if endpoint.answer_time else None
        labels = np.full(count, context.now_ms if told is None else int(told), dtype=np.int64)
    flag_ahead(labels, context.now_ms, table.rejects)

    values = {
        cell: table.numbers(column, cell, is_required=cell == reading.quantity_from)
        for cell, column in endpoint.columns.items()
        if cell in ("amount", "value", "price")
    }
    flag_open_interest(values, table.rejects.flag)
    if "one_side" in endpoint.columns:
        one_side = table.numbers(endpoint.columns["one_side"], "one_side", is_required=False)
        flag_sides(
            values[reading.quantity_from], one_side, reading.sides_counted, table.rejects.flag
        )
    # Of the instruments nobody asked for, nothing is held against the venue.
    for row, one in enumerate(of_row):
        if one is None:
            table.rejects.reasons.pop(row, None)

    observed = labels + reading.label_shift_seconds * 1000
    prices = _prices_of_rows(values.get("price"), of_row, observed, context)
    unit = _quantity_unit(reading, context.venue)
    factors = [
        one.quantity_factor(unit, reading.sides_counted) if one else np.nan for one in of_row
    ]
    quantities = values[reading.quantity_from] * np.array(factors)
    amounts = values.get("amount", np.full(count, np.nan))
    told_values = values.get("value", np.full(count, np.nan))
    ratios = audit_units(
        _amount_in_usd(reading, amounts, prices, of_row),
        told_values * prices if reading.value_unit == "base" else told_values,
        table.rejects,
    )

    wanted = _wanted(labels, context, endpoint.settles_after_seconds * 1000)
    wanted &= np.array([one is not None for one in of_row], dtype=np.bool_)
    order = np.argsort(labels, kind="stable")
    flag_jumps(
        quantities,
        order[wanted[order]],
        of_row,
        [from_ms(int(at)) for at in observed],
        prices,
        ratios,
        context.previous,
        table.rejects,
    )
    keys = [
        (one.instrument if one else None, label)
        for one, label in zip(of_row, labels.tolist(), strict=True)
    ]
    kept = _keep(keys, [quantities], wanted, labels, table)
    context.audit.add(ratios[kept])
    names = [one.instrument if one else None for one in of_row]
    columns = {
        "instrument": [names[row] for row in kept],
        "observed_at": observed[kept],
        "open_interest_quantity": quantities[kept],
        "received_amount": amounts[kept],
        "received_amount_unit": _units_where_told(reading.amount_unit, amounts[kept]),
        "received_value": told_values[kept],
        "received_value_unit": _units_where_told(reading.value_unit, told_values[kept]),
        "sides_counted": reading.sides_counted,
    }
    batches = [
        _batch("open_interest", len(kept), endpoint, context, columns),
        *_quarantined("open_interest", endpoint, table, context, names),
    ]
    return batches, labels


def _quantity_unit(reading: OpenInterest, venue: str) -> AmountUnit:
    """Return the unit of the figure that the quantity is made of."""
    if reading.quantity_from == "amount" and reading.amount_unit is not None:
        return reading.amount_unit
    if reading.quantity_from == "value" and reading.value_unit == "usd":
        return "usd"
    raise ValueError(
        f"{venue}: open interest is declared as made of {reading.quantity_from}, whose unit needs "
        "a price or is not declared; correct the declaration"
    )


def _prices_of_rows(
    told: Floats | None,
    of_row: Sequence[Instrument | None],
    observed: Milliseconds,
    context: Context,
) -> Floats:
    """Return each row's price [USD per asset unit]: as told, else the close of that instant."""
    prices = np.full(len(of_row), np.nan)
    unpriced: dict[str, list[int]] = {}
    for row, one in enumerate(of_row):
        if one is None:
            continue
        if told is not None and not np.isnan(told[row]):
            prices[row] = told[row] / one.base_multiplier
        else:
            unpriced.setdefault(one.instrument, []).append(row)
    for name, rows in unpriced.items():
        prices[rows] = context.closes.at(name, observed[rows])
    return prices


def _units_where_told(unit: str | None, figures: Floats) -> list[str | None]:
    return [None if np.isnan(figure) else unit for figure in figures]


def instruments_of_rows(
    endpoint: Endpoint, table: Table, context: Context
) -> list[Instrument | None]:
    """Return whose row each is; None for instruments nobody asked for."""
    if endpoint.id_column is None:
        return [context.sole_instrument()] * len(table.rows)
    return [
        context.instruments.get(name) if name is not None else None
        for name in table.texts(endpoint.id_column)
    ]


def _amount_in_usd(
    reading: OpenInterest,
    amounts: Floats,
    prices: Floats,
    of_row: Sequence[Instrument | None],
) -> Floats:
    """Return amounts in USD by their declared unit; NaN where the price is not known."""
    usd = np.full(len(of_row), np.nan)
    for row, one in enumerate(of_row):
        if one is None:
            continue
        if reading.amount_unit == "base":
            usd[row] = amounts[row] * one.base_multiplier * prices[row]
        else:
            price = prices[row] if one.contract_kind == "linear" else 1.0
            usd[row] = amounts[row] * one.contract_size * price
    return usd


def _read_funding(
    reading: Funding, endpoint: Endpoint, table: Table, labels: Milliseconds, context: Context
) -> list[Batch]:
    instrument = context.sole_instrument()
    rates = table.numbers(endpoint.columns["rate"], "rate", is_required=True)
    flag_funding({"rate": rates}, table.rejects.flag)
    wanted = _wanted(labels, context, 0)
    kept = _keep(labels.tolist(), [rates], wanted, labels, table)
    kept = kept[[int(labels[row]) not in context.seen for row in kept]] if len(kept) else kept
    context.seen = set(labels.tolist())
    columns = {
        "instrument": instrument.instrument,
        # Some venues stamp a settlement some milliseconds late.
        "funded_at": labels[kept] // 1000 * 1000,
        "funding_rate_ratio": rates[kept],
        "funding_interval_hours": reading.interval_hours,
    }
    names = [instrument.instrument] * len(table.rows)
    return [
        _batch("funding_rate", len(kept), endpoint, context, columns),
        *_quarantined("funding_rate", endpoint, table, context, names),
    ]


def _read_ratio(
    reading: LongShortRatio,
    endpoint: Endpoint,
    table: Table,
    labels: Milliseconds,
    context: Context,
) -> list[Batch]:
    instrument = context.sole_instrument()
    # Endpoints that carry several ratios send 0 for those they do not keep.
    if "ratio" in endpoint.columns:
        ratios = table.numbers(endpoint.columns["ratio"], "ratio", is_required=False)
        is_told = ~np.isnan(ratios) & (ratios != 0)
        flag_ratios({"ratio": np.where(is_told, ratios, np.nan)}, table.rejects.flag)
    else:
        longs = table.numbers(endpoint.columns["long"], "long", is_required=True)
        shorts = table.numbers(endpoint.columns["short"], "short", is_required=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = longs / shorts
        is_told = np.isfinite(ratios)
        flag_ratios({"ratio": np.where(is_told, ratios, 0.0)}, table.rejects.flag)
    wanted = _wanted(labels, context, endpoint.settles_after_seconds * 1000) & is_told
    kept = _keep(labels.tolist(), [ratios], wanted, labels, table)
    columns = {
        "instrument": instrument.instrument,
        "observed_at": labels[kept] + reading.label_shift_seconds * 1000,
        "measure": reading.measure,
        "long_short_ratio": ratios[kept],
    }
    names = [instrument.instrument] * len(table.rows)
    return [
        _batch("long_short_ratio", len(kept), endpoint, context, columns),
        *_quarantined("long_short_ratio", endpoint, table, context, names),
    ]


def _read_period_liquidations(
    reading: PeriodLiquidations,
    endpoint: Endpoint,
    table: Table,
    labels: Milliseconds,
    context: Context,
) -> list[Batch]:
    instrument = context.sole_instrument()
    values = {
        cell: table.numbers(endpoint.columns[cell], cell, is_required=True)
        for cell in ("long_amount", "long_usd", "short_amount", "short_usd")
    }
    for cell, column in values.items():
        table.rejects.flag(column < 0, cell, "negative")
    wanted = _wanted(labels, context, endpoint.settles_after_seconds * 1000)
    kept = _keep(labels.tolist(), list(values.values()), wanted, labels, table)
    factor = instrument.quantity_factor(reading.amount_unit)
    both = len(kept) * 2
    columns = {
        "instrument": instrument.instrument,
        "period_start_at": np.repeat(labels[kept], 2),
        "period_seconds": endpoint.period_seconds,
        "side": ["long", "short"] * len(kept),
        "liquidated_quantity": _interleave(
            values["long_amount"][kept], values["short_amount"][kept]
        )
        * factor,
        "liquidated_usd": _interleave(values["long_usd"][kept], values["short_usd"][kept]),
        "is_complete_feed": reading.is_complete,
        "order_key": "",
    }
    names = [instrument.instrument] * len(table.rows)
    return [
        _batch("realised_liquidation", both, endpoint, context, columns),
        *_quarantined("realised_liquidation", endpoint, table, context, names),
    ]


def _interleave(first: Floats, second: Floats) -> Floats:
    return np.stack([first, second], axis=1).reshape(-1)


def closes_long(row: object, sides: Sequence[SideRule]) -> bool | None:
    """Return whether a row says that a long position was closed; None where it does not say.

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


def _read_order_liquidations(
    reading: OrderLiquidations,
    endpoint: Endpoint,
    table: Table,
    labels: Milliseconds,
    context: Context,
) -> list[Batch]:
    instrument = context.sole_instrument()
    prices = table.numbers(endpoint.columns["price"], "price", is_required=True)
    amounts = table.numbers(endpoint.columns["amount"], "amount", is_required=True)
    keys = table.texts(endpoint.columns["key"])
    table.rejects.flag(np.array([key is None for key in keys], dtype=np.bool_), "key", "missing")
    flag_open_interest({"price": prices, "amount": amounts}, table.rejects.flag)
    orders: list[tuple[int, str, str]] = []
    wanted = _wanted(labels, context, 0)
    is_liquidation = np.ones(len(table.rows), dtype=np.bool_)
    for row, received in enumerate(table.rows):
        is_long = closes_long(received, reading.sides)
        mark = take_cell(received, reading.mark_column) if reading.mark_column else None
        if reading.mark_column and mark is None:
            is_liquidation[row] = False
            table.rejects.reasons.pop(row, None)
        elif is_long is None:
            table.rejects.reasons.setdefault(row, ("side", "no side, or an unknown one"))
        elif reading.mark_column and mark not in (*reading.taker_marks, *reading.maker_marks):
            table.rejects.reasons.setdefault(
                row, (reading.mark_column, "an unknown mark of a liquidation")
            )
    kept = _keep(
        list(zip(labels.tolist(), keys, strict=True)),
        [prices, amounts],
        wanted & is_liquidation,
        labels,
        table,
    )
    for row in kept:
        key = (int(labels[row]), keys[row])
        if key in context.seen:
            continue
        is_long = closes_long(table.rows[row], reading.sides)
        mark = take_cell(table.rows[row], reading.mark_column) if reading.mark_column else None
        for marks, is_turned in ((reading.taker_marks, False), (reading.maker_marks, True)):
            if mark in marks or (mark is None and not is_turned):
                side = "long" if is_long != is_turned else "short"
                orders.append((int(row), side, str(keys[row])))
    context.seen = set(zip(labels.tolist(), keys, strict=True))
    rows = np.array([row for row, _, _ in orders], dtype=np.intp)
    quantities = amounts[rows] * instrument.quantity_factor(reading.amount_unit)
    asset_prices = prices[rows] / instrument.base_multiplier
    columns = {
        "instrument": instrument.instrument,
        "period_start_at": labels[rows],
        "period_seconds": 0,
        "side": [side for _, side, _ in orders],
        "price": asset_prices,
        "liquidated_quantity": quantities,
        "liquidated_usd": quantities * asset_prices
        if instrument.contract_kind == "linear"
        else quantities,
        "is_complete_feed": reading.is_complete,
        "order_key": [key for _, _, key in orders],
    }
    names = [instrument.instrument] * len(table.rows)
    return [
        _batch("realised_liquidation", len(orders), endpoint, context, columns),
        *_quarantined("realised_liquidation", endpoint, table, context, names),
    ]


_READERS: Mapping[type, Callable[..., list[Batch]]] = {
    Candles: _read_candles,
    Funding: _read_funding,
    LongShortRatio: _read_ratio,
    PeriodLiquidations: _read_period_liquidations,
    OrderLiquidations: _read_order_liquidations,
}
