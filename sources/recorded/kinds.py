"""What each kind of record takes from a row, and when a row is unusable.

Belongs here: the cells of each kind and their rules. Does not belong here: files, duplicates,
order, which are the same for all; the records made of the cells (`sources.recorded.conversion`).
"""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sources.checks import (
    Flag,
    flag_bars,
    flag_funding,
    flag_open_interest,
    flag_ratios,
    flag_sentiment,
)
from sources.recorded.mapping import BAR_KINDS, KINDS, Mapping
from sources.recorded.mapping_sections import (
    BAR_PRICES,
    RATE_UNITS,
    SNAPSHOT_PRICES,
    FundingRule,
    LiquidationRule,
    MarkRule,
    OhlcvRule,
    OpenInterestRule,
    RatioRule,
    SentimentRule,
)

KindRule = (
    OhlcvRule
    | MarkRule
    | OpenInterestRule
    | FundingRule
    | LiquidationRule
    | RatioRule
    | SentimentRule
)
Values = MappingOf[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Part:
    """One record that a row may give: a kind, and within it a side or measure.

    Parameters
    ----------
    kind : str
        Record kind.
    label : str
        Side of a liquidation, measure of a ratio; '' for the other kinds.
    rule : KindRule
        The mapping's section of that kind.
    cells : Mapping of str to str
        Column (or field of a wide file) by cell.
    required : frozenset of str
        Cells without which there is no record; where all are empty the row has none of this kind.
    shift_seconds : int
        Label plus this is the record's instant.
    """

    kind: str
    label: str
    rule: KindRule
    cells: MappingOf[str, str]
    required: frozenset[str]
    shift_seconds: int = 0

    @property
    def is_bar(self) -> bool:
        """Return whether the record covers a period rather than an instant."""
        return self.kind in BAR_KINDS

    @property
    def named(self) -> frozenset[str]:
        """Return the columns (or fields) the part needs."""
        return frozenset(self.cells.values())


def list_parts(mapping: Mapping) -> tuple[Part, ...]:
    """Return the records a row may give under a mapping."""
    parts: list[Part] = []
    for kind in KINDS:
        rule: KindRule | None = getattr(mapping, kind)
        for label, columns, optional in _list_cells(rule, mapping):
            cells = {cell: column for cell, column in columns.items() if column is not None}
            required = frozenset(cells) - frozenset(optional)
            if rule is not None:
                shift = getattr(rule, "shift_seconds", 0)
                parts.append(Part(kind, label, rule, cells, required, shift))
    return tuple(parts)


Columns = MappingOf[str, str | None]


def _list_cells(
    rule: KindRule | None, mapping: Mapping
) -> list[tuple[str, Columns, tuple[str, ...]]]:
    """Return (label, column by cell, cells that may be empty) of each part of a section."""
    match rule:
        case OhlcvRule():
            columns: Columns = {
                **_same(rule, ("open", "high", "low", "close", "volume")),
                **_same(rule, ("taker_buy", "trade_count")),
                "price": _column(mapping.volume_valued_at, BAR_PRICES),
            }
            return [("", columns, ("taker_buy", "trade_count"))]
        case MarkRule():
            return [("", _same(rule, ("open", "high", "low", "close")), ())]
        case OpenInterestRule():
            price = _column(mapping.open_interest_valued_at, SNAPSHOT_PRICES)
            columns = {"amount": rule.amount, "value": rule.value, "price": price}
            return [("", columns, ("value", "price") if rule.amount else ("price",))]
        case FundingRule():
            return [("", {"rate": rule.rate, "interval": rule.interval_column}, ("interval",))]
        case LiquidationRule():
            return [(side, {"amount": getattr(rule, side)}, ()) for side in ("long", "short")]
        case RatioRule():
            return [(label, {"ratio": column}, ()) for label, column in rule.columns.items()]
        case SentimentRule():
            return [("", {"value": rule.value}, ())]
    return []


def _same(rule: KindRule, cells: tuple[str, ...]) -> Columns:
    """Return the columns of cells that are named as in the section."""
    return {cell: getattr(rule, cell) for cell in cells}


def _column(valued_at: str | None, prices: tuple[str, ...]) -> str | None:
    """Return the column that holds a price; None for one of the file's own prices."""
    return None if valued_at in prices else valued_at


def flag_unusable(part: Part, values: Values, flag: Flag) -> None:
    """Call `flag` for each rule of a kind that rows break; NaN breaks none.

    Parameters
    ----------
    part : Part
        The record the rows are meant for.
    values : Mapping of str to ndarray of float64, shape (n_rows,)
        Cells as received; NaN where there is nothing.
    flag : Callable
        Takes the rows, the cell and the reason; the first reason of a row counts.
    """
    match part.rule:
        case OhlcvRule() | MarkRule():
            flag_bars(values, flag)
        case OpenInterestRule():
            flag_open_interest(values, flag)
        case FundingRule() as rule:
            flag_funding({**values, "rate": values["rate"] * RATE_UNITS[rule.rate_unit]}, flag)
        case LiquidationRule():
            flag(values["amount"] < 0, "amount", "negative")
        case RatioRule():
            flag_ratios(values, flag)
        case SentimentRule():
            flag_sentiment(values, flag)
