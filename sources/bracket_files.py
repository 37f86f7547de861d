"""Leverage brackets from a JSON file in ccxt's unified form, checked before they are used.

Belongs here: reading such a file and auditing it. Does not belong here: brackets from venues and
what makes a set impossible (`sources.venues.brackets`).

The form is that of ccxt's ``fetch_leverage_tiers``, ``{symbol: [tier, ...]}`` with
``minNotional``, ``maxNotional``, ``maintenanceMarginRate`` and ``maxLeverage`` in each tier, and
the venue's own response, numbers or text, under ``info``.

Whether a deduction is made from the maintenance margin, and whether the formula has a liquidation
fee, is declared with the venue (`sources.venues.declared`). A deduction makes maintenance margin
continuous at the floor of its bracket, cum_n = cum_(n-1) + floor_n (mmr_n - mmr_(n-1)) (Binance,
"Leverage and margin of USDⓈ-M futures", maintenance amount). It is computed; where the file has one
as well, the two must agree. Brackets of a venue that is not declared have a deduction where the
file has one.
"""

import datetime as dt
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sources.assets import USD_QUOTES
from sources.checks import Provenance, QuarantinedRow, make_batches
from sources.errors import InputRejected
from sources.recorded.name_patterns import parse_unified
from sources.records import Batch
from sources.user_files import read_json
from sources.venue_names import venue_name
from sources.venues.brackets import (
    BracketTerms,
    UnusableBrackets,
    bracket_records,
    check_brackets,
    continuous_deductions,
    margin_rule,
)
from sources.venues.margin_specs import UNKNOWN_RULE, MarginRule
from sources.venues.payload import Table

logger = logging.getLogger(__name__)

# ccxt's names of the fields of a bracket.
_COLUMNS = {
    "floor": "minNotional",
    "cap": "maxNotional",
    "maintenance": "maintenanceMarginRate",
    "leverage": "maxLeverage",
}
# Venues round deductions to cents.
_DEDUCTION_TOLERANCE_USD = 0.01
_DEDUCTION_TOLERANCE_RATIO = 1e-6


def import_brackets(
    path: Path, *, venue: str, valid_from: dt.datetime, ingested_at: dt.datetime
) -> Iterator[Batch]:
    """Yield the brackets of a file, and the symbols whose brackets cannot be used.

    One wrong bracket makes liquidation prices wrong without a sign of it, so all brackets of its
    symbol go to quarantine.

    Parameters
    ----------
    path : Path
        JSON in ccxt's unified form.
    venue : str
        Venue of all its symbols.
    valid_from : datetime
        Instant from which the brackets hold.
    ingested_at : datetime
        Stamp of the records.

    Yields
    ------
    Batch
        ``leverage_bracket``, then ``quarantine`` with one row per unusable symbol, its row number
        the symbol's place in the file; neither is empty.

    Raises
    ------
    InputRejected
        If the file cannot be read or is of another form.
    """
    venue = venue_name(venue)
    brackets: list[dict[str, object]] = []
    refused: list[QuarantinedRow] = []
    rule = margin_rule(venue, "linear")
    for position, (symbol, tiers) in enumerate(_read(path).items(), start=1):
        try:
            records = _make_records(symbol, tiers, rule)
        except UnusableBrackets as problem:
            received = json.dumps(tiers, ensure_ascii=False)
            fault = (problem.reason, received, position, problem.column, symbol)
            refused.append(QuarantinedRow(*fault))
            continue
        brackets += [{"instrument": symbol, **record} for record in records]
    logger.info("%s: %d brackets, %d symbols to quarantine", path.name, len(brackets), len(refused))
    origin = Provenance(
        "leverage_bracket", venue, path.name, "recorded:leverage_brackets", ingested_at
    )
    columns = {name: [row[name] for row in brackets] for name in brackets[0]} if brackets else {}
    for batch in make_batches(
        origin, len(brackets), {**columns, "valid_from_at": valid_from}, refused
    ):
        if batch.table.num_rows:
            yield batch


def _read(path: Path) -> dict[str, object]:
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise InputRejected(
            f"{path.name}: expected {{symbol: [tier, ...]}} as ccxt's fetch_leverage_tiers gives; "
            f"found {type(content).__name__}{'' if content else ' without content'}"
        )
    return content


def _make_records(symbol: str, tiers: object, rule: MarginRule) -> list[dict[str, object]]:
    """Return the records of one symbol, without what they share with other symbols."""
    _check_symbol(symbol)
    brackets = sorted(_read_tiers(tiers), key=lambda one: one.floor_usd)
    try:
        check_brackets(brackets, rule.fee_ratio)
    except UnusableBrackets as problem:
        name = _COLUMNS.get(problem.column or "", problem.column)
        raise UnusableBrackets(name, problem.reason) from problem
    return bracket_records(brackets, _deductions(brackets, rule), rule.fee_ratio)


def _check_symbol(symbol: str) -> None:
    try:
        unified = parse_unified(symbol)
    except ValueError as exc:
        raise UnusableBrackets(None, "unknown symbol: not of the form base/quote:settle") from exc
    if unified.settle not in USD_QUOTES:
        # Floors and caps are in the settlement currency.
        raise UnusableBrackets(None, "notional is not in dollars")


def _read_tiers(tiers: object) -> list[BracketTerms]:
    if not isinstance(tiers, list) or not tiers:
        raise UnusableBrackets(None, "no list of tiers")
    if not all(isinstance(tier, dict) for tier in tiers):
        raise UnusableBrackets(None, "a tier is not a set of keys")
    infos = [tier["info"] if isinstance(tier.get("info"), dict) else {} for tier in tiers]
    table = Table(
        [{**tier, "cum": info.get("cum")} for tier, info in zip(tiers, infos, strict=True)]
    )
    values = {
        cell: table.numbers(name, name, is_required=cell != "cap")
        for cell, name in _COLUMNS.items()
    }
    deductions = table.numbers("cum", "cum", is_required=False)
    for column, reason in table.rejects.reasons.values():
        raise UnusableBrackets(column, reason)
    return [
        BracketTerms(
            floor_usd=float(values["floor"][n]),
            cap_usd=None if np.isnan(values["cap"][n]) else float(values["cap"][n]),
            maintenance=float(values["maintenance"][n]),
            leverage=float(values["leverage"][n]),
            deduction_usd=None if np.isnan(deductions[n]) else float(deductions[n]),
        )
        for n in range(len(tiers))
    ]


def _deductions(brackets: list[BracketTerms], rule: MarginRule) -> list[float]:
    """Return the deduction from the maintenance margin in each bracket [USD]."""
    is_given = any(one.deduction_usd is not None for one in brackets)
    if rule.deduction == "none" and not (rule == UNKNOWN_RULE and is_given):
        return [0.0] * len(brackets)
    computed = continuous_deductions([(one.floor_usd, one.maintenance) for one in brackets])
    for one, deduction in zip(brackets, computed, strict=True):
        tolerance = max(_DEDUCTION_TOLERANCE_USD, _DEDUCTION_TOLERANCE_RATIO * abs(deduction))
        if one.deduction_usd is not None and abs(one.deduction_usd - deduction) > tolerance:
            raise UnusableBrackets("cum", "does not follow from the floors and margin rates")
    return computed
