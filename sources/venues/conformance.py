"""A venue's responses compared with their declarations: each difference, and where to correct it.

Belongs here: checks of one response, without network. Does not belong here: requesting it
(`jobs.collect.doctor`), reading rows (`sources.venues.page_reader`), whose reasons for refusing a
row are most of the differences.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from sources.records import Batch
from sources.venues.brackets import read_brackets, read_described_brackets, read_prices
from sources.venues.declaration import Candles, OpenInterest, OrderLiquidations
from sources.venues.declared_endpoints import (
    LONGEST_FUNDING_HOURS,
    DeclaredEndpoint,
    Difference,
)
from sources.venues.endpoints import Column, Endpoint
from sources.venues.instruments import Instrument
from sources.venues.margin_specs import (
    BracketRows,
    DescribedBrackets,
    GrowingMargins,
    LeverageLadders,
    MarginTables,
)
from sources.venues.page_reader import read_page
from sources.venues.pagination import PageRequest
from sources.venues.payload import Milliseconds, Table, find_rows, take_cell, to_number
from sources.venues.responses import ResponseContext, instruments_of_rows
from sources.venues.unit_conformance import examine_volume

_HOUR_MS = 3_600_000
# A snapshot, and the newest row of a list, may be this old.
_STALE_PERIODS = 3
_STALE_SNAPSHOT_MS = 900_000
# Venues keep their clocks within a second; bars count as final by ours.
TOLERATED_CLOCK_MS = 5_000
_EXCERPT = 160
_PAGING_WORDS = {
    "oldest": "the oldest rows of the span",
    "newest": "the newest rows of the span",
    "numbered": "page 1 with the newest rows",
    "latest": "the newest rows",
    "windows": "all rows of the span",
}


@dataclass(frozen=True, slots=True)
class Examination:
    """The result for one response.

    Parameters
    ----------
    rows : int
        Rows in the response.
    differences : tuple of Difference
        Differences from the declaration.
    notes : tuple of str
        What could not be judged, and why.
    batches : tuple of Batch
        Records read from it.
    prices : mapping of str to float
        Mark prices by instrument [USD per asset unit].
    """

    rows: int
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    batches: tuple[Batch, ...] = ()
    prices: Mapping[str, float] | None = None


Findings = tuple[list[Difference], list[str]]


def examine(
    declared: DeclaredEndpoint,
    payload: object,
    context: ResponseContext,
    sample: PageRequest | None = None,
    prices: Mapping[str, float] | None = None,
) -> Examination:
    """Return the differences between a response and its declaration.

    Parameters
    ----------
    declared : DeclaredEndpoint
        The endpoint; one that is called.
    payload : object
        The response, decoded, with rows at the declared path.
    context : ResponseContext
        What was requested, and when.
    sample : PageRequest, optional
        The rows requested, for endpoints with a span.
    prices : mapping of str to float, optional
        Mark prices by instrument, for brackets that are not in USD.
    """
    endpoint = declared.endpoint
    if endpoint is None:
        raise ValueError(f"{declared.place}: has no endpoint of its own")
    rows = find_rows(payload, endpoint)
    marks: dict[str, float] | None = None
    labels = np.zeros(0, dtype=np.int64)
    if declared.kind == "leverage_bracket":
        batches = read_brackets(declared.spec, payload, context, prices or {})
    elif declared.kind == "mark_price":
        batches, marks = [], read_prices(endpoint, payload, context)
    else:
        page = read_page(declared.spec, endpoint, payload, context)
        batches, labels = page.batches, page.labels
    refused = _refused(declared, batches, len(rows))
    response = _ExaminedResponse(declared, endpoint, payload, rows, context, labels)
    others, notes = response.examine(sample)
    refused_fields = {one.field for one in refused}
    absent = [one for one in response.absent_columns() if one.field not in refused_fields]
    differences = [*refused, *absent, *others]
    if marks == {} and not differences:
        differences.append(declared.column_difference("price", "no price above 0"))
    return Examination(len(rows), tuple(differences), tuple(notes), tuple(batches), marks)


def examine_described(
    declared: DeclaredEndpoint,
    instrument: Instrument,
    context: ResponseContext,
    prices: Mapping[str, float],
) -> Examination:
    """Return the differences in the brackets of an instrument's own description."""
    spec: DescribedBrackets = declared.spec
    if isinstance(spec, GrowingMargins) and instrument.asset not in spec.growth:
        return Examination(0, notes=(f"no margins are declared for {instrument.asset}",))
    batches = read_described_brackets(spec, [instrument], context, prices)
    rows = sum(one.table.num_rows for one in batches if one.kind != "quarantine")
    return Examination(rows, tuple(_refused(declared, batches, 1)), (), tuple(batches))


