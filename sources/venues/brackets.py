"""Margin brackets: from what venues tell to sets in USD, whole or not at all.

Belongs here: floors, caps, ratios, deductions and their unit. Does not belong here: asking for
them, nor rows of other kinds (`sources.venues.readings`).

A set with one bad bracket is refused as a whole: with a bracket missing, positions of its size
would be given the margins of another.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sources.checks import QuarantinedRow, quarantine
from sources.records import SCHEMAS, Batch
from sources.venues.answers import Table, find_rows, take_cell, to_number
from sources.venues.instruments import Instrument
from sources.venues.readings import Context, instruments_of_rows, source_of
from sources.venues.shapes import AmountUnit, Ask, Brackets, StepBrackets

LARGEST_LEVERAGE = 1000.0
_STEP_FIGURES = (
    "step",
    "largest",
    "maintenance",
    "maintenance_step",
    "initial",
    "initial_step",
)
# A description that asks for more brackets is wrong, not generous.
_MOST_STEPS = 200


@dataclass(frozen=True, slots=True)
class _Bracket:
    """One bracket before its deduction is known."""

    floor_usd: float
    cap_usd: float | None
    maintenance: float
    leverage: float
    deduction_usd: float | None


def read_brackets(
    reading: Brackets,
    answer: object,
    context: Context,
    price_of: Mapping[str, float],
) -> list[Batch]:
    """Return the brackets of the instruments asked for, valid from now on.

    Parameters
    ----------
    reading : Brackets
        What the answer holds.
    answer : object
        Decoded JSON.
    context : Context
        Who was asked for, and when.
    price_of : mapping of str to float
        Mark price by instrument [USD per asset unit], for caps that are not USD.

    Raises
    ------
    MalformedAnswer
        Where the answer has no rows where they are declared.
    """
    ask = reading.ask
    rows = find_rows(answer, ask)
    table = Table(rows)
    of_row = instruments_of_rows(ask, table, context)
    raw: dict[str, list[object]] = {}
    instruments: dict[str, Instrument] = {}
    for row, one in zip(rows, of_row, strict=True):
        if one is None:
            continue
        instruments[one.instrument] = one
        inner = take_cell(row, reading.brackets_key) if reading.brackets_key else [row]
        raw.setdefault(one.instrument, []).extend(inner if isinstance(inner, list) else [inner])
    found: dict[str, list[_Bracket]] = {}
    refused: list[QuarantinedRow] = []
    for name, brackets in raw.items():
        instrument = instruments[name]
        usd_per_unit = _usd_per_notional_unit(reading.notional_unit, instrument, price_of.get(name))
        read = (
            "its caps need a mark price, which the venue did not tell"
            if usd_per_unit is None
            else _read_bracket_rows(brackets, ask, usd_per_unit)
        )
        fault = read if isinstance(read, str) else _bracket_fault(read)
        if fault is None and not isinstance(read, str):
            found[name] = read
        else:
            refused.append(_refused_brackets(name, str(fault), brackets))
    return _bracket_batches(found, refused, source_of(ask), context)


def read_step_brackets(
    reading: StepBrackets,
    instruments: Sequence[Instrument],
    context: Context,
    price_of: Mapping[str, float],
) -> list[Batch]:
    """Return the brackets that instruments' own descriptions tell as steps, valid from now on."""
    found: dict[str, list[_Bracket]] = {}
    refused: list[QuarantinedRow] = []
    for instrument in instruments:
        info = instrument.market.get("info") or {}
        figures = {name: to_number(info.get(getattr(reading, name))) for name in _STEP_FIGURES}
        usd = _usd_per_notional_unit("contracts", instrument, price_of.get(instrument.instrument))
        step, largest = figures["step"], figures["largest"]
        if usd is None or None in figures.values() or not step or not largest or step < 0:
            missing = [name for name, value in figures.items() if value is None]
            reason = f"no mark price, or missing or 0: {', '.join(missing) or 'step'}"
            refused.append(_refused_brackets(instrument.instrument, reason, [dict(info)]))
            continue
        known = {name: value for name, value in figures.items() if value is not None}
        brackets = [
            _Bracket(
                floor_usd=number * step * usd,
                cap_usd=(number + 1) * step * usd,
                maintenance=known["maintenance"] + number * known["maintenance_step"],
                leverage=1.0 / (known["initial"] + number * known["initial_step"]),
                deduction_usd=None,
            )
            for number in range(min(int(np.ceil(largest / step)), _MOST_STEPS))
        ]
        fault = _bracket_fault(brackets)
        if fault is None:
            found[instrument.instrument] = brackets
        else:
            refused.append(_refused_brackets(instrument.instrument, fault, [dict(info)]))
    return _bracket_batches(found, refused, "ccxt:markets", context)


