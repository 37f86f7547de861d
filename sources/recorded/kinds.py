"""What each kind of record takes from a row, when a row is unusable, and the record it becomes.

Belongs here: everything that differs between kinds. Does not belong here: files, duplicates,
order, which are the same for all.
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
from sources.recorded.mapping import Mapping
from sources.recorded.mapping_sections import BAR_PRICES, RATE_UNITS, SNAPSHOT_PRICES

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
    cells : Mapping of str to str
        Column (or field of a wide file) by cell.
    required : frozenset of str
        Cells without which there is no record; where all are empty the row says nothing of it.
    is_bar : bool
        Whether the record stands for a period rather than an instant.
    shift_seconds : int
        Label plus this is the record's instant.
    """

    kind: str
    label: str
    cells: MappingOf[str, str]
    required: frozenset[str]
    is_bar: bool
    shift_seconds: int = 0

    @property
    def named(self) -> frozenset[str]:
        """Return the columns (or fields) the part needs."""
        return frozenset(self.cells.values())


def _named(**cells: str | None) -> dict[str, str]:
    return {cell: column for cell, column in cells.items() if column is not None}


def list_parts(mapping: Mapping) -> tuple[Part, ...]:
    """Return the records a row may give under a mapping."""
    parts: list[Part] = []
    if mapping.ohlcv is not None:
        bar = mapping.ohlcv
        cells = _named(
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            taker_buy=bar.taker_buy,
            trade_count=bar.trade_count,
            price=None if mapping.volume_valued_at in BAR_PRICES else mapping.volume_valued_at,
        )
        required = frozenset(cells) - {"taker_buy", "trade_count"}
        parts.append(Part("ohlcv", "", cells, required, is_bar=True))
    if mapping.mark_ohlc is not None:
        mark = mapping.mark_ohlc
        cells = _named(open=mark.open, high=mark.high, low=mark.low, close=mark.close)
        parts.append(Part("mark_ohlc", "", cells, frozenset(cells), is_bar=True))
    if mapping.open_interest is not None:
        held = mapping.open_interest
        valued_at = mapping.open_interest_valued_at
        cells = _named(
            amount=held.amount,
            value=held.value,
            price=None if valued_at in SNAPSHOT_PRICES else valued_at,
        )
        required = frozenset({"amount"} if held.amount else {"value"})
        parts.append(Part("open_interest", "", cells, required, False, held.shift_seconds))
    if mapping.funding_rate is not None:
        funding = mapping.funding_rate
        cells = _named(rate=funding.rate, interval=funding.interval_column)
        parts.append(
            Part("funding_rate", "", cells, frozenset({"rate"}), False, funding.shift_seconds)
        )
    if mapping.realised_liquidation is not None:
        sides = (
            ("long", mapping.realised_liquidation.long),
            ("short", mapping.realised_liquidation.short),
        )
        for side, column in sides:
            cells = {"amount": column}
            parts.append(Part("realised_liquidation", side, cells, frozenset(cells), is_bar=True))
    if mapping.long_short_ratio is not None:
        for measure, column in mapping.long_short_ratio.columns.items():
            cells = {"ratio": column}
            shift = mapping.long_short_ratio.shift_seconds
            parts.append(Part("long_short_ratio", measure, cells, frozenset(cells), False, shift))
    if mapping.sentiment is not None:
        cells = {"value": mapping.sentiment.value}
        shift = mapping.sentiment.shift_seconds
        parts.append(Part("sentiment", "", cells, frozenset(cells), False, shift))
    return tuple(parts)


def flag_unusable(part: Part, values: Values, mapping: Mapping, flag: Flag) -> None:
    """Call `flag` for each rule of a kind that rows break; NaN breaks none.

    Parameters
    ----------
    part : Part
        The record the rows are meant for.
    values : Mapping of str to ndarray of float64, shape (n_rows,)
        Cells as received; NaN where there is nothing.
    mapping : Mapping
        Says the units.
    flag : Callable
        Takes the rows, the cell and the reason; the first reason of a row counts.
    """
    if part.kind in ("ohlcv", "mark_ohlc"):
        flag_bars(values, flag)
    elif part.kind == "open_interest":
        flag_open_interest(values, flag)
    elif part.kind == "funding_rate" and mapping.funding_rate is not None:
        rates = values["rate"] * RATE_UNITS[mapping.funding_rate.rate_unit]
        flag_funding({**values, "rate": rates}, flag)
    elif part.kind == "realised_liquidation":
        flag(values["amount"] < 0, "amount", "negative")
    elif part.kind == "long_short_ratio":
        flag_ratios(values, flag)
    elif part.kind == "sentiment":
        flag_sentiment(values, flag)