def examine_clock(server_ms: int, sent_ms: int, received_ms: int, venue: str) -> list[Difference]:
    """Return the difference of a venue's clock from ours, between sending and receiving [ms]."""
    ahead = max(server_ms - received_ms, sent_ms - server_ms, 0)
    if ahead <= TOLERATED_CLOCK_MS:
        return []
    side = "ahead of" if server_ms > received_ms else "behind"
    return [
        Difference(
            "clock",
            f"the venue's is {ahead / 1000:,.0f} s {side} ours",
            f"within {TOLERATED_CLOCK_MS / 1000:g} s",
            f'the clock of this machine first (NTP); else VENUES["{venue}"]',
        )
    ]


def _refused(
    declared: DeclaredEndpoint, batches: Sequence[Batch], row_count: int
) -> list[Difference]:
    """Return the reasons for which rows were refused, each once."""
    rows = chain.from_iterable(one.table.to_pylist() for one in batches if one.kind == "quarantine")
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        # Reasons that differ only in their figures count as one.
        key = (row["column_name"] or "", re.sub(r"[-+\d.e]*\d[-+\d.e]*", "#", row["reason"]))
        counts[key] += 1
        first.setdefault(key, row)
    found: list[Difference] = []
    for key, count in counts.items():
        row = first[key]
        received = row["received"] or ""
        excerpt = received[:_EXCERPT] + ("..." if len(received) > _EXCERPT else "")
        words = f"{row['reason']} ({count} of {row_count} rows, for example {excerpt})"
        found.append(_refusal(declared, key[0], row["reason"], words))
    return found


def _refusal(declared: DeclaredEndpoint, cell: str, reason: str, words: str) -> Difference:
    """Return a refusal with the declaration that it contradicts."""
    endpoint, spec = declared.endpoint, declared.spec
    if endpoint is not None and cell == "time":
        if reason.startswith("no instant"):
            unit = f"labels in {endpoint.label_unit}"
            return Difference("time", words, unit, f"{declared.path}.label_unit")
        if "multiple" in reason:
            return _spacing_difference(declared, endpoint, words)
    if isinstance(spec, OpenInterest):
        if cell == "one_side":
            place = f"{declared.place}.sides_counted"
            return Difference("one_side", words, f"{spec.sides_counted}", place)
        if cell == "amount" and "unit" in reason:
            units = f"amount in {spec.amount_unit}, value in {spec.value_unit}"
            return Difference("amount", words, units, f"{declared.place}.amount_unit")
    return declared.column_difference(cell or "row", words)


def _spacing_difference(declared: DeclaredEndpoint, endpoint: Endpoint, found: str) -> Difference:
    spacing = f"labels {endpoint.period_seconds} s apart"
    return Difference("time", found, spacing, f"{declared.path}.period_seconds")


