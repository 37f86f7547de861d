"""Units of a venue's figures, judged by figures that must agree with them.

Belongs here: volume against its other columns, kinds of one instrument against each other, open
interest in lots. Does not belong here: everything else about a response
(`sources.venues.conformance`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sources.records import Batch
from sources.units import AmountUnit
from sources.venues.declaration import Candles, OpenInterest
from sources.venues.declared_endpoints import DeclaredEndpoint, Difference
from sources.venues.endpoints import Column, Endpoint
from sources.venues.instruments import Instrument
from sources.venues.payload import Floats, Table, find_rows
from sources.venues.plausibility import LARGEST_AUDIT_RATIO

ALL_CONTRACTS = "all contracts"
"""Name under which figures of all contracts are counted together."""

# Open interest equals minutes to weeks of trading; beyond this it is in another unit.
_LARGEST_TURNOVER = 200.0
_LARGEST_MARK_RATIO = 1.05
_ROUNDING = 0.01
_UNITS: tuple[AmountUnit, ...] = ("base", "contracts", "usd")


def examine_volume(
    declared: DeclaredEndpoint,
    endpoint: Endpoint,
    payload: object,
    rows: Sequence[Any],
    instrument: Instrument,
) -> tuple[list[Difference], list[str]]:
    """Return the difference if another column of candles shows volume to be in another unit.

    Most venues publish volume twice, in coins and in USD. Where one of the other columns is the
    volume times price, within high and low, the declared unit is right.
    """
    every = _all_columns(payload, endpoint, rows)
    table = Table(every)
    volume, low, high = (
        table.numbers(endpoint.columns[cell], cell, is_required=False)
        for cell in ("volume", "low", "high")
    )
    used = np.isfinite(volume) & (volume > 0) & (low > 0) & (high >= low)
    others = _other_columns(every, endpoint)
    if not used.any() or not others:
        return [], ["no second column of volume: its unit was not seen"]
    fitting: dict[AmountUnit, Column] = {}
    for unit in _UNITS:
        most = _base_amounts(unit, volume, low, instrument)
        least = _base_amounts(unit, volume, high, instrument)
        for column in others:
            cells = table.numbers(column, "other", is_required=False)
            bounds = [(least, most), (least * low, most * high)]
            if any(_lies_within(cells, *pair, used) for pair in bounds):
                fitting.setdefault(unit, column)
    spec: Candles = declared.spec
    if spec.volume_unit in fitting:
        return [], []
    # Contracts of one coin or of one USD fit in either unit.
    if not fitting:
        return [], ["no other column is volume times price: its unit was not seen"]
    unit, column = next(iter(fitting.items()))
    return [
        Difference(
            "volume",
            f"column {column!r} is the volume times price if volume is {unit}",
            f"volume in {spec.volume_unit}",
            f"{declared.place}.volume_unit",
        )
    ], []


def _all_columns(payload: object, endpoint: Endpoint, rows: Sequence[Any]) -> Sequence[Any]:
    """Return rows with the columns that are not declared too."""
    if not endpoint.is_columnar:
        return rows
    found: Any = payload
    for step in endpoint.rows:
        found = found[step]
    every = {
        key: key for key, cells in found.items()
        if isinstance(cells, list) and len(cells) == len(rows)
    }  # fmt: skip
    return find_rows(payload, replace(endpoint, columns=every))


def _base_amounts(
    unit: AmountUnit, volume: Floats, quoted_prices: Floats, instrument: Instrument
) -> Floats:
    """Return volumes in quoted units of the coin, if they were in a unit."""
    if unit == "base":
        return volume
    usd = instrument.units.to_usd(volume, unit, quoted_prices / instrument.base_multiplier)
    return usd / quoted_prices


def _other_columns(rows: Sequence[Any], endpoint: Endpoint) -> list[Column]:
    """Return the columns of numbers that are neither prices, labels nor the volume."""
    used = set(endpoint.columns.values())
    first = rows[0] if rows else None
    names: list[Column] = []
    if isinstance(first, Mapping):
        names = list(first)
    elif isinstance(first, list):
        names = list(range(len(first)))
    return [one for one in names if one not in used]


def _lies_within(cells: Floats, least: Floats, most: Floats, used: np.ndarray) -> bool:
    """Return whether cells lie within bounds wherever there was trading, up to rounding."""
    with np.errstate(invalid="ignore"):
        fits = (cells >= least * (1 - _ROUNDING)) & (cells <= most * (1 + _ROUNDING))
    return bool(np.isfinite(cells[used]).all() and fits[used].mean() > 0.95)


def compare_kinds(
    of_kind: Mapping[str, DeclaredEndpoint], records: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[tuple[str, Difference]]:
    """Return contradictions between kinds of one instrument, each with the kind to correct.

    Parameters
    ----------
    of_kind : mapping of str to DeclaredEndpoint
        The endpoints by kind.
    records : mapping of str to sequence of mappings
        Records of one instrument by kind, oldest first.
    """
    found: list[tuple[str, Difference]] = []
    now, past = records.get("open_interest_now", ()), records.get("open_interest", ())
    if now and past:
        ratio = now[-1]["open_interest_quantity"] / past[-1]["open_interest_quantity"]
        if not 1 / LARGEST_AUDIT_RATIO < ratio < LARGEST_AUDIT_RATIO:
            words = f"{ratio:.4g} times what history says"
            difference = _unit_difference(of_kind["open_interest_now"], words)
            found.append(("open_interest_now", difference))
    bars = records.get("ohlcv", ())
    volume = sum(one["volume_quantity"] for one in bars)
    for kind in ("open_interest_now", "open_interest"):
        if not records.get(kind) or not volume > 0:
            continue
        daily = volume / len(bars) * 86_400 / bars[-1]["bar_seconds"]
        ratio = records[kind][-1]["open_interest_quantity"] / daily
        if not 1 / _LARGEST_TURNOVER < ratio < _LARGEST_TURNOVER:
            words = f"{ratio:.4g} times the volume of a day: is one of them in another unit?"
            found.append((kind, _unit_difference(of_kind[kind], words)))
    if (marks := records.get("mark_ohlc")) and bars:
        mark = np.median([one["mark_close"] for one in marks])
        ratio = float(mark / np.median([one["close"] for one in bars]))
        if not 1 / _LARGEST_MARK_RATIO < ratio < _LARGEST_MARK_RATIO:
            words = f"{ratio:.4g} times the price of trades"
            difference = of_kind["mark_ohlc"].column_difference("close", words)
            found.append(("mark_ohlc", difference))
    return found


def _unit_difference(declared: DeclaredEndpoint, found: str) -> Difference:
    spec: OpenInterest = declared.spec
    is_amount = spec.quantity_from == "amount"
    unit = spec.amount_unit if is_amount else spec.value_unit
    sides = "both sides" if spec.sides_counted == 2 else "one side"
    name = "amount_unit" if is_amount else "value_unit"
    return Difference(
        spec.quantity_from, found, f"in {unit}, {sides} counted", f"{declared.place}.{name}"
    )


def in_lots(batch: Batch, instruments: Mapping[str, Instrument]) -> list[dict[str, Any]]:
    """Return open interest records as multiples of each instrument's lot, as if of one instrument.

    A single response has one figure for each instrument, too few to show the lot of any; where
    the venue lists lots, the figures of all can be counted together.
    """
    rows: list[dict[str, Any]] = []
    for row in batch.table.to_pylist():
        one = instruments[row["instrument"]]
        unit, amount = row["received_amount_unit"], row["received_amount"]
        if one.lot_quantity is None or unit not in ("contracts", "base") or amount is None:
            continue
        size = one.contract_size if unit == "contracts" else one.base_multiplier
        shared = {
            "instrument": ALL_CONTRACTS,
            "received_amount": round(amount * size / one.lot_quantity, 6),
            "received_amount_unit": "contracts",
        }
        rows.append(row | shared)
    return rows
