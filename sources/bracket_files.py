"""Leverage brackets from a JSON file in ccxt's unified form, checked before they are believed.

Belongs here: reading such a file and auditing it. Does not belong here: asking a venue for
brackets, or using them.

The form is what ccxt's ``fetch_leverage_tiers`` returns, ``{symbol: [tier, ...]}`` with
``minNotional``, ``maxNotional``, ``maintenanceMarginRate`` and ``maxLeverage`` in each tier, and
the venue's own answer, numbers or text, under ``info``.

Whether the venue takes a deduction off the maintenance margin, and whether its formula has a
liquidation fee, is declared with the venue (`sources.venues.declared`). Where it takes one, the
deduction of bracket n is what makes maintenance margin continuous at its floor, cum_n = cum_(n-1) +
floor_n (mmr_n - mmr_(n-1)) (Binance, "Leverage and margin of USDⓈ-M futures", maintenance amount).
It is computed; where the file gives one as well, the two must agree. Brackets of a venue that is
not declared have a deduction where the file gives one.
"""

import datetime as dt
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sources.assets import USD_QUOTES
from sources.errors import InputRejected
from sources.recorded.name_patterns import parse_unified
from sources.records import SCHEMAS, Batch
from sources.user_files import read_json
from sources.venue_names import venue_name
from sources.venues.brackets import continuous_deductions, margin_rule
from sources.venues.margin_specs import UNKNOWN_RULE, MarginRule

logger = logging.getLogger(__name__)

_SOURCE = "recorded:leverage_brackets"
_RECEIVED_CHARACTERS = 2000
# Venues round deductions to cents.
_DEDUCTION_TOLERANCE_USD = 0.01
_DEDUCTION_TOLERANCE_RATIO = 1e-6


@dataclass(frozen=True, slots=True)
class _Bracket:
    floor_usd: float
    cap_usd: float | None
    maintenance_margin_ratio: float
    max_leverage: float
    given_deduction_usd: float | None


