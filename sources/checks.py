"""Checks that every source shares: what makes a row unusable, and its quarantine.

Belongs here: rules about a record that hold for every sender, and the quarantine row. Does not
belong here: reading a format, the habits of one source.

Rules work on whole columns. Each calls ``flag(rows, cell, reason)``; the first reason of a row
counts. NaN breaks no rule: missing cells are handled before.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sources.records import Batch, make_batch

LONGEST_RECEIVED = 2000
"""Characters of a row or response kept in quarantine."""

# Funding has never come near; a rate beyond it is a percentage read as a ratio.
LARGEST_FUNDING_RATIO = 0.5
# Fear & Greed and similar indices range from 0 to 100.
LARGEST_INDEX = 100.0
FUNDING_INTERVALS_HOURS = (1, 2, 4, 8)
"""Funding intervals that venues use; as in ``sql/intermediate/int_funding_rate.sql``."""

# The most numerous coins count some 1e17.
LARGEST_FIGURE = 1e20

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Values = Mapping[str, Floats]
Flag = Callable[[Mask, str, str], None]


def flag_bars(values: Values, flag: Flag) -> None:
    """Flag bars that trading cannot produce.

    Parameters
    ----------
    values : mapping of str to ndarray of float64, shape (n_rows,)
        Some of ``open, high, low, close, price`` [USD per asset unit], ``volume``, ``taker_buy``
        [any one unit], ``trade_count``.
    flag : Callable
        Receives rows, cell and reason.
    """
    for cell in ("open", "high", "low", "close", "price"):
        if cell in values:
            flag(values[cell] <= 0, cell, "price not above 0")
    if "high" in values:
        flag(values["high"] < values["low"], "high", "high below low")
        for cell in ("open", "close"):
            is_outside = (values[cell] > values["high"]) | (values[cell] < values["low"])
            flag(is_outside, cell, "outside low to high")
    if "volume" in values:
        flag(values["volume"] < 0, "volume", "negative")
    if "taker_buy" in values:
        flag(values["taker_buy"] < 0, "taker_buy", "negative")
        # Sums of rounded trades may differ in the last digits.
        is_above = values["taker_buy"] > values["volume"] * (1 + 1e-9)
        flag(is_above, "taker_buy", "taker buys above volume")
    if "trade_count" in values:
        count = values["trade_count"]
        flag((count < 0) | (count % 1 > 0), "trade_count", "no count")


def flag_open_interest(values: Values, flag: Flag) -> None:
    """Flag impossible open interest: ``amount``, ``value``, ``price`` where given."""
    for cell in ("amount", "value", "price"):
        if cell in values:
            flag(values[cell] < 0, cell, "negative")
            # A traded contract has open interest: venues send 0 for "not known".
            flag(values[cell] == 0, cell, "zero, taken as missing")
            flag(values[cell] > LARGEST_FIGURE, cell, "more than exists of any coin or currency")


def flag_funding(values: Values, flag: Flag) -> None:
    """Flag implausible funding: ``rate`` [ratio per interval].

    An interval that no venue uses does not reject a payment: the warehouse derives intervals from
    the spacing of payments.
    """
    is_large = np.abs(values["rate"]) > LARGEST_FUNDING_RATIO
    flag(is_large, "rate", "beyond 50 % per interval: a percentage read as a ratio?")


def flag_ratios(values: Values, flag: Flag) -> None:
    """Flag impossible long/short ratios: ``ratio``, longs over shorts."""
    flag(values["ratio"] <= 0, "ratio", "not above 0")


def flag_sentiment(values: Values, flag: Flag) -> None:
    """Flag index values off the scale: ``value``, 0 to 100."""
    flag((values["value"] < 0) | (values["value"] > LARGEST_INDEX), "value", "outside 0 to 100")


@dataclass(slots=True)
class Rejects:
    """The rows of an input that cannot be used, each with its reason.

    Parameters
    ----------
    size : int
        Number of rows.
    """

    size: int
    reasons: dict[int, tuple[str, str]] = field(default_factory=dict)

    def flag(self, rows: Mask, cell: str, reason: str) -> None:
        """Record the reason of rows that have none yet."""
        for row in np.flatnonzero(rows):
            self.reasons.setdefault(int(row), (cell, reason))

    @property
    def is_usable(self) -> Mask:
        """Return which rows have no fault, shape (size,)."""
        usable = np.ones(self.size, dtype=np.bool_)
        usable[list(self.reasons)] = False
        return usable


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """One row, or one whole response, that could not be used.

    Parameters
    ----------
    reason : str
        What is wrong with it.
    received : str
        The row as received; cut to ``LONGEST_RECEIVED`` characters.
    row_number : int or None
        Counted from 1 within the input; None: the whole input.
    column_name : str or None
        The column at fault.
    instrument : str or None
        Instrument of the row, where it is known.
    """

    reason: str
    received: str
    row_number: int | None = None
    column_name: str | None = None
    instrument: str | None = None


# Names are typed, name files and appear on pages. Letters of any script: some coins have Chinese
# names.
_NAME = re.compile(r"[^\W_][\w.+$-]{0,63}")
_SYMBOL = re.compile(r"[^\W_][\w.+$/:-]{0,127}")
_NAMES = {
    "venue": _NAME,
    "asset": _NAME,
    "provider": _NAME,
    "venue_scope": _NAME,
    "quote": _NAME,
    "instrument": _SYMBOL,
}


def separate_bad_names(batch: Batch) -> list[Batch]:
    """Return a batch without the rows whose names are malformed, and those rows in quarantine.

    Parameters
    ----------
    batch : Batch
        Records of any kind.

    Examples
    --------
    >>> from sources.records import SCHEMAS
    >>> rows = pa.table({name: ["<b>"] for name in ("venue", "instrument", "asset")})
    >>> bad_name_rows(rows)
    {0: 'venue'}
    """
    if batch.kind == "quarantine":
        return [batch]
    bad = bad_name_rows(batch.table)
    if not bad:
        return [batch]
    first = batch.table.slice(0, 1).to_pylist()[0]
    rows = batch.table.take(pa.array(list(bad))).to_pylist()
    refused = [
        QuarantinedRow(
            f"{name} {row[name]!r} is no name: letters, digits and . + $ - _ are",
            str(row),
            column_name=name,
        )
        for row, name in zip(rows, bad.values(), strict=True)
    ]
    keep = np.ones(batch.table.num_rows, dtype=np.bool_)
    keep[list(bad)] = False
    origin = Provenance(
        kind=batch.kind,
        venue=None,
        input_name=first["source"],
        source=first["source"],
        ingested_at=first["ingested_at"],
    )
    return [
        Batch(batch.kind, batch.table.filter(pa.array(keep))),
        *quarantine(refused, origin),
    ]


def bad_name_rows(table: pa.Table) -> dict[int, str]:
    """Return the rows with a name outside the alphabet, and the column it is in."""
    found: dict[int, str] = {}
    for column, form in _NAMES.items():
        if column not in table.column_names:
            continue
        values = table[column]
        bad = [
            one
            for one in values.unique().to_pylist()
            if one is not None and not form.fullmatch(one)
        ]
        if bad:
            rows = pc.indices_nonzero(pc.is_in(values, value_set=pa.array(bad)))
            found |= {int(row): column for row in rows.to_pylist() if int(row) not in found}
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the records of one input have in common.

    Parameters
    ----------
    kind : str
        The record kind.
    venue : str or None
        The venue, where there is one.
    input_name : str
        File name or request, free of secrets.
    source : str
        The ``source`` of every record.
    ingested_at : datetime
        When the input was received.
    """

    kind: str
    venue: str | None
    input_name: str
    source: str
    ingested_at: datetime


def make_batches(
    origin: Provenance,
    count: int,
    columns: Mapping[str, object],
    refused: Sequence[QuarantinedRow] = (),
) -> list[Batch]:
    """Return ``count`` records from columns (`make_batch`), and the quarantine of refused rows."""
    shared = {"venue": origin.venue, "source": origin.source, "ingested_at": origin.ingested_at}
    return [make_batch(origin.kind, count, {**shared, **columns}), *quarantine(refused, origin)]


def quarantine(rows: Sequence[QuarantinedRow], origin: Provenance) -> list[Batch]:
    """Return the quarantine records of rows of one input: one batch, none without rows."""
    if not rows:
        return []
    columns = {
        "kind": origin.kind,
        "venue": origin.venue,
        "input_name": origin.input_name,
        "source": origin.source,
        "ingested_at": origin.ingested_at,
        "instrument": [row.instrument for row in rows],
        "row_number": [row.row_number for row in rows],
        "column_name": [row.column_name for row in rows],
        "reason": [row.reason for row in rows],
        "received": [row.received[:LONGEST_RECEIVED] for row in rows],
    }
    return [make_batch("quarantine", len(rows), columns)]
