"""From a file and its mapping to records that can land and rows that cannot.

Belongs here: what needs the rows of the whole file (duplicates, order, the price that values a
snapshot, repeated rates) and the making of records. Does not belong here: reading, and what one
row alone can tell.

Text is read block by block and dropped once its numbers are taken. The numbers of a whole file,
about 100 bytes a row, are kept until its end: only then are duplicates, order and prices known.
"""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sources.errors import InputRejected
from sources.recorded.input_files import matching_mappings, shipped_mappings
from sources.recorded.input_tables import Cells, FloatArray, IntArray, open_members
from sources.recorded.instrument_book import FOREIGN_QUOTE, SYMBOL_FAULTS, SymbolBook
from sources.recorded.kinds import Part
from sources.recorded.known_closes import KnownCloses
from sources.recorded.label_change import Turn, find_turns, implied_prices, shift_late
from sources.recorded.mapping import KINDS, Mapping
from sources.recorded.mapping_sections import BAR_PRICES, RATE_UNITS, SNAPSHOT_PRICES
from sources.recorded.usable_rows import Gathering, Rows, TimeBounds
from sources.records import INSTANT, SCHEMAS, Batch
from sources.venues.declared import sides_counted_by
from sources.venues.plausibility import LARGEST_AUDIT_RATIO

logger = logging.getLogger(__name__)

_BATCH_ROWS = 500_000
_HOUR_MICROSECONDS = 3_600_000_000
_NEVER = np.iinfo(np.int64).max
_INSTANT_COLUMN = {
    "ohlcv": "bar_start_at",
    "mark_ohlc": "bar_start_at",
    "open_interest": "observed_at",
    "funding_rate": "funded_at",
    "realised_liquidation": "period_start_at",
    "long_short_ratio": "observed_at",
    "sentiment": "observed_at",
}
# Columns of a record, arrays of shape (n_rows,) or one value for all rows.
Columns = dict[str, Any]


def import_file(
    path: Path,
    mapping: Mapping,
    *,
    ingested_at: dt.datetime,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
    closes: KnownCloses | None = None,
) -> Iterator[Batch]:
    """Yield the records of a file: instruments, each kind in order, last what could not be used.

    Parameters
    ----------
    path : Path
        A file that ends in one of ``reading.SUFFIXES``.
    mapping : Mapping
        Says what its columns are.
    ingested_at : datetime
        Stamp of the records; rows later than this, or of bars that end later, are not usable.
    start, end : datetime or None
        Only records with start <= instant < end (for bars: the open); None is unbounded.
    closes : KnownCloses, optional
        Prices from other files and from earlier; they tell what labels stand for where the mapping
        has a `label_change`.

    Yields
    ------
    Batch
        Of the kinds ``instrument``, those of the mapping, and ``quarantine``; none is empty.
        The same arguments give the same rows in the same order.

    Raises
    ------
    InputRejected
        If the file as a whole is unusable; nothing has been yielded then.
    """
    bounds = TimeBounds(ingested_at, start, end)
    gathering = Gathering(path, mapping, bounds)
    for member in open_members(path, mapping.columns):
        gathering.read(member)
    _refuse_foreign_quotes(path, gathering)
    closes = closes or KnownCloses()
    settling = _Settling(gathering, find_turns(gathering, closes))
    settled = [settling.settle(i, part) for i, part in enumerate(gathering.parts)]
    if mapping.time.label_change is not None:
        settled = [
            _set_wrong_units_aside(gathering, part, rows, closes)
            for part, rows in zip(gathering.parts, settled, strict=True)
        ]
    conversion = _Conversion(gathering, _collect_prices(gathering, path, settled, ingested_at))
    usable: list[tuple[Part, Rows]] = []
    first_seen = np.full(len(gathering.book.series), _NEVER, dtype=np.int64)
    for part, rows in zip(gathering.parts, settled, strict=True):
        valued = conversion.set_unvalued_aside(part, rows)
        wanted = valued.take(bounds.contain(valued.at))
        if part.kind != "sentiment":
            np.minimum.at(first_seen, wanted.series, wanted.at)
        usable.append((part, wanted))
    del settled
    n_set_aside = sum(len(table) for table in gathering.set_aside)
    counts: Counter[str] = Counter()
    for part, rows in usable:
        counts[part.kind] += len(rows)
    logger.info(
        "%s with %s: %s; %d rows to quarantine, %d identical duplicates, %d repeated rates, "
        "%d rows left out by 'where'",
        path.name,
        mapping.name,
        ", ".join(f"{count} {kind}" for kind, count in counts.items()),
        n_set_aside,
        settling.counts["identical"],
        settling.counts["repeated"],
        gathering.n_left_out,
    )
    if counts.total() and gathering.book.series:
        yield Batch("instrument", _make_instruments(gathering, first_seen, ingested_at))
    for part, rows in usable:
        for offset in range(0, len(rows), _BATCH_ROWS):
            some = rows.take(slice(offset, offset + _BATCH_ROWS))
            yield Batch(part.kind, conversion.make_table(part, some, ingested_at))
    if gathering.set_aside:
        quarantine = pa.concat_tables(gathering.set_aside).sort_by(
            [
                ("input_name", "ascending"),
                ("row_number", "ascending"),
                ("kind", "ascending"),
                ("column_name", "ascending"),
            ]
        )
        for offset in range(0, n_set_aside, _BATCH_ROWS):
            yield Batch("quarantine", quarantine.slice(offset, _BATCH_ROWS))


