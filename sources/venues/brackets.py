"""Margin brackets of venues: sets in USD, complete or refused.

Belongs here: floors, caps, ratios, deductions, fees and their unit. Does not belong here: fetching
them, records of other kinds (`sources.venues.page_reader`), bracket
files (`sources.bracket_files`).

A set with one bad bracket is refused as a whole: with a bracket missing, positions of its size
would get the margins of another.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sources.checks import QuarantinedRow, make_batches
from sources.records import Batch
from sources.units import AmountUnit
from sources.venues.declared import VENUES
from sources.venues.endpoints import Columns, Endpoint
from sources.venues.instruments import Instrument
from sources.venues.margin_specs import (
    UNKNOWN_RULE,
    DescribedBrackets,
    GrowingMargins,
    LeverageLadders,
    MarginRule,
    MarginTables,
    PublishedBrackets,
    StepBrackets,
)
from sources.venues.payload import Table, find_rows, take_cell, to_number
from sources.venues.responses import ResponseContext, instruments_of_rows, source_of

LARGEST_LEVERAGE = 1000.0
# A description with more brackets than this is wrong.
_MOST_STEPS = 200
# Number of brackets that linearly growing margins are cut into, and the step of their ratios.
_GROWING_BRACKETS = 50
_GROWING_STEP_RATIO = 0.001


@dataclass(frozen=True, slots=True)
class BracketTerms:
    """One bracket; ``deduction_usd`` is None where none is published."""

    floor_usd: float
    cap_usd: float | None
    maintenance: float
    leverage: float
    deduction_usd: float | None = None


class UnusableBrackets(Exception):
    """The brackets of one instrument cannot be used.

    Parameters
    ----------
    column : str or None
        The field at fault.
    reason : str
        Its fault.
    """

    def __init__(self, column: str | None, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


def read_brackets(
    spec: PublishedBrackets,
    payload: object,
    context: ResponseContext,
    price_of: Mapping[str, float],
) -> list[Batch]:
    """Return the brackets of the requested instruments, valid from now on.

    Parameters
    ----------
    spec : AskedBrackets
        The layout of the brackets.
    payload : object
        Decoded JSON.
    context : ResponseContext
        What was requested, and when.
    price_of : mapping of str to float
        Mark price by instrument [USD per asset unit], for caps that are not USD.

    Raises
    ------
    MalformedResponse
        Where the response has no rows at the declared path.
    """
    endpoint = spec.endpoint
    rows = find_rows(payload, endpoint)
    raw: dict[str, list[object]] = {}
    instruments: dict[str, Instrument] = {}
    for row, one in zip(rows, instruments_of_rows(endpoint, Table(rows), context), strict=True):
        if one is not None:
            instruments[one.instrument] = one
            raw.setdefault(one.instrument, []).append(row)

    def read(instrument: Instrument) -> list[BracketTerms]:
        own = raw[instrument.instrument]
        if isinstance(spec, MarginTables):
            return _read_margin_table(spec, own[0], payload)
        usd = _usd_per_unit(spec.notional_unit, instrument, price_of)
        if isinstance(spec, LeverageLadders):
            return _read_leverage_ladders(spec, own, usd)
        if spec.brackets_key is not None:
            own = list(_inner_lists(own, spec.brackets_key))
        return _read_bracket_rows(own, endpoint.columns, usd, spec.floor_step * usd)

    return _make_batches(instruments.values(), raw, read, source_of(endpoint), context)


def read_described_brackets(
    spec: DescribedBrackets,
    instruments: Sequence[Instrument],
    context: ResponseContext,
    price_of: Mapping[str, float],
) -> list[Batch]:
    """Return the brackets in the instruments' own descriptions, valid from now on."""
    described = {one.instrument: [one.market.get("info") or {}] for one in instruments}

    def read(instrument: Instrument) -> list[BracketTerms]:
        if isinstance(spec, GrowingMargins):
            return _read_growing_margins(spec, instrument, price_of)
        return _read_step_brackets(spec, instrument, price_of)

    return _make_batches(instruments, described, read, "ccxt:markets", context)


