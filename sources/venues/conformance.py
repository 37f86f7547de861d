"""A venue's answers held against its declaration: what differs, in words, and where to mend it.

Belongs here: which small answer shows what a declaration says, and the checks that need no network.
Does not belong here: asking (`collect.doctor`), nor reading rows (`sources.venues.responses`): its
reasons for refusing a row are most of what is reported here.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from sources.records import Batch
from sources.venues.brackets import read_brackets, read_described_brackets, read_prices
from sources.venues.client import SPAN_KINDS, readings_of
from sources.venues.declaration import (
    AmountUnit,
    Brackets,
    Candles,
    Column,
    DescribedBrackets,
    Endpoint,
    Funding,
    GrowingMargins,
    LeverageLadders,
    LongShortRatio,
    MarginTables,
    OpenInterest,
    OrderLiquidations,
    Product,
    StepBrackets,
    Venue,
)
from sources.venues.instruments import Instrument
from sources.venues.pagination import milliseconds
from sources.venues.payload import (
    Floats,
    Milliseconds,
    Table,
    find_rows,
    take_cell,
    to_number,
)
from sources.venues.plausibility import LARGEST_AUDIT_RATIO
from sources.venues.responses import Context, instruments_of_rows, read_page, to_ms

ALL_CONTRACTS = "all contracts"
"""Name under which figures of all contracts are counted together."""

_HOUR_MS = 3_600_000
# A snapshot, and the newest row of a list, may be this old.
_STALE_PERIODS = 3
_STALE_SNAPSHOT_MS = 900_000
# The longest interval between payments that venues use.
_LONGEST_FUNDING_HOURS = 8.0
_SAMPLE_ROWS = 100
_SAMPLE_OF_A_SPAN = 5
_TRADES_SPAN_MS = _HOUR_MS
# Venues keep their clocks within a second; bars count as final by ours.
TOLERATED_CLOCK_MS = 5_000
# Open interest is worth minutes to weeks of trading; beyond this it is in another unit.
_LARGEST_TURNOVER = 200.0
_LARGEST_PRICE_RATIO = 1.05
_ROUNDING = 0.01
_EXCERPT = 160


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that a venue says otherwise than declared.

    Parameters
    ----------
    field : str
        What of the answer: a cell, its stamps, its order.
    found : str
        What is there.
    declared : str
        What is declared.
    mend : str
        The declaration, as an expression over `VENUES`.
    file : str
        The file that holds it.
    """

    field: str
    found: str
    declared: str
    mend: str
    file: str = "sources/venues/declared/"

    @property
    def words(self) -> str:
        """Return it as one sentence."""
        return (
            f"{self.field}: {self.found}; declared is {self.declared}. "
            f"See {self.mend} in {self.file}"
        )


@dataclass(frozen=True, slots=True)
class Declared:
    """One endpoint of a product as declared, and where.

    Parameters
    ----------
    kind : str
        What it is read for: a request kind, ``mark_price``, or ``leverage_bracket``.
    place : str
        Expression over `VENUES` of what is read.
    path : str
        The same of its endpoint.
    endpoint : Endpoint or None
        The endpoint; None where the list of instruments holds it all.
    reading : object
        What is read from it; None for mark prices.
    newer : Endpoint or None
        The endpoint that is asked for more recent rows.
    """

    kind: str
    place: str
    path: str
    endpoint: Endpoint | None
    reading: Any
    newer: Endpoint | None = None

    @property
    def name(self) -> str:
        """Return the kind in words, told apart from others of the same product."""
        measure = [self.reading.measure] if isinstance(self.reading, LongShortRatio) else []
        return " ".join([self.kind, *measure, *(["older"] if self.newer else [])])


@dataclass(frozen=True, slots=True)
class Sample:
    """The small answer that is asked for: first and last label [ms], most rows."""

    first_ms: int
    last_ms: int
    limit: int