def _refuse_foreign_quotes(path: Path, gathering: Gathering) -> None:
    """Refuse a file whose prices are all in something other than dollars."""
    book = gathering.book
    if book.foreign and not book.series:
        raise InputRejected(
            f"{path.name}: {', '.join(sorted(book.foreign)[:5])}: "
            f"{SYMBOL_FAULTS[FOREIGN_QUOTE]}; prices of a map are in dollars, so nothing of the "
            "file was taken. Leave it out, or import the contract's dollar-quoted sibling"
        )


def _set_wrong_units_aside(
    gathering: Gathering, part: Part, rows: Rows, closes: KnownCloses
) -> Rows:
    """Return the rows whose amount and value make a price near the close at their instant."""
    if part.kind != "open_interest":
        return rows
    is_usable = np.ones(len(rows), dtype=np.bool_)
    for code in np.unique(rows.series):
        one = gathering.book.series[code]
        own = np.flatnonzero(rows.series == code)
        some = rows.take(own)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = closes.of(one.venue, one.instrument).look_up(some.at) / implied_prices(
                some, gathering, int(code)
            )
            is_wrong = np.abs(np.log(ratio)) > np.log(LARGEST_AUDIT_RATIO)
        if is_wrong.any():
            is_usable[own[is_wrong]] = False
            gathering.set_known_rows_aside(
                part,
                some.take(is_wrong),
                "amount",
                f"amount x price / value is {np.median(ratio[is_wrong]):.4g} for {one.instrument} "
                f"on {one.venue}: one is in another unit",
            )
    return rows.take(is_usable)