class _Unusable(Exception):
    """Why the brackets of one symbol cannot be used.

    Parameters
    ----------
    column : str
        The key at fault.
    reason : str
        What is wrong with it.
    """

    def __init__(self, column: str | None, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


def import_brackets(
    path: Path, *, venue: str, valid_from: dt.datetime, ingested_at: dt.datetime
) -> Iterator[Batch]:
    """Yield the brackets of a file, and the symbols whose brackets cannot be used.

    A table with one wrong bracket puts liquidation prices wrong without a sign of it, so all
    brackets of its symbol go to quarantine.

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
    set_aside: list[dict[str, object]] = []
    provenance = {"source": _SOURCE, "ingested_at": ingested_at}
    rule = margin_rule(venue, "linear")
    for position, (symbol, tiers) in enumerate(_read(path).items(), start=1):
        try:
            records = _make_records(symbol, tiers, rule)
        except _Unusable as problem:
            received = json.dumps(tiers, ensure_ascii=False)
            set_aside.append(
                {
                    "kind": "leverage_bracket",
                    "venue": venue,
                    "instrument": symbol,
                    "input_name": path.name,
                    "row_number": position,
                    "column_name": problem.column,
                    "reason": problem.reason,
                    "received": received[:_RECEIVED_CHARACTERS],
                    **provenance,
                }
            )
            continue
        key = {"venue": venue, "instrument": symbol, "valid_from_at": valid_from}
        brackets += [{**key, **record, **provenance} for record in records]
    logger.info(
        "%s: %d brackets, %d symbols to quarantine", path.name, len(brackets), len(set_aside)
    )
    for kind, rows in (("leverage_bracket", brackets), ("quarantine", set_aside)):
        if rows:
            yield Batch(kind, pa.Table.from_pylist(rows, schema=SCHEMAS[kind]))


def _read(path: Path) -> dict[str, object]:
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise InputRejected(
            f"{path.name}: expected {{symbol: [tier, ...]}} as ccxt's fetch_leverage_tiers gives; "
            f"found {type(content).__name__}{'' if content else ' without content'}"
        )
    return content


def _make_records(symbol: str, tiers: object, rule: MarginRule) -> list[dict[str, object]]:
    """Return the records of one symbol but key and provenance."""
    _check_symbol(symbol)
    if not isinstance(tiers, list) or not tiers:
        raise _Unusable(None, "no list of tiers")
    brackets = [_read_tier(tier) for tier in tiers]
    brackets.sort(key=lambda bracket: bracket.floor_usd)
    for number, bracket in enumerate(brackets):
        previous = brackets[number - 1] if number else None
        _check_order(bracket, previous, rule, is_last=number == len(brackets) - 1)
    return [
        {
            "bracket": number,
            "notional_floor_usd": bracket.floor_usd,
            "notional_cap_usd": bracket.cap_usd,
            "maintenance_margin_ratio": bracket.maintenance_margin_ratio,
            "maintenance_deduction_usd": deduction,
            "max_leverage": bracket.max_leverage,
            "liquidation_fee_ratio": rule.fee_ratio,
        }
        for number, (bracket, deduction) in enumerate(
            zip(brackets, _deductions(brackets, rule), strict=True), start=1
        )
    ]


def _deductions(brackets: list[_Bracket], rule: MarginRule) -> list[float]:
    """Return what the venue takes off the maintenance margin in each bracket [USD]."""
    is_given = any(bracket.given_deduction_usd is not None for bracket in brackets)
    if rule.deduction == "none" and not (rule == UNKNOWN_RULE and is_given):
        return [0.0] * len(brackets)
    computed = continuous_deductions(
        [(bracket.floor_usd, bracket.maintenance_margin_ratio) for bracket in brackets]
    )
    for bracket, deduction in zip(brackets, computed, strict=True):
        _audit_deduction(bracket.given_deduction_usd, deduction)
    return computed


def _check_symbol(symbol: str) -> None:
    try:
        unified = parse_unified(symbol)
    except ValueError as exc:
        raise _Unusable(None, "unknown symbol: not of the form base/quote:settle") from exc
    if unified.settle not in USD_QUOTES:
        # Floors and caps are in the settlement currency.
        raise _Unusable(None, "notional is not in dollars")


def _read_tier(tier: object) -> _Bracket:
    if not isinstance(tier, dict):
        raise _Unusable(None, "a tier is not a set of keys")
    info = tier.get("info")
    cap = _number(tier, "maxNotional", is_required=False)
    return _Bracket(
        floor_usd=_required(tier, "minNotional"),
        cap_usd=cap,
        maintenance_margin_ratio=_required(tier, "maintenanceMarginRate"),
        max_leverage=_required(tier, "maxLeverage"),
        given_deduction_usd=(
            _number(info, "cum", is_required=False) if isinstance(info, dict) else None
        ),
    )


def _required(content: dict[str, object], key: str) -> float:
    value = _number(content, key, is_required=True)
    return math.nan if value is None else value


def _number(content: dict[str, object], key: str, *, is_required: bool) -> float | None:
    value = content.get(key)
    if value is None:
        if is_required:
            raise _Unusable(key, "missing")
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _Unusable(key, "not a number")
    try:
        number = float(value)
    except ValueError as exc:
        raise _Unusable(key, "not a number") from exc
    if not math.isfinite(number):
        raise _Unusable(key, "NaN or infinite")
    return number


def _check_order(
    bracket: _Bracket, previous: _Bracket | None, rule: MarginRule, *, is_last: bool
) -> None:
    if previous is None and bracket.floor_usd != 0:
        raise _Unusable("minNotional", "first bracket does not begin at 0")
    if previous is not None and bracket.floor_usd != previous.cap_usd:
        raise _Unusable("minNotional", "does not begin where the bracket before it ends")
    if bracket.cap_usd is None and not is_last:
        raise _Unusable("maxNotional", "missing before the last bracket")
    if bracket.cap_usd is not None and bracket.cap_usd <= bracket.floor_usd:
        raise _Unusable("maxNotional", "not above minNotional")
    if not 0 < bracket.maintenance_margin_ratio < 1:
        raise _Unusable("maintenanceMarginRate", "not between 0 and 1")
    if not bracket.max_leverage >= 1:
        raise _Unusable("maxLeverage", "below 1")
    if (bracket.maintenance_margin_ratio + rule.fee_ratio) * bracket.max_leverage >= 1:
        # Such a position would be liquidated at its entry.
        fee = f" with the venue's fee of {rule.fee_ratio:g}" if rule.fee_ratio else ""
        raise _Unusable(
            "maintenanceMarginRate", f"not below the initial margin of maxLeverage{fee}"
        )
    if previous is not None:
        if bracket.maintenance_margin_ratio < previous.maintenance_margin_ratio:
            raise _Unusable("maintenanceMarginRate", "falls with size")
        if bracket.max_leverage > previous.max_leverage:
            raise _Unusable("maxLeverage", "rises with size")


def _audit_deduction(given: float | None, computed: float) -> None:
    if given is None:
        return
    tolerance = max(_DEDUCTION_TOLERANCE_USD, _DEDUCTION_TOLERANCE_RATIO * abs(computed))
    if abs(given - computed) > tolerance:
        raise _Unusable("cum", "does not follow from the floors and margin rates")