def _inner_lists(rows: Sequence[object], key: str) -> list[object]:
    lists = [take_cell(row, key) for row in rows]
    return list(itertools.chain(*(one if isinstance(one, list) else [one] for one in lists)))


def _usd_per_unit(unit: AmountUnit, instrument: Instrument, price_of: Mapping[str, float]) -> float:
    price = price_of.get(instrument.instrument)
    if price is None and instrument.units.needs_price(unit):
        raise UnusableBrackets("cap", f"in {unit}, and the venue published no mark price for it")
    return instrument.units.to_usd(1.0, unit, price)


def _read_bracket_rows(
    rows: Sequence[object],
    columns: Columns,
    usd_per_unit: float,
    floor_step_usd: float = 0.0,
) -> list[BracketTerms]:
    """Return brackets of one row each, by size."""
    table = Table(rows)
    values = {
        cell: table.numbers(column, cell, is_required=cell in ("maintenance", "leverage"))
        for cell, column in columns.items()
    }
    if table.rejects.reasons:
        row = min(table.rejects.reasons)
        cell, reason = table.rejects.reasons[row]
        raise UnusableBrackets(cell, f"bracket {row + 1}: {reason}")
    order = np.argsort(values["cap"], kind="stable")  # an unbounded one comes last
    caps = values["cap"][order] * usd_per_unit
    floors = np.concatenate([[0.0], caps[:-1]])
    if "floor" in values:
        _check_floors(values["floor"][order] * usd_per_unit, floors, floor_step_usd)
    if "number" in values:
        _check_numbers(values["number"][order])
    deductions = values.get("cum", np.full(len(rows), np.nan))[order] * usd_per_unit
    return [
        BracketTerms(
            floor_usd=float(floors[n]),
            cap_usd=None if np.isnan(caps[n]) else float(caps[n]),
            maintenance=float(values["maintenance"][order][n]),
            leverage=float(values["leverage"][order][n]),
            deduction_usd=None if np.isnan(deductions[n]) else float(deductions[n]),
        )
        for n in range(len(rows))
    ]


def _check_floors(floors: np.ndarray, expected: np.ndarray, step: float) -> None:
    """Refuse brackets with a gap between them or an overlap."""
    with np.errstate(invalid="ignore"):
        is_off = (floors < expected * (1 - 1e-9) - 1e-9) | (floors > (expected + step) * (1 + 1e-9))
    if is_off.any():
        n = int(np.argmax(is_off))
        raise UnusableBrackets(
            "floor",
            f"bracket {n + 1} begins at {floors[n]:g} USD and the one before it ends at "
            f"{expected[n]:g}: a bracket is missing or they overlap",
        )


def _check_numbers(numbers: np.ndarray) -> None:
    if np.isnan(numbers).all():
        return
    if np.any(np.diff(numbers) != 1) or numbers[0] not in (0, 1):
        found = ", ".join(f"{number:g}" for number in numbers)
        raise UnusableBrackets(
            "number", f"brackets are numbered {found}: one is missing or not in order"
        )


def _read_leverage_ladders(
    spec: LeverageLadders, rows: Sequence[object], usd_per_unit: float
) -> list[BracketTerms]:
    """Return the brackets of the highest leverage."""
    columns = spec.endpoint.columns
    lists = _inner_lists(rows, spec.lists_key)
    leverages = [to_number(take_cell(one, columns["leverage"])) for one in lists]
    if not lists or None in leverages:
        raise UnusableBrackets("leverage", "missing or no number")
    highest = max(range(len(lists)), key=lambda at: leverages[at] or 0.0)
    leverage = leverages[highest] or 0.0
    if leverage < 1:
        raise UnusableBrackets("leverage", f"{leverage:g} is below 1")
    brackets = [
        {"cap": take_cell(one, columns["cap"]), "maintenance": share, "leverage": leverage}
        for one in _inner_lists([lists[highest]], spec.brackets_key)
        for share in [take_cell(one, columns["share"])]
    ]
    read = _read_bracket_rows(brackets, {cell: cell for cell in brackets[0]}, usd_per_unit)
    return [replace(one, maintenance=one.maintenance / leverage) for one in read]