class _Settling:
    """Orders the rows of each part and decides between rows of one key."""

    def __init__(self, gathering: Gathering, turns: dict[int, Turn]) -> None:
        self._gathering = gathering
        self._turns = turns
        self.counts: Counter[str] = Counter()

    def settle(self, position: int, part: Part) -> Rows:
        """Return the rows of a part by series and time, one for each."""
        pieces = self._gathering.pieces[position]
        rows = Rows.join(pieces, tuple(part.cells))
        # The blocks' own arrays are not needed any more.
        pieces.clear()
        change = self._gathering.mapping.time.label_change
        if change is not None and part.kind in ("open_interest", "long_short_ratio"):
            rows = shift_late(rows, self._turns, change)
        step = np.diff(rows.series)
        if not ((step > 0) | ((step == 0) & (np.diff(rows.at) > 0))).all():
            rows = rows.take(np.lexsort((rows.row, rows.member, rows.at, rows.series)))
        rows = self._keep_last(part, rows)
        funding = self._gathering.mapping.funding_rate
        if part.kind == "funding_rate" and funding is not None and funding.is_repeated:
            rows = self._keep_settlements(part, rows)
        return rows

    def _keep_last(self, part: Part, rows: Rows) -> Rows:
        """Return the last row of the file for each key; others that differ are set aside."""
        is_same_as_next = (np.diff(rows.series) == 0) & (np.diff(rows.at) == 0)
        if not is_same_as_next.any():
            return rows
        is_last = np.append(~is_same_as_next, True)
        group = np.cumsum(np.append(True, ~is_same_as_next)) - 1
        last = np.flatnonzero(is_last)[group]
        is_identical = np.ones(len(rows), dtype=np.bool_)
        for values in rows.values.values():
            is_identical &= (values == values[last]) | (np.isnan(values) & np.isnan(values[last]))
        self.counts["identical"] += int((is_identical & ~is_last).sum())
        contradicted = rows.take(~is_identical)
        self._gathering.set_known_rows_aside(
            part, contradicted, "time", "contradicted by a later row of the same instant"
        )
        return rows.take(is_last)

    def _keep_settlements(self, part: Part, rows: Rows) -> Rows:
        """Return the rows that carry a settlement, of rows that repeat it until the next.

        Where the interval is known these are the rows on its multiples, and a change between
        them contradicts the interval. Where it is not, they are the rows on which the rate
        changes.
        """
        hours = self._gathering.book.column("funding_interval_hours")[rows.series]
        is_known = np.isfinite(hours)
        interval = np.where(is_known, hours * _HOUR_MICROSECONDS, 1).astype(np.int64)
        is_first = np.ones(len(rows), dtype=np.bool_)
        is_first[1:] = np.diff(rows.series) != 0
        is_changed = is_first.copy()
        is_changed[1:] |= np.diff(rows.values["rate"]) != 0
        is_on_multiple = rows.at % interval == 0
        is_in_last_rows_interval = np.zeros(len(rows), dtype=np.bool_)
        is_in_last_rows_interval[1:] = np.diff(rows.at // interval) == 0
        contradicts = is_known & ~is_on_multiple & is_changed & ~is_first & is_in_last_rows_interval
        self._gathering.set_known_rows_aside(
            part,
            rows.take(contradicts),
            "rate",
            "changes between settlements: is the interval right?",
        )
        kept = np.where(is_known, is_on_multiple, is_changed)
        self.counts["repeated"] += int((~kept & ~contradicts).sum())
        return rows.take(kept)


class _PriceBook:
    """One price of the series of a file by instant, in USD per unit of the asset.

    Parameters
    ----------
    book : SymbolBook
        The series.
    name : str
        Which price, one of ``SNAPSHOT_PRICES``.
    """

    def __init__(self, book: SymbolBook, name: str) -> None:
        self._book = book
        self._kind = "mark_ohlc" if name.startswith("mark_") else "ohlcv"
        self._cell = name.removeprefix("mark_")
        self._keys: list[IntArray] = []
        self._prices: list[FloatArray] = []

    @staticmethod
    def _key(series: IntArray, at: IntArray) -> IntArray:
        # Milliseconds fit 43 bits until the year 2248.
        return (series << 43) | (at // 1000)

    def _add(
        self,
        series: IntArray,
        bar_start: IntArray,
        bar_seconds: int | IntArray,
        cells: Callable[[str], FloatArray],
    ) -> None:
        """Keep the price of bars at the instant it stands for: their open, or else their end."""
        is_middle = self._cell == "middle"
        prices = (cells("high") + cells("low")) / 2 if is_middle else cells(self._cell)
        at = bar_start if self._cell == "open" else bar_start + bar_seconds * 1_000_000
        self._keys.append(self._key(series, at))
        self._prices.append(prices)

    def add_rows(self, kind: str, rows: Rows, bar_seconds: int) -> None:
        """Keep the prices of rows of this file."""
        multiplier = self._book.column("base_multiplier")[rows.series]
        nothing = np.full(len(rows), np.nan)
        if kind == self._kind:
            self._add(
                rows.series,
                rows.at,
                bar_seconds,
                lambda cell: rows.values.get(cell, nothing) / multiplier,
            )

    def add_records(self, batch: Batch) -> None:
        """Keep the prices of another file's records, of the series that are in this one."""
        if batch.kind != self._kind:
            return
        known = {(one.venue, one.instrument): i for i, one in enumerate(self._book.series)}
        venues, instruments = (batch.table[name].to_pylist() for name in ("venue", "instrument"))
        keys = [(str(v), str(i)) for v, i in zip(venues, instruments, strict=True)]
        series = np.array([known.get(key, -1) for key in keys], dtype=np.int64)
        table = batch.table.filter(pa.array(series >= 0))
        prefix = "mark_" if self._kind == "mark_ohlc" else ""
        self._add(
            series[series >= 0],
            _numbers(table["bar_start_at"].cast(pa.int64())),
            _numbers(table["bar_seconds"].cast(pa.int64())),
            lambda cell: _numbers(table[prefix + cell]),
        )

    def look_up(self, series: IntArray, at: IntArray) -> FloatArray:
        """Return the price of each series at each instant; NaN where there is none."""
        keys = np.concatenate([*self._keys, np.empty(0, dtype=np.int64)])
        prices = np.concatenate([*self._prices, np.empty(0)])
        if not len(keys):
            return np.full(len(at), np.nan)
        order = np.argsort(keys, kind="stable")
        keys, prices = keys[order], prices[order]
        wanted = self._key(series, at)
        position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[position] == wanted, prices[position], np.nan)


def _numbers(column: Cells) -> npt.NDArray[Any]:
    """Return an Arrow column as an array; NULL becomes NaN."""
    return np.asarray(column.to_numpy())


def _collect_prices(
    gathering: Gathering, path: Path, settled: Sequence[Rows], ingested_at: dt.datetime
) -> _PriceBook | None:
    """Return the prices that value the open interest, of this file or of files beside it."""
    rule = gathering.mapping.open_interest
    valued_at = gathering.mapping.open_interest_valued_at
    if rule is None or valued_at not in SNAPSHOT_PRICES:
        return None
    prices = _PriceBook(gathering.book, valued_at)
    if not rule.prices_from:
        for part, rows in zip(gathering.parts, settled, strict=True):
            prices.add_rows(part.kind, rows, gathering.bar_seconds)
        return prices
    files = sorted({file for pattern in rule.prices_from for file in path.parent.glob(pattern)})
    if not files:
        raise InputRejected(
            f"{path.name}: its open interest is valued at prices of "
            f"{', '.join(rule.prices_from)} in the same folder, and there is none in "
            f"{path.parent}; put them there"
        )
    shipped = shipped_mappings()
    for file in files:
        fitting = matching_mappings(file, shipped)
        if len(fitting) != 1:
            raise InputRejected(
                f"{path.name}: {file.name} should give prices, but {len(fitting)} shipped "
                "mappings match it; correct 'prices_from'"
            )
        others = set(KINDS) - {"ohlcv", "mark_ohlc"}
        only_bars = fitting[0].model_copy(update=dict.fromkeys(others))
        for batch in import_file(file, only_bars, ingested_at=ingested_at):
            prices.add_records(batch)
    return prices


class _Conversion:
    """Turns cells as received into the columns of records."""

    def __init__(self, gathering: Gathering, prices: _PriceBook | None) -> None:
        self._gathering = gathering
        self._mapping = gathering.mapping
        self._prices = prices
        self._multiplier = gathering.book.column("base_multiplier")
        self._contract_size = gathering.book.column("contract_size")

    def set_unvalued_aside(self, part: Part, rows: Rows) -> Rows:
        """Return the rows that can become records: those whose valuing price is known."""
        held = self._mapping.open_interest
        valued_at = self._mapping.open_interest_valued_at
        if part.kind != "open_interest" or held is None or valued_at is None:
            return rows
        is_valued = np.isfinite(self._snapshot_price(rows))
        unvalued = rows.take(~is_valued)
        for code in np.unique(unvalued.series):
            one = self._gathering.book.series[code]
            self._gathering.set_known_rows_aside(
                part,
                unvalued.take(unvalued.series == code),
                "amount" if held.amount else "value",
                f"no price of {one.asset} on {one.venue} to value it by: {valued_at}",
            )
        return rows.take(is_valued)

    def make_table(self, part: Part, rows: Rows, ingested_at: dt.datetime) -> pa.Table:
        """Return the records of rows of a part, in the schema of their kind."""
        make = {
            "ohlcv": self._ohlcv,
            "mark_ohlc": self._mark,
            "open_interest": self._open_interest,
            "funding_rate": self._funding,
            "realised_liquidation": self._liquidation,
            "long_short_ratio": self._ratio,
            "sentiment": self._sentiment,
        }[part.kind]
        series = self._gathering.book.series
        columns: Columns = {
            _INSTANT_COLUMN[part.kind]: pa.array(rows.at).view(INSTANT),
            "bar_seconds": self._gathering.bar_seconds,
            "period_seconds": self._gathering.bar_seconds,
            **make(part, rows),
            "source": self._mapping.source,
            "ingested_at": ingested_at,
        }
        if part.kind != "sentiment":
            columns |= {
                name: pa.array([getattr(one, name) for one in series]).take(rows.series)
                for name in ("venue", "instrument")
            }
        schema = SCHEMAS[part.kind]
        arrays = [_as_column(columns[one.name], one.type, len(rows)) for one in schema]
        return pa.Table.from_arrays(arrays, schema=schema)

    def _snapshot_price(self, rows: Rows) -> FloatArray:
        if "price" in rows.values:
            return rows.values["price"] / self._multiplier[rows.series]
        if self._prices is None:
            return np.full(len(rows), np.nan)
        return self._prices.look_up(rows.series, rows.at)

    def _quantity(
        self, rows: Rows, amounts: FloatArray, unit: str, prices: FloatArray | None
    ) -> FloatArray:
        """Return position units: of the asset for linear contracts, USD for inverse ones."""
        multiplier = self._multiplier[rows.series]
        if unit == "contracts":
            amounts = amounts * self._contract_size[rows.series]
            unit = "usd" if self._mapping.instrument.is_inverse else "base"
        if unit == "base":
            amounts = amounts * multiplier
        if prices is None:
            return amounts
        return amounts * prices if self._mapping.instrument.is_inverse else amounts / prices

    def _ohlcv(self, _: Part, rows: Rows) -> Columns:
        rule = self._mapping.ohlcv
        if rule is None:
            return {}
        multiplier = self._multiplier[rows.series]
        prices = {cell: rows.values[cell] / multiplier for cell in ("open", "high", "low", "close")}
        valued_at: FloatArray | None = None
        valued_by = self._mapping.volume_valued_at
        if "price" in rows.values:
            valued_at = rows.values["price"] / multiplier
        elif valued_by == "middle":
            valued_at = (prices["high"] + prices["low"]) / 2
        elif valued_by in BAR_PRICES:
            valued_at = prices[valued_by]
        nothing = np.full(len(rows), np.nan)
        bought = rows.values.get("taker_buy", nothing)
        return {
            **prices,
            "volume_quantity": self._quantity(
                rows, rows.values["volume"], rule.volume_unit, valued_at
            ),
            "taker_buy_quantity": self._quantity(rows, bought, rule.volume_unit, valued_at),
            "trade_count": rows.values.get("trade_count", nothing),
        }

    def _mark(self, _: Part, rows: Rows) -> Columns:
        multiplier = self._multiplier[rows.series]
        nothing = np.full(len(rows), np.nan)
        return {
            f"mark_{cell}": rows.values.get(cell, nothing) / multiplier
            for cell in ("open", "high", "low", "close")
        }

    def _open_interest(self, _: Part, rows: Rows) -> Columns:
        rule = self._mapping.open_interest
        if rule is None:
            return {}
        nothing = np.full(len(rows), np.nan)
        decisive = rows.values["amount" if rule.amount else "value"]
        unit = rule.decisive_unit
        price = (
            self._snapshot_price(rows)
            if self._mapping.open_interest_valued_at is not None
            else None
        )
        sides = np.array(
            [
                rule.sides_counted or sides_counted_by(one.venue)
                for one in self._gathering.book.series
            ],
            dtype=np.int32,
        )[rows.series]
        return {
            "open_interest_quantity": self._quantity(rows, decisive, unit, price) / sides,
            "received_amount": rows.values.get("amount", nothing),
            "received_amount_unit": rule.amount_unit,
            "received_value": rows.values.get("value", nothing),
            "received_value_unit": rule.value_unit,
            "sides_counted": sides,
        }

    def _funding(self, _: Part, rows: Rows) -> Columns:
        rule = self._mapping.funding_rate
        if rule is None:
            return {}
        interval = self._gathering.book.column("funding_interval_hours")[rows.series]
        return {
            "funding_rate_ratio": rows.values["rate"] * RATE_UNITS[rule.rate_unit],
            "funding_interval_hours": rows.values.get("interval", interval),
        }

    def _liquidation(self, part: Part, rows: Rows) -> Columns:
        rule = self._mapping.realised_liquidation
        if rule is None:
            return {}
        nothing = np.full(len(rows), np.nan)
        amounts = rows.values["amount"]
        is_inverse = self._mapping.instrument.is_inverse
        quantity = nothing
        if rule.unit != "usd" or is_inverse:
            quantity = self._quantity(rows, amounts, rule.unit, None)
        return {
            "side": part.label,
            "price": None,
            "liquidated_quantity": quantity,
            # A position unit of an inverse contract is a dollar.
            "liquidated_usd": quantity
            if is_inverse
            else amounts
            if rule.unit == "usd"
            else nothing,
            "is_complete_feed": rule.is_complete_feed,
            "order_key": "",
        }

    def _ratio(self, part: Part, rows: Rows) -> Columns:
        return {"measure": part.label, "long_short_ratio": rows.values["ratio"]}

    def _sentiment(self, _: Part, rows: Rows) -> Columns:
        rule = self._mapping.sentiment
        if rule is None:
            return {}
        # The index's own words follow from its figure.
        return {
            "index_name": rule.index,
            "index_value": rows.values["value"],
            "classification": None,
        }


def _as_column(values: object, kind: pa.DataType, n_rows: int) -> Cells:
    if isinstance(values, np.ndarray):
        # NaN is how cells that are not there are kept.
        return pa.array(values, from_pandas=True).cast(kind)
    if isinstance(values, pa.Array):
        return values
    return pa.array([values], kind).take(np.zeros(n_rows, dtype=np.int64))


def _make_instruments(
    gathering: Gathering, first_seen: IntArray, ingested_at: dt.datetime
) -> pa.Table:
    """Return one row per series that gave records, as of its first one."""
    contract_kind = "inverse" if gathering.mapping.instrument.is_inverse else "linear"
    rows = []
    for one, at in zip(gathering.book.series, first_seen, strict=True):
        if at == _NEVER:
            continue
        # The records count a linear contract in units of the asset, not in quoted units.
        factor = 1.0 if contract_kind == "inverse" else one.base_multiplier
        rows.append(
            {
                "venue": one.venue,
                "instrument": one.instrument,
                "asset": one.asset,
                "quote": one.quote,
                "contract_kind": contract_kind,
                "contract_size": one.contract_size * factor,
                "base_multiplier": one.base_multiplier,
                "tick_size": None,
                "lot_quantity": None,
                "is_active": True,
                "observed_at": dt.datetime.fromtimestamp(0, tz=dt.UTC)
                + dt.timedelta(microseconds=int(at)),
                "source": gathering.mapping.source,
                "ingested_at": ingested_at,
            }
        )
    return pa.Table.from_pylist(rows, schema=SCHEMAS["instrument"])