@dataclass(frozen=True, slots=True)
class Examination:
    """What one answer came to.

    Parameters
    ----------
    rows : int
        Rows in the answer.
    differences : tuple of Difference
        What is otherwise than declared.
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


def declared_endpoints(venue: Venue, product: Product) -> Iterator[Declared]:
    """Yield what a product declares, in the order in which it is best asked for.

    Candles come first, the newest last of them: their closes value open interest.
    """
    root = f'VENUES["{venue.name}"].products[{venue.products.index(product)}]'
    names = {
        "open_interest": "open_interest_history",
        "funding_rate": "funding",
        "realised_liquidation": "liquidations",
    }
    for kind in SPAN_KINDS:
        for number, (reading, endpoints) in enumerate(readings_of(product, kind)):
            place = f"{root}.{names.get(kind, kind)}"
            if kind == "long_short_ratio":
                place = f"{root}.ratios[{number}]"
            for at, endpoint in reversed(list(enumerate(endpoints))):
                path = (
                    f"{place}.endpoints[{at}]"
                    if isinstance(reading, Candles)
                    else f"{place}.endpoint"
                )
                newer = endpoints[at - 1] if at else None
                yield Declared(kind, place, path, endpoint, reading, newer)
    if (now := product.open_interest_now) is not None:
        place = f"{root}.open_interest_now"
        yield Declared("open_interest_now", place, f"{place}.endpoint", now.endpoint, now)
    if product.mark_price is not None:
        place = f"{root}.mark_price"
        yield Declared("mark_price", place, place, product.mark_price, None)
    if (brackets := product.brackets) is not None:
        place = f"{root}.brackets"
        own = None if isinstance(brackets, StepBrackets | GrowingMargins) else brackets.endpoint
        yield Declared("leverage_bracket", place, f"{place}.endpoint", own, brackets)


def choose_sample(declared: Declared, now_ms: int) -> Sample | None:
    """Return which rows of an endpoint show what is declared of it; None where it has no span.

    On a regular grid: a hundred labels that are final, both ends of which must be answered. Where
    an answer holds one end of a longer span: a span several times as long as the answer.
    """
    endpoint, reading = declared.endpoint, declared.reading
    if endpoint is None or declared.kind not in SPAN_KINDS:
        return None
    step = endpoint.period_seconds * 1000
    end_ms = now_ms
    if declared.newer is not None and declared.newer.reach is not None:
        end_ms -= milliseconds(declared.newer.reach) + _HOUR_MS
    if step:
        count = min(endpoint.limit, _SAMPLE_ROWS)
        # Statistics come some minutes late.
        last = (end_ms - endpoint.settles_after_seconds * 1000) // step * step - 2 * step
        return Sample(last - (count - 1) * step, last, min(endpoint.limit, count + 2))
    has_limit = "{limit}" in endpoint.params.values()
    limit = min(endpoint.limit, _SAMPLE_OF_A_SPAN) if has_limit else endpoint.limit
    if isinstance(reading, Funding):
        hours = reading.interval_hours or _LONGEST_FUNDING_HOURS
        length = (3 if has_limit else 2) * limit * round(hours * _HOUR_MS)
    else:
        length = _TRADES_SPAN_MS
        if endpoint.longest_span is not None:
            length = milliseconds(endpoint.longest_span) - _TRADES_SPAN_MS
    if endpoint.reach is not None:
        length = min(length, milliseconds(endpoint.reach) - _TRADES_SPAN_MS)
    return Sample(end_ms - length, end_ms, limit)


def examine(
    declared: Declared,
    answer: object,
    context: Context,
    sample: Sample | None = None,
    prices: Mapping[str, float] | None = None,
) -> Examination:
    """Return what an answer says otherwise than declared.

    Parameters
    ----------
    declared : Declared
        The endpoint; one that is asked.
    answer : object
        Decoded JSON, with rows where they are declared.
    context : Context
        Who was asked for, and when.
    sample : Sample, optional
        Which rows were asked for, for endpoints with a span.
    prices : mapping of str to float, optional
        Mark prices by instrument, for brackets that are not in USD.
    """
    endpoint = declared.endpoint
    if endpoint is None:
        raise ValueError(f"{declared.place}: has no endpoint of its own")
    rows = find_rows(answer, endpoint)
    marks: dict[str, float] | None = None
    labels = np.zeros(0, dtype=np.int64)
    if declared.kind == "leverage_bracket":
        batches = read_brackets(declared.reading, answer, context, prices or {})
    elif declared.kind == "mark_price":
        batches, marks = [], read_prices(endpoint, answer, context)
    else:
        page = read_page(declared.reading, endpoint, answer, context)
        batches, labels = page.batches, page.labels
    refused = _refused(declared, batches, len(rows))
    told = {one.field for one in refused}
    others, notes = _examine_rows(declared, endpoint, answer, rows, context, sample, labels)
    absent = [one for one in _absent(declared, endpoint, rows) if one.field not in told]
    differences = [*refused, *absent, *others]
    if marks == {} and not differences:
        differences.append(_column_difference(declared, "price", "no price above 0"))
    return Examination(len(rows), tuple(differences), tuple(notes), tuple(batches), marks)


def examine_described(
    declared: Declared, instrument: Instrument, context: Context, prices: Mapping[str, float]
) -> Examination:
    """Return what the description of an instrument says of its brackets."""
    reading: DescribedBrackets = declared.reading
    if isinstance(reading, GrowingMargins) and instrument.asset not in reading.growth:
        return Examination(0, notes=(f"no margins are declared for {instrument.asset}",))
    batches = read_described_brackets(reading, [instrument], context, prices)
    rows = sum(one.table.num_rows for one in batches if one.kind != "quarantine")
    return Examination(rows, tuple(_refused(declared, batches, 1)), (), tuple(batches))


def _examine_rows(
    declared: Declared,
    endpoint: Endpoint,
    answer: object,
    rows: Sequence[Any],
    context: Context,
    sample: Sample | None,
    labels: Milliseconds,
) -> tuple[list[Difference], list[str]]:
    """Return differences and notes beyond what reading refused."""
    place = declared.path
    if not rows:
        path = ".".join(map(str, endpoint.rows)) or "the answer itself"
        if declared.kind == "realised_liquidation":
            return [], ["no liquidations in the span asked for"]
        return [Difference("rows", f"none at {path}", "some", f"{place}.rows")], []
    if endpoint.id_column is not None and not any(
        instruments_of_rows(endpoint, Table(rows), context)
    ):
        wanted = ", ".join(context.instruments)
        names = [name for name in Table(rows[:3]).texts(endpoint.id_column) if name]
        found = f"no row of {wanted}; rows name {', '.join(names) or 'nothing'}"
        return [
            Difference("instrument", found, f"{endpoint.id_column!r}", f"{place}.id_column")
        ], []
    found_here: list[Difference] = []
    notes: list[str] = []
    if isinstance(declared.reading, OrderLiquidations) and declared.reading.mark_column:
        found_here += _examine_trades(declared, endpoint, rows)
    if sample is not None:
        found_here += _examine_stamps(declared, endpoint, labels, sample, to_ms(context.now))
        order, note = _examine_order(declared, endpoint, labels, sample, len(rows))
        found_here += order
        notes += note
    elif isinstance(declared.reading, OpenInterest):
        found_here += _examine_snapshot(declared, endpoint, answer, rows, context)
    if isinstance(declared.reading, Candles) and "volume" in endpoint.columns:
        unit, note = _examine_volume(declared, endpoint, answer, rows, context.sole_instrument())
        found_here += unit
        notes += note
    return found_here, notes


def _column_difference(declared: Declared, cell: str, found: str) -> Difference:
    """Return a difference of one declared column."""
    columns = {} if declared.endpoint is None else declared.endpoint.columns
    if cell not in columns:
        return Difference(cell, found, "a usable figure", declared.place)
    return Difference(
        cell, found, f"column {columns[cell]!r}", f'{declared.path}.columns["{cell}"]'
    )


def _refused(declared: Declared, batches: Sequence[Batch], row_count: int) -> list[Difference]:
    """Return the reasons for which reading refused rows, each once."""
    rows = list(
        chain.from_iterable(one.table.to_pylist() for one in batches if one.kind == "quarantine")
    )
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        # Reasons that differ in their figures alone are one.
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


def _refusal(declared: Declared, cell: str, reason: str, words: str) -> Difference:
    """Return a refusal with the declaration it contradicts."""
    endpoint, reading = declared.endpoint, declared.reading
    if endpoint is not None and cell == "time" and reason.startswith("no instant"):
        return Difference(
            "time",
            words,
            f"stamps in {endpoint.label_unit}",
            f"{declared.path}.label_unit",
        )
    if endpoint is not None and cell == "time" and "multiple" in reason:
        return Difference(
            "time",
            words,
            f"labels {endpoint.period_seconds} s apart",
            f"{declared.path}.period_seconds",
        )
    if isinstance(reading, OpenInterest) and cell == "one_side":
        return Difference(
            "one_side", words, f"{reading.sides_counted}", f"{declared.place}.sides_counted"
        )
    if isinstance(reading, OpenInterest) and cell == "amount" and "unit" in reason:
        units = f"amount in {reading.amount_unit}, value in {reading.value_unit}"
        return Difference("amount", words, units, f"{declared.place}.amount_unit")
    return _column_difference(declared, cell or "row", words)


def _is_present(row: object, column: Column) -> bool:
    """Return whether a row has a column at all, be it empty."""
    names = column if isinstance(column, tuple) else (column,)
    return any(
        (isinstance(row, Mapping) and name in row)
        or (isinstance(row, list) and isinstance(name, int) and name < len(row))
        for name in names
    )


def _absent(declared: Declared, endpoint: Endpoint, rows: Sequence[Any]) -> list[Difference]:
    """Return the declared columns that no row has."""
    reading = declared.reading
    is_nested = isinstance(reading, LeverageLadders | MarginTables) or (
        isinstance(reading, Brackets) and reading.brackets_key is not None
    )
    if not rows or is_nested:
        # Brackets nested in a row are read as a whole, or refused.
        return []
    found = [
        _column_difference(declared, cell, f"no row has {column!r}; {_excerpt(rows[0])}")
        for cell, column in endpoint.columns.items()
        if not any(_is_present(row, column) for row in rows)
    ]
    if endpoint.closed is not None and not any(
        _is_present(row, endpoint.closed[0]) for row in rows
    ):
        words = f"no row says whether it is final; {_excerpt(rows[0])}"
        mend = f"{declared.path}.closed"
        found.append(Difference("closed", words, f"column {endpoint.closed[0]!r}", mend))
    return found


def _excerpt(row: object) -> str:
    if isinstance(row, Mapping):
        return f"rows have {', '.join(map(str, row))}"[:_EXCERPT]
    return f"the first row is {row!r}"[:_EXCERPT]


def _examine_stamps(
    declared: Declared, endpoint: Endpoint, labels: Milliseconds, sample: Sample, now_ms: int
) -> list[Difference]:
    """Return what is wrong with the labels of rows over a span."""
    if not len(labels):
        return []
    place, step = declared.path, endpoint.period_seconds * 1000
    off = labels[labels % step != 0] if step else labels[:0]
    # Candles off the grid are refused when they are read.
    if len(off) and not isinstance(declared.reading, Candles):
        found = f"{len(off)} of {len(labels)} labels are no multiple, for example {off[0]}"
        return [
            Difference(
                "time",
                found,
                f"labels {endpoint.period_seconds} s apart",
                f"{place}.period_seconds",
            )
        ]
    newest = int(labels.max())
    if endpoint.paging in ("latest", "numbered"):
        oldest_allowed = now_ms - _STALE_PERIODS * (
            step or round(_LONGEST_FUNDING_HOURS * _HOUR_MS)
        )
        if newest < oldest_allowed and declared.kind != "realised_liquidation":
            found = f"the newest row is {(now_ms - newest) / _HOUR_MS:.3g} h old"
            return [Difference("order", found, _paging_words(endpoint), f"{place}.paging")]
    if endpoint.paging != "windows" or len(off):
        return []
    found_here: list[Difference] = []
    had = set(labels.tolist())
    for name, label, shift in (
        ("first", sample.first_ms, "start_shift"),
        ("last", sample.last_ms, "end_shift"),
    ):
        if label not in had:
            count = len([one for one in had if sample.first_ms <= one <= sample.last_ms])
            wanted = (sample.last_ms - sample.first_ms) // step + 1
            found_here.append(
                Difference(
                    "bounds",
                    f"the {name} label asked for ({label}) is not in the answer, which has "
                    f"{count} of {wanted}",
                    f"both bounds answered with {shift} {getattr(endpoint, shift)}",
                    f"{place}.{shift}",
                )
            )
    return found_here


def _examine_trades(
    declared: Declared, endpoint: Endpoint, rows: Sequence[Any]
) -> list[Difference]:
    """Return what is wrong with trades, of which reading minds liquidations alone.

    A small answer rarely holds one, but all its rows have the same columns.
    """
    table = Table(rows)
    table.labels(endpoint.columns["time"], endpoint.label_unit)
    for cell in ("price", "amount"):
        table.numbers(endpoint.columns[cell], cell, is_required=True)
    faults = dict(table.rejects.reasons.values())
    return [
        _refusal(declared, cell, reason, f"{reason} ({table.received(0)[:_EXCERPT]})")
        for cell, reason in faults.items()
    ]


def _paging_words(endpoint: Endpoint) -> str:
    return {
        "oldest": "the oldest rows of the span",
        "newest": "the newest rows of the span",
        "numbered": "page 1 with the newest rows",
        "latest": "the newest rows",
        "windows": "all rows of the span",
    }[endpoint.paging] + f" (paging {endpoint.paging!r})"


def _examine_order(
    declared: Declared, endpoint: Endpoint, labels: Milliseconds, sample: Sample, row_count: int
) -> tuple[list[Difference], list[str]]:
    """Return whether a full answer holds the declared end of a longer span, and what is not known.

    A full answer is read on from its newest or oldest row; from the wrong end, rows are lost.
    """
    if endpoint.paging not in ("oldest", "newest") or not len(labels):
        return [], []
    if row_count < sample.limit:
        return [], [f"{row_count} rows do not fill an answer: the order of pages was not seen"]
    before = int(labels.min()) - sample.first_ms
    after = sample.last_ms - int(labels.max())
    spacing = int(labels.max() - labels.min()) / max(len(labels) - 1, 1)
    if max(before, after) <= 2 * spacing:
        return [], [f"{row_count} rows hold the whole span: the order of pages was not seen"]
    holds = "oldest" if before < after else "newest"
    if holds == endpoint.paging:
        return [], []
    found = f"a full answer holds the {holds} rows of the span"
    return [Difference("order", found, _paging_words(endpoint), f"{declared.path}.paging")], []


def _examine_snapshot(
    declared: Declared, endpoint: Endpoint, answer: object, rows: Sequence[Any], context: Context
) -> list[Difference]:
    """Return what is wrong with the instant of open interest as it stands."""
    table = Table(rows)
    if "time" in endpoint.columns:
        labels = table.labels(endpoint.columns["time"], endpoint.label_unit)
        own = np.array([one is not None for one in instruments_of_rows(endpoint, table, context)])
        labels = labels[own & (labels > 0)]
        mend = f'{declared.path}.columns["time"]'
    elif endpoint.answer_time is not None:
        told = to_number(take_cell(answer, endpoint.answer_time))
        mend = f"{declared.path}.answer_time"
        if told is None:
            found = "no instant there"
            return [Difference("time", found, f"the answer's {endpoint.answer_time!r}", mend)]
        labels = np.array([int(told)])
    else:
        return []
    age = to_ms(context.now) - labels
    if not len(labels) or bool(np.all(np.abs(age) <= _STALE_SNAPSHOT_MS)):
        return []
    found = f"the figure is of {int(age[0]) / 60_000:.4g} minutes ago"
    return [Difference("time", found, f"the present, in {endpoint.label_unit}", mend)]


def _all_columns(answer: object, endpoint: Endpoint, rows: Sequence[Any]) -> Sequence[Any]:
    """Return rows with the columns that are not declared too."""
    if not endpoint.is_columnar:
        return rows
    found: Any = answer
    for step in endpoint.rows:
        found = found[step]
    every = {
        key: key for key, cells in found.items()
        if isinstance(cells, list) and len(cells) == len(rows)
    }  # fmt: skip
    return find_rows(answer, replace(endpoint, columns=every))


def _base_amounts(unit: AmountUnit, volume: Floats, price: Floats, one: Instrument) -> Floats:
    """Return volumes in quoted units of the coin, were they in a unit."""
    size = one.contract_size
    if one.contract_kind == "inverse":
        return volume if unit == "base" else volume * (size if unit == "contracts" else 1) / price
    if unit == "usd":
        return volume / price
    return volume * (size / one.base_multiplier if unit == "contracts" else 1.0)


def _examine_volume(
    declared: Declared,
    endpoint: Endpoint,
    answer: object,
    rows: Sequence[Any],
    instrument: Instrument,
) -> tuple[list[Difference], list[str]]:
    """Return whether another column of candles shows volume to be in another unit.

    Most venues send a volume twice, in coins and in USD. Where one of the other columns is the
    volume times price, as far as high and low allow, the declared unit is right.
    """
    every = _all_columns(answer, endpoint, rows)
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
    for unit in ("base", "contracts", "usd"):
        most = _base_amounts(unit, volume, low, instrument)
        least = _base_amounts(unit, volume, high, instrument)
        for column in others:
            cells = table.numbers(column, "other", is_required=False)
            bounds = [(least, most), (least * low, most * high)]
            if any(_lies_within(cells, *pair, used) for pair in bounds):
                fitting.setdefault(unit, column)
    reading: Candles = declared.reading
    if reading.volume_unit in fitting:
        return [], []
    # One contract of one coin, and one of one USD, are told in either way.
    if not fitting:
        return [], ["no other column is volume times price: its unit was not seen"]
    unit, column = next(iter(fitting.items()))
    return [
        Difference(
            "volume",
            f"column {column!r} is the volume times price if volume is {unit}",
            f"volume in {reading.volume_unit}",
            f"{declared.place}.volume_unit",
        )
    ], []


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
    """Return whether cells lie within bounds wherever there was trading, rounding aside."""
    with np.errstate(invalid="ignore"):
        fits = (cells >= least * (1 - _ROUNDING)) & (cells <= most * (1 + _ROUNDING))
    return bool(np.isfinite(cells[used]).all() and fits[used].mean() > 0.95)


def compare_kinds(
    of_kind: Mapping[str, Declared], records: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[tuple[str, Difference]]:
    """Return what kinds of one instrument say against each other, with the kind to mend.

    Parameters
    ----------
    of_kind : mapping of str to Declared
        The endpoints by kind.
    records : mapping of str to sequence of mappings
        Records of one instrument by kind, oldest first.
    """
    found: list[tuple[str, Difference]] = []
    now, past = records.get("open_interest_now", ()), records.get("open_interest", ())
    if now and past:
        ratio = now[-1]["open_interest_quantity"] / past[-1]["open_interest_quantity"]
        if not 1 / LARGEST_AUDIT_RATIO < ratio < LARGEST_AUDIT_RATIO:
            declared = of_kind["open_interest_now"]
            found.append(
                (
                    "open_interest_now",
                    _unit_difference(declared, f"{ratio:.4g} times what history says"),
                )
            )
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
        ratio = float(
            np.median([one["mark_close"] for one in marks])
            / np.median([one["close"] for one in bars])
        )
        if not 1 / _LARGEST_PRICE_RATIO < ratio < _LARGEST_PRICE_RATIO:
            words = f"{ratio:.4g} times the price of trades"
            found.append(("mark_ohlc", _column_difference(of_kind["mark_ohlc"], "close", words)))
    return found


def _unit_difference(declared: Declared, found: str) -> Difference:
    reading: OpenInterest = declared.reading
    is_amount = reading.quantity_from == "amount"
    unit = reading.amount_unit if is_amount else reading.value_unit
    sides = "both sides" if reading.sides_counted == 2 else "one side"
    name = "amount_unit" if is_amount else "value_unit"
    return Difference(
        reading.quantity_from, found, f"in {unit}, {sides} counted", f"{declared.place}.{name}"
    )


def examine_clock(server_ms: int, sent_ms: int, received_ms: int, venue: str) -> list[Difference]:
    """Return whether a venue's clock is off ours, between sending and receiving [ms]."""
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


def in_lots(batch: Batch, instruments: Mapping[str, Instrument]) -> list[dict[str, Any]]:
    """Return open interest records as multiples of each instrument's lot, as if of one instrument.

    A single answer has one figure for each instrument, too few to see the lot of any; where the
    venue lists lots, the figures of all can be counted together.
    """
    units: Mapping[str, str] = {"contracts": "contract_size", "base": "base_multiplier"}
    rows: list[dict[str, Any]] = []
    for row in batch.table.to_pylist():
        one = instruments[row["instrument"]]
        unit, amount = row["received_amount_unit"], row["received_amount"]
        if one.lot_quantity is None or unit not in units or amount is None:
            continue
        lots = amount * getattr(one, units[unit]) / one.lot_quantity
        rows.append(
            row
            | {
                "instrument": ALL_CONTRACTS,
                "received_amount": round(lots, 6),
                "received_amount_unit": "contracts",
            }
        )
    return rows