def _read_margin_table(spec: MarginTables, row: object, payload: object) -> list[BracketTerms]:
    """Return the brackets of the table that an instrument's row names."""
    columns = spec.endpoint.columns
    leverage = to_number(take_cell(row, columns["leverage"]))
    if leverage is None:
        raise UnusableBrackets("leverage", "missing or no number")
    number = to_number(take_cell(row, columns["table"]))
    if number is None:
        raise UnusableBrackets("table", "missing or no number")
    tables = payload.get(spec.tables) if isinstance(payload, Mapping) else None
    tiers = None
    for pair in tables if isinstance(tables, list) else []:
        if isinstance(pair, list) and len(pair) == 2 and to_number(pair[0]) == number:
            tiers = take_cell(pair[1], spec.tiers_key)
    if tiers is None:
        if number >= spec.first_table:
            raise UnusableBrackets("table", f"margin table {number:g} is not among those listed")
        tiers = [{columns["tier_floor"]: 0, columns["tier_leverage"]: leverage}]
    table = Table(tiers if isinstance(tiers, list) else [])
    floors = table.numbers(columns["tier_floor"], "tier_floor", is_required=True)
    leverages = table.numbers(columns["tier_leverage"], "tier_leverage", is_required=True)
    if table.rejects.reasons:
        at = min(table.rejects.reasons)
        cell, reason = table.rejects.reasons[at]
        raise UnusableBrackets(cell, f"tier {at + 1}: {reason}")
    caps = [*floors[1:].tolist(), None]
    return [
        BracketTerms(float(floor), cap, spec.maintenance_share / most, min(most, leverage))
        for floor, cap, most in zip(floors, caps, np.maximum(leverages, 1e-9), strict=True)
    ]


def _read_step_brackets(
    spec: StepBrackets, instrument: Instrument, price_of: Mapping[str, float]
) -> list[BracketTerms]:
    """Return the brackets of a first one and its increments, or those that are listed."""
    info: Mapping[str, Any] = instrument.market.get("info") or {}
    key, value = spec.value_mark
    usd = _usd_per_unit("usd" if info.get(key) == value else "contracts", instrument, price_of)
    listed = info.get(spec.listed)
    if isinstance(listed, list) and listed:
        return _read_bracket_rows(listed, spec.listed_columns, usd)

    def figure(name: str, missing: float | None = None) -> float:
        number = to_number(info.get(getattr(spec, name)))
        number = missing if number is None else number
        if number is None or number < 0:
            raise UnusableBrackets(getattr(spec, name), "missing, negative or no number")
        return number

    maintenance, initial, largest = figure("maintenance"), figure("initial"), figure("largest")
    step = figure("step")
    first = figure("first", missing=step) or step
    if largest == 0 or initial == 0:
        raise UnusableBrackets(spec.largest if largest == 0 else spec.initial, "0")
    count = 1 + (math.ceil(max(largest - first, 0.0) / step) if step else 0)
    growth = (0.0, 0.0) if count == 1 else (figure("maintenance_step"), figure("initial_step"))
    caps = [first + number * step for number in range(min(count, _MOST_STEPS))]
    caps[-1] = largest
    return [
        BracketTerms(
            floor_usd=floor * usd,
            cap_usd=cap * usd,
            maintenance=maintenance + number * growth[0],
            leverage=1.0 / (initial + number * growth[1]),
        )
        for number, (floor, cap) in enumerate(itertools.pairwise([0.0, *caps]))
    ]