@dataclass(frozen=True, slots=True)
class _ExaminedResponse:
    """One response and its declaration."""

    declared: DeclaredEndpoint
    endpoint: Endpoint
    payload: object
    rows: Sequence[Any]
    context: ResponseContext
    labels: Milliseconds

    def examine(self, sample: PageRequest | None) -> Findings:
        """Return differences and notes beyond the refused rows."""
        declared, endpoint, spec = self.declared, self.endpoint, self.declared.spec
        if not self.rows:
            path = ".".join(map(str, endpoint.rows)) or "the response itself"
            if declared.kind == "realised_liquidation":
                return [], ["no liquidations in the requested span"]
            return [Difference("rows", f"none at {path}", "some", f"{declared.path}.rows")], []
        if endpoint.id_column is not None and not any(self._instruments()):
            return [self._other_instruments(endpoint.id_column)], []
        found: list[Difference] = []
        notes: list[str] = []
        if isinstance(spec, OrderLiquidations) and spec.mark_column:
            found += self._examine_trades()
        if sample is not None:
            found += self._examine_labels(sample)
            order, note = self._examine_order(sample)
            found += order
            notes += note
        elif isinstance(spec, OpenInterest):
            found += self._examine_snapshot()
        if isinstance(spec, Candles) and "volume" in endpoint.columns:
            instrument = self.context.sole_instrument()
            unit, note = examine_volume(declared, endpoint, self.payload, self.rows, instrument)
            found += unit
            notes += note
        return found, notes

    def absent_columns(self) -> list[Difference]:
        """Return the declared columns that no row has."""
        spec, closed = self.declared.spec, self.endpoint.closed
        is_nested = isinstance(spec, LeverageLadders | MarginTables) or (
            isinstance(spec, BracketRows) and spec.brackets_key is not None
        )
        if not self.rows or is_nested:
            # Brackets nested in a row are read as a whole, or refused.
            return []
        excerpt = _excerpt(self.rows[0])
        found = [
            self.declared.column_difference(cell, f"no row has {column!r}; {excerpt}")
            for cell, column in self.endpoint.columns.items()
            if not any(_is_present(row, column) for row in self.rows)
        ]
        if closed is not None and not any(_is_present(row, closed[0]) for row in self.rows):
            words = f"no row says whether it is final; {excerpt}"
            place = f"{self.declared.path}.closed"
            found.append(Difference("closed", words, f"column {closed[0]!r}", place))
        return found

    def _instruments(self) -> list[Instrument | None]:
        return instruments_of_rows(self.endpoint, Table(self.rows), self.context)

    def _other_instruments(self, id_column: Column) -> Difference:
        requested = ", ".join(self.context.instruments)
        names = [name for name in Table(self.rows[:3]).texts(id_column) if name]
        found = f"no row of {requested}; rows name {', '.join(names) or 'nothing'}"
        place = f"{self.declared.path}.id_column"
        return Difference("instrument", found, f"{id_column!r}", place)

    def _examine_labels(self, sample: PageRequest) -> list[Difference]:
        """Return what is wrong with the labels of rows over a span."""
        labels, endpoint = self.labels, self.endpoint
        if not len(labels):
            return []
        step = endpoint.period_seconds * 1000
        off = labels[labels % step != 0] if step else labels[:0]
        # Candles off the grid are refused when they are read.
        if len(off) and not isinstance(self.declared.spec, Candles):
            found = f"{len(off)} of {len(labels)} labels are no multiple, for example {off[0]}"
            return [_spacing_difference(self.declared, endpoint, found)]
        if endpoint.paging in ("latest", "numbered"):
            period = step or round(LONGEST_FUNDING_HOURS * _HOUR_MS)
            age = self.context.now_ms - int(labels.max())
            if age > _STALE_PERIODS * period and self.declared.kind != "realised_liquidation":
                return [self._paging_difference(f"the newest row is {age / _HOUR_MS:.3g} h old")]
        if endpoint.paging != "windows" or len(off):
            return []
        return self._missing_bounds(sample, step)

    def _missing_bounds(self, sample: PageRequest, step: int) -> list[Difference]:
        present = set(self.labels.tolist())
        count = len([one for one in present if sample.first_ms <= one <= sample.last_ms])
        requested = (sample.last_ms - sample.first_ms) // step + 1
        return [
            Difference(
                "bounds",
                f"the {name} label requested ({label}) is not in the response, which has "
                f"{count} of {requested}",
                f"both bounds included with {shift} {getattr(self.endpoint, shift)}",
                f"{self.declared.path}.{shift}",
            )
            for name, label, shift in (
                ("first", sample.first_ms, "start_shift"),
                ("last", sample.last_ms, "end_shift"),
            )
            if label not in present
        ]

    def _examine_trades(self) -> list[Difference]:
        """Return what is wrong with trades, of which only liquidations are read.

        A small response rarely has one, but all its rows have the same columns.
        """
        table, columns = Table(self.rows), self.endpoint.columns
        table.labels(columns["time"], self.endpoint.label_unit)
        for cell in ("price", "amount"):
            table.numbers(columns[cell], cell, is_required=True)
        faults = dict(table.rejects.reasons.values())
        excerpt = table.received(0)[:_EXCERPT]
        return [
            _refusal(self.declared, cell, reason, f"{reason} ({excerpt})")
            for cell, reason in faults.items()
        ]

    def _paging_difference(self, found: str) -> Difference:
        paging = self.endpoint.paging
        words = f"{_PAGING_WORDS[paging]} (paging {paging!r})"
        return Difference("order", found, words, f"{self.declared.path}.paging")

    def _examine_order(self, sample: PageRequest) -> Findings:
        """Return whether a full response holds the declared end of a longer span.

        The next page begins at its newest or oldest row; from the wrong end, rows are lost.
        """
        labels, paging, count = self.labels, self.endpoint.paging, len(self.rows)
        if paging not in ("oldest", "newest") or not len(labels):
            return [], []
        if count < sample.limit:
            return [], [f"{count} rows do not fill a response: the order of pages was not seen"]
        before = int(labels.min()) - sample.first_ms
        after = sample.last_ms - int(labels.max())
        spacing = int(labels.max() - labels.min()) / max(len(labels) - 1, 1)
        if max(before, after) <= 2 * spacing:
            return [], [f"{count} rows hold the whole span: the order of pages was not seen"]
        holds = "oldest" if before < after else "newest"
        if holds == paging:
            return [], []
        return [self._paging_difference(f"a full response holds the {holds} rows of the span")], []

    def _examine_snapshot(self) -> list[Difference]:
        """Return what is wrong with the instant of current open interest."""
        endpoint = self.endpoint
        if "time" in endpoint.columns:
            labels = Table(self.rows).labels(endpoint.columns["time"], endpoint.label_unit)
            own = np.array([one is not None for one in self._instruments()])
            labels = labels[own & (labels > 0)]
            place = f'{self.declared.path}.columns["time"]'
        elif endpoint.time_key is not None:
            made = to_number(take_cell(self.payload, endpoint.time_key))
            place = f"{self.declared.path}.time_key"
            if made is None:
                where = f"the response's {endpoint.time_key!r}"
                return [Difference("time", "no instant there", where, place)]
            labels = np.array([int(made)])
        else:
            return []
        age = self.context.now_ms - labels
        if not len(labels) or bool(np.all(np.abs(age) <= _STALE_SNAPSHOT_MS)):
            return []
        found = f"the figure is {int(age[0]) / 60_000:.4g} minutes old"
        return [Difference("time", found, f"the present, in {endpoint.label_unit}", place)]


def _is_present(row: object, column: Column) -> bool:
    """Return whether a row has a column at all, even if empty."""
    names = column if isinstance(column, tuple) else (column,)
    return any(
        (isinstance(row, Mapping) and name in row)
        or (isinstance(row, list) and isinstance(name, int) and name < len(row))
        for name in names
    )


def _excerpt(row: object) -> str:
    if isinstance(row, Mapping):
        return f"rows have {', '.join(map(str, row))}"[:_EXCERPT]
    return f"the first row is {row!r}"[:_EXCERPT]
