"""Open interest of a response: one side counted, units audited, jumps set aside.

Belongs here: what open interest needs beyond other records. Does not belong here: the rules it is
checked by (`sources.venues.plausibility`).
"""

from collections.abc import Sequence

import numpy as np

from sources.checks import flag_open_interest
from sources.records import Batch
from sources.units import AmountUnit
from sources.venues.declaration import OpenInterest
from sources.venues.endpoints import Endpoint
from sources.venues.instruments import Instrument
from sources.venues.payload import (
    Floats,
    Milliseconds,
    from_ms,
    take_cell,
    to_instants,
    to_number,
)
from sources.venues.plausibility import OpenInterestRows, audit_units, flag_jumps, flag_sides
from sources.venues.responses import ResponseContext, ResponseRows


def snapshot_labels(
    endpoint: Endpoint, payload: object, context: ResponseContext, count: int
) -> Milliseconds:
    """Return when a response without labels was made, once for each row [ms]."""
    made = to_number(take_cell(payload, endpoint.time_key)) if endpoint.time_key else None
    return np.full(count, context.now_ms if made is None else int(made), dtype=np.int64)


def read_open_interest(spec: OpenInterest, rows: ResponseRows) -> list[Batch]:
    """Return the open interest of a response."""
    context, labels = rows.context, rows.labels
    instruments = rows.instruments()
    columns = rows.endpoint.columns
    values = {
        cell: rows.numbers(cell, is_required=cell == spec.quantity_from)
        for cell in columns
        if cell in ("amount", "value", "price")
    }
    flag_open_interest(values, rows.flag)
    if "one_side" in columns:
        one_side = rows.numbers("one_side", is_required=False)
        flag_sides(values[spec.quantity_from], one_side, spec.sides_counted, rows.flag)
    # Faults in rows of instruments that were not requested do not count.
    is_requested = np.array([one is not None for one in instruments], dtype=np.bool_)
    for row in np.flatnonzero(~is_requested):
        rows.table.rejects.reasons.pop(int(row), None)

    observed = labels + spec.label_shift_seconds * 1000
    prices = _prices_of_rows(values.get("price"), instruments, observed, context)
    unit = _quantity_unit(spec, context.venue)
    quantities = _convert(values[spec.quantity_from], instruments, unit) / spec.sides_counted
    unknown = np.full(len(rows), np.nan)
    amounts, received_values = values.get("amount", unknown), values.get("value", unknown)
    ratios = audit_units(
        _convert_to_usd(amounts, instruments, spec.amount_unit, prices),
        _convert_to_usd(received_values, instruments, spec.value_unit, prices),
        rows.table.rejects,
    )
    wanted = rows.are_wanted() & is_requested
    order = np.argsort(labels, kind="stable")
    flag_jumps(
        OpenInterestRows(
            quantities, instruments, [from_ms(int(at)) for at in observed], prices, ratios
        ),
        order[wanted[order]],
        context.previous,
        rows.table.rejects,
    )
    names = [one.instrument if one else None for one in instruments]
    keys = list(zip(names, labels.tolist(), strict=True))
    kept = rows.keep(keys, [quantities], wanted)
    context.audit.add(ratios[kept])
    records = {
        "instrument": [names[row] for row in kept],
        "observed_at": to_instants(observed[kept]),
        "open_interest_quantity": quantities[kept],
        "received_amount": amounts[kept],
        "received_amount_unit": _units_where_known(spec.amount_unit, amounts[kept]),
        "received_value": received_values[kept],
        "received_value_unit": _units_where_known(spec.value_unit, received_values[kept]),
        "sides_counted": spec.sides_counted,
    }
    return rows.batches("open_interest", len(kept), records, names)


def _quantity_unit(spec: OpenInterest, venue: str) -> AmountUnit:
    """Return the unit of the figure that becomes the quantity."""
    if spec.quantity_from == "amount" and spec.amount_unit is not None:
        return spec.amount_unit
    if spec.quantity_from == "value" and spec.value_unit == "usd":
        return "usd"
    raise ValueError(
        f"{venue}: open interest is declared to come from {spec.quantity_from}, whose unit needs "
        "a price or is not declared; correct the declaration"
    )


def _prices_of_rows(
    received: Floats | None,
    instruments: Sequence[Instrument | None],
    observed: Milliseconds,
    context: ResponseContext,
) -> Floats:
    """Return each row's price [USD per asset unit]: as received, else the close of that instant."""
    prices = np.full(len(instruments), np.nan)
    unpriced: dict[str, list[int]] = {}
    for row, one in enumerate(instruments):
        if one is None:
            continue
        if received is not None and not np.isnan(received[row]):
            prices[row] = received[row] / one.base_multiplier
        else:
            unpriced.setdefault(one.instrument, []).append(row)
    for name, rows in unpriced.items():
        prices[rows] = context.closes.at(name, observed[rows])
    return prices


def _convert(figures: Floats, instruments: Sequence[Instrument | None], unit: AmountUnit) -> Floats:
    """Return figures in position units; NaN for instruments that were not requested."""
    return np.array(
        [
            np.nan if one is None else one.units.to_position(float(figure), unit)
            for one, figure in zip(instruments, figures, strict=True)
        ]
    )


def _convert_to_usd(
    figures: Floats,
    instruments: Sequence[Instrument | None],
    unit: AmountUnit | None,
    prices: Floats,
) -> Floats:
    """Return figures in USD; NaN where the unit is not declared or the price is not known."""
    if unit is None:
        return np.full(len(figures), np.nan)
    return np.array(
        [
            np.nan if one is None else one.units.to_usd(float(figure), unit, float(price))
            for one, figure, price in zip(instruments, figures, prices, strict=True)
        ]
    )


def _units_where_known(unit: str | None, figures: Floats) -> list[str | None]:
    return [None if np.isnan(figure) else unit for figure in figures]