def _read_growing_margins(
    spec: GrowingMargins, instrument: Instrument, price_of: Mapping[str, float]
) -> list[BracketTerms]:
    """Return brackets of equal size with the ratios of their smallest position."""
    growth = spec.growth.get(instrument.asset)
    if growth is None:
        raise UnusableBrackets(None, f"no margins are declared for {instrument.asset}")
    most = to_number((instrument.market.get("info") or {}).get(spec.leverage_key))
    if most is None:
        raise UnusableBrackets(spec.leverage_key, "missing or no number")
    step_usd = _GROWING_STEP_RATIO / growth * _usd_per_unit("base", instrument, price_of)
    return [
        BracketTerms(
            floor_usd=number * step_usd,
            cap_usd=None if number == _GROWING_BRACKETS - 1 else (number + 1) * step_usd,
            maintenance=spec.maintenance + number * _GROWING_STEP_RATIO,
            leverage=min(most, 1.0 / (spec.initial + number * _GROWING_STEP_RATIO)),
        )
        for number in range(_GROWING_BRACKETS)
    ]


def check_brackets(brackets: Sequence[BracketTerms], fee_ratio: float) -> None:
    """Refuse a whole set for one impossible bracket.

    Raises
    ------
    UnusableBrackets
        Naming the column, by the fields of `BracketTerms`, and the fault.
    """
    if not brackets:
        raise UnusableBrackets(None, "no brackets")
    if not 0 <= fee_ratio < 1:
        raise UnusableBrackets("fee", f"liquidation fee {fee_ratio:g} is no ratio")
    for number, one in enumerate(brackets, start=1):
        if not 0 < one.maintenance < 1:
            raise UnusableBrackets(
                "maintenance",
                f"bracket {number}: maintenance margin {one.maintenance:g} is not between 0 and 1",
            )
        if not 1 <= one.leverage <= LARGEST_LEVERAGE:
            raise UnusableBrackets(
                "leverage",
                f"bracket {number}: leverage {one.leverage:g} is not between 1 and "
                f"{LARGEST_LEVERAGE:g}",
            )
        if (one.maintenance + fee_ratio) * one.leverage >= 1:
            # A percentage read as a ratio also fails here.
            fee = f" with a fee of {fee_ratio:g}" if fee_ratio else ""
            raise UnusableBrackets(
                "maintenance",
                f"bracket {number}: maintenance margin {one.maintenance:g}{fee} is not below the "
                f"initial margin of {one.leverage:g}x",
            )
        if one.cap_usd is not None and one.cap_usd <= one.floor_usd:
            raise UnusableBrackets(
                "cap", f"bracket {number}: ends at {one.cap_usd:g} before it begins"
            )
        if one.cap_usd is None and number < len(brackets):
            raise UnusableBrackets("cap", f"bracket {number}: has no end but is not the last")
    if brackets[0].floor_usd != 0:
        raise UnusableBrackets("floor", "the first bracket does not begin at 0")
    for before, after in itertools.pairwise(brackets):
        if after.floor_usd != before.cap_usd:
            raise UnusableBrackets("floor", "does not begin where the bracket before it ends")
        if after.maintenance < before.maintenance:
            raise UnusableBrackets("maintenance", "maintenance margin falls with size")
        if after.leverage > before.leverage:
            raise UnusableBrackets("leverage", "maximum leverage rises with size")


def _deductions(brackets: Sequence[BracketTerms], rule: MarginRule) -> list[float]:
    """Return the deduction from the maintenance margin in each bracket [USD]."""
    if rule.deduction == "continuous":
        return continuous_deductions([(one.floor_usd, one.maintenance) for one in brackets])
    if rule.deduction == "none" or all(one.deduction_usd is None for one in brackets):
        return [0.0] * len(brackets)
    published = [one.deduction_usd for one in brackets]
    # The first bracket deducts nothing and may leave the field empty.
    if None in published[1:]:
        number = published.index(None, 1) + 1
        raise UnusableBrackets("cum", f"bracket {number}: has no deduction while others have")
    return [0.0 if value is None else value for value in published]