def _usd_per_notional_unit(
    unit: AmountUnit, instrument: Instrument, price: float | None
) -> float | None:
    is_linear = instrument.contract_kind == "linear"
    if unit == "usd":
        return 1.0
    if unit == "contracts" and not is_linear:
        return instrument.contract_size
    if price is None:
        return None
    if unit == "contracts":
        return instrument.contract_size * price
    return instrument.base_multiplier * price


def _read_bracket_rows(
    brackets: Sequence[object], ask: Ask, usd_per_unit: float
) -> list[_Bracket] | str:
    """Return the brackets by size, or what is wrong with them."""
    table = Table(brackets)
    values = {
        cell: table.numbers(column, cell, is_required=cell in ("maintenance", "leverage"))
        for cell, column in ask.columns.items()
    }
    if table.rejects.reasons:
        cell, reason = table.rejects.reasons[min(table.rejects.reasons)]
        return f"{cell}: {reason}"
    order = np.argsort(values["cap"], kind="stable")  # an unbounded one comes last
    caps = values["cap"][order] * usd_per_unit
    floors = np.concatenate([[0.0], caps[:-1]])
    if "floor" in values:
        floors = values["floor"][order] * usd_per_unit
    deductions = values.get("cum", np.full(len(brackets), np.nan))[order]
    return [
        _Bracket(
            floor_usd=float(floors[n]),
            cap_usd=None if np.isnan(caps[n]) else float(caps[n]),
            maintenance=float(values["maintenance"][order][n]),
            leverage=float(values["leverage"][order][n]),
            deduction_usd=None if np.isnan(deductions[n]) else float(deductions[n]),
        )
        for n in range(len(brackets))
    ]


def _bracket_fault(brackets: Sequence[_Bracket]) -> str | None:
    """Return what is wrong with a whole set of brackets, or None."""
    if not brackets:
        return "no brackets"
    for number, one in enumerate(brackets):
        if not 0 < one.maintenance < 1:
            return f"bracket {number + 1}: maintenance margin {one.maintenance} is no ratio"
        if not 1 <= one.leverage <= LARGEST_LEVERAGE:
            return f"bracket {number + 1}: leverage {one.leverage} is none"
        if one.maintenance * one.leverage >= 1:
            # Also how a percentage taken for a ratio shows.
            return (
                f"bracket {number + 1}: maintenance margin {one.maintenance} is not below the "
                f"initial margin of {one.leverage}x"
            )
        if one.cap_usd is not None and one.cap_usd <= one.floor_usd:
            return f"bracket {number + 1}: ends at {one.cap_usd} before it begins"
        if one.cap_usd is None and number < len(brackets) - 1:
            return f"bracket {number + 1}: has no end but is not the last"
    for before, after in itertools.pairwise(brackets):
        if after.maintenance < before.maintenance:
            return "maintenance margin falls with size"
    return None


def _refused_brackets(name: str, reason: str, brackets: Sequence[object]) -> QuarantinedRow:
    return QuarantinedRow(
        reason=reason, received=Table([list(brackets)]).received(0), instrument=name
    )


def _bracket_batches(
    found: Mapping[str, list[_Bracket]],
    refused: Sequence[QuarantinedRow],
    source: str,
    context: Context,
) -> list[Batch]:
    rows = []
    for name, brackets in found.items():
        deduction, before = 0.0, 0.0
        for number, one in enumerate(brackets, start=1):
            # cum_n = cum_(n-1) + floor_n (mu_n - mu_(n-1)), as Binance defines its own.
            if number > 1:
                deduction += one.floor_usd * (one.maintenance - before)
            before = one.maintenance
            rows.append(
                {
                    "venue": context.venue,
                    "instrument": name,
                    "valid_from_at": context.now,
                    "bracket": number,
                    "notional_floor_usd": one.floor_usd,
                    "notional_cap_usd": one.cap_usd,
                    "maintenance_margin_ratio": one.maintenance,
                    "maintenance_deduction_usd": deduction
                    if one.deduction_usd is None
                    else one.deduction_usd,
                    "max_leverage": one.leverage,
                    "source": source,
                    "ingested_at": context.now,
                }
            )
    table = pa.Table.from_pylist(rows, schema=SCHEMAS["leverage_bracket"])
    batches = [Batch("leverage_bracket", table)]
    if refused:
        batches.append(
            quarantine(
                refused,
                kind="leverage_bracket",
                venue=context.venue,
                input_name=context.input_name,
                source=source,
                ingested_at=context.now,
            )
        )
    return batches


def read_prices(ask: Ask, answer: object, context: Context) -> dict[str, float]:
    """Return mark prices by instrument [USD per asset unit], of those asked for.

    Raises
    ------
    MalformedAnswer
        Where the answer has no rows where they are declared.
    """
    table = Table(find_rows(answer, ask))
    prices = table.numbers(ask.columns["price"], "price", is_required=True)
    of_row = instruments_of_rows(ask, table, context)
    return {
        one.instrument: float(price) / one.base_multiplier
        for one, price in zip(of_row, prices, strict=True)
        if one is not None and price > 0
    }