def continuous_deductions(floors_and_ratios: Sequence[tuple[float, float]]) -> list[float]:
    """Return the deductions that make maintenance margin continuous in size [USD].

    cum_n = cum_(n-1) + floor_n (mu_n - mu_(n-1)), as Binance defines its own.

    Examples
    --------
    >>> continuous_deductions([(0.0, 0.004), (50_000.0, 0.005)])
    [0.0, 50.0]
    """
    steps = (
        floor * (ratio - before)
        for (_, before), (floor, ratio) in itertools.pairwise(floors_and_ratios)
    )
    return list(itertools.accumulate(steps, initial=0.0))


def bracket_records(
    brackets: Sequence[BracketTerms], deductions: Sequence[float], fee_ratio: float
) -> list[dict[str, object]]:
    """Return one record a bracket, with the columns of ``leverage_bracket`` about its terms."""
    return [
        {
            "bracket": number,
            "notional_floor_usd": one.floor_usd,
            "notional_cap_usd": one.cap_usd,
            "maintenance_margin_ratio": one.maintenance,
            "maintenance_deduction_usd": deduction,
            "max_leverage": one.leverage,
            "liquidation_fee_ratio": fee_ratio,
        }
        for number, (one, deduction) in enumerate(zip(brackets, deductions, strict=True), start=1)
    ]


def margin_rule(venue: str, contract_kind: str) -> MarginRule:
    """Return what a venue's formula adds to margins by size; the unknown rule where not declared.

    Examples
    --------
    >>> margin_rule("okx", "linear").fee_ratio, margin_rule("ftx", "linear").fee_ratio
    (0.0005, 0.0)
    """
    products = VENUES[venue].products if venue in VENUES else ()
    for product in products:
        if product.contract_kind == contract_kind:
            return product.margin_rule
    return UNKNOWN_RULE


def _fee_ratio(rule: MarginRule, instrument: Instrument) -> float:
    """Return the liquidation fee of one contract: its own where the market publishes it."""
    if rule.fee_key is None:
        return rule.fee_ratio
    cell = take_cell(instrument.market.get("info") or {}, rule.fee_key)
    own = to_number(cell)
    if cell is not None and own is None:
        raise UnusableBrackets(rule.fee_key, f"the liquidation fee {cell!r} is no number")
    return rule.fee_ratio if own is None else own


def _make_batches(
    instruments: Iterable[Instrument],
    received: Mapping[str, Sequence[object]],
    read: Callable[[Instrument], list[BracketTerms]],
    source: str,
    context: ResponseContext,
) -> list[Batch]:
    """Return the brackets that can be used, and a quarantine for the other instruments."""
    rows: list[dict[str, object]] = []
    refused: list[QuarantinedRow] = []
    for instrument in instruments:
        rule = instrument.product.margin_rule
        try:
            brackets = read(instrument)
            fee_ratio = _fee_ratio(rule, instrument)
            check_brackets(brackets, fee_ratio)
            deductions = _deductions(brackets, rule)
        except UnusableBrackets as problem:
            refused.append(
                QuarantinedRow(
                    reason=problem.reason,
                    received=Table([list(received[instrument.instrument])]).received(0),
                    column_name=problem.column,
                    instrument=instrument.instrument,
                )
            )
            continue
        rows += [
            {"instrument": instrument.instrument, "valid_from_at": context.now, **record}
            for record in bracket_records(brackets, deductions, fee_ratio)
        ]
    origin = context.provenance("leverage_bracket", source)
    columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    return make_batches(origin, len(rows), columns, refused)


def read_prices(endpoint: Endpoint, payload: object, context: ResponseContext) -> dict[str, float]:
    """Return mark prices of the requested instruments [USD per asset unit].

    Raises
    ------
    MalformedResponse
        Where the response has no rows at the declared path.
    """
    table = Table(find_rows(payload, endpoint))
    prices = table.numbers(endpoint.columns["price"], "price", is_required=True)
    of_row = instruments_of_rows(endpoint, table, context)
    return {
        one.instrument: float(price) / one.base_multiplier
        for one, price in zip(of_row, prices, strict=True)
        if one is not None and price > 0
    }
