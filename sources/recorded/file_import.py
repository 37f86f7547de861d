"""From a file and its mapping to records that can land and rows that cannot.

Belongs here: the steps of an import, in order. Does not belong here: what happens in a step.

Text is read block by block and dropped once its numbers are taken. The numbers of a whole file,
about 100 bytes a row, are kept until its end: only then are duplicates, order and prices known.
"""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from sources.errors import InputRejected
from sources.recorded.bar_prices import BarPrices
from sources.recorded.conversion import Conversion
from sources.recorded.deduplication import Deduplication
from sources.recorded.input_files import matching_mappings, shipped_mappings
from sources.recorded.input_tables import open_members
from sources.recorded.instrument_book import FOREIGN_QUOTE, SYMBOL_FAULTS
from sources.recorded.kinds import Part
from sources.recorded.known_closes import KnownCloses
from sources.recorded.label_change import find_turns, implied_prices
from sources.recorded.mapping import KINDS, Mapping
from sources.recorded.mapping_sections import SNAPSHOT_PRICES
from sources.recorded.part_rows import PartRows, TimeBounds
from sources.recorded.usable_rows import UsableRows
from sources.records import Batch
from sources.venues.plausibility import LARGEST_AUDIT_RATIO

logger = logging.getLogger(__name__)

_BATCH_ROWS = 500_000
_QUARANTINE_ORDER = ("input_name", "row_number", "kind", "column_name")


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
        A file that ends in one of ``input_tables.SUFFIXES``.
    mapping : Mapping
        What its columns are.
    ingested_at : datetime
        Stamp of the records; rows later than this, or of bars that end later, are not usable.
    start, end : datetime or None
        Only records with start <= instant < end (for bars: the open); None is unbounded.
    closes : KnownCloses, optional
        Prices from other files and from earlier, which show what labels mean where the mapping
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
    read = UsableRows(path, mapping, bounds)
    for member in open_members(path, mapping.columns):
        read.add(member)
    _refuse_foreign_quotes(path, read)
    closes = closes or KnownCloses()
    deduplication = Deduplication(read, find_turns(read, closes))
    ordered = [deduplication.order(i, part) for i, part in enumerate(read.parts)]
    if mapping.time.label_change is not None:
        ordered = [
            _quarantine_wrong_units(read, part, rows, closes)
            for part, rows in zip(read.parts, ordered, strict=True)
        ]
    prices = _collect_prices(read, path, ordered, ingested_at)
    conversion = Conversion(mapping, read.book, read.bar_seconds, prices)
    usable: list[tuple[Part, PartRows]] = []
    first_seen = np.full(len(read.book.instruments), np.iinfo(np.int64).max, dtype=np.int64)
    for part, rows in zip(read.parts, ordered, strict=True):
        valued = _quarantine_unvalued(read, part, rows, conversion)
        wanted = valued.take(bounds.contain(valued.at))
        if part.kind != "sentiment":
            np.minimum.at(first_seen, wanted.series, wanted.at)
        usable.append((part, wanted))
    del ordered
    counts = _log(path, read, usable, deduplication)
    if counts.total() and read.book.instruments:
        yield conversion.make_instruments(first_seen, ingested_at)
    for part, rows in usable:
        for offset in range(0, len(rows), _BATCH_ROWS):
            some = rows.take(slice(offset, offset + _BATCH_ROWS))
            yield conversion.make_batch(part, some, ingested_at)
    if read.quarantined:
        order = [(name, "ascending") for name in _QUARANTINE_ORDER]
        quarantine = pa.concat_tables(read.quarantined).sort_by(order)
        for offset in range(0, len(quarantine), _BATCH_ROWS):
            yield Batch("quarantine", quarantine.slice(offset, _BATCH_ROWS))


def _log(
    path: Path,
    read: UsableRows,
    usable: Sequence[tuple[Part, PartRows]],
    deduplication: Deduplication,
) -> Counter[str]:
    """Log what became of the rows of a file, and return the number of records by kind."""
    counts: Counter[str] = Counter()
    for part, rows in usable:
        counts[part.kind] += len(rows)
    logger.info(
        "%s with %s: %s; %d rows to quarantine, %d identical duplicates, %d repeated rates, "
        "%d rows left out by 'where'",
        path.name,
        read.mapping.name,
        ", ".join(f"{count} {kind}" for kind, count in counts.items()),
        sum(map(len, read.quarantined)),
        deduplication.counts["identical"],
        deduplication.counts["repeated"],
        read.n_left_out,
    )
    return counts


def _refuse_foreign_quotes(path: Path, read: UsableRows) -> None:
    """Refuse a file whose prices are all in something other than dollars."""
    book = read.book
    if book.foreign and not book.instruments:
        raise InputRejected(
            f"{path.name}: {', '.join(sorted(book.foreign)[:5])}: "
            f"{SYMBOL_FAULTS[FOREIGN_QUOTE]}; prices of a map are in dollars, so nothing of the "
            "file was taken. Leave it out, or import the contract's dollar-quoted sibling"
        )


def _quarantine_wrong_units(
    read: UsableRows, part: Part, rows: PartRows, closes: KnownCloses
) -> PartRows:
    """Return the rows whose amount and value make a price near the close at their instant."""
    if part.kind != "open_interest":
        return rows
    is_usable = np.ones(len(rows), dtype=np.bool_)
    for code in np.unique(rows.series):
        one = read.book.instruments[code]
        own = np.flatnonzero(rows.series == code)
        some = rows.take(own)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = closes.of(one.venue, one.instrument).look_up(some.at) / implied_prices(
                some, read, int(code)
            )
            is_wrong = np.abs(np.log(ratio)) > np.log(LARGEST_AUDIT_RATIO)
        if is_wrong.any():
            is_usable[own[is_wrong]] = False
            read.quarantine_rows(
                part,
                some.take(is_wrong),
                "amount",
                f"amount x price / value is {np.median(ratio[is_wrong]):.4g} for {one.instrument} "
                f"on {one.venue}: one is in another unit",
            )
    return rows.take(is_usable)


def _quarantine_unvalued(
    read: UsableRows, part: Part, rows: PartRows, conversion: Conversion
) -> PartRows:
    """Return the rows that can become records: those whose valuing price is known."""
    valued_at = read.mapping.open_interest_valued_at
    if part.kind != "open_interest" or valued_at is None:
        return rows
    is_valued = np.isfinite(conversion.snapshot_prices(rows))
    unvalued = rows.take(~is_valued)
    for code in np.unique(unvalued.series):
        one = read.book.instruments[code]
        read.quarantine_rows(
            part,
            unvalued.take(unvalued.series == code),
            "amount" if "amount" in part.cells else "value",
            f"no price of {one.asset} on {one.venue} to value it by: {valued_at}",
        )
    return rows.take(is_valued)


def _collect_prices(
    read: UsableRows, path: Path, ordered: Sequence[PartRows], ingested_at: dt.datetime
) -> BarPrices | None:
    """Return the prices that value the open interest, of this file or of files in its folder."""
    rule = read.mapping.open_interest
    valued_at = read.mapping.open_interest_valued_at
    if rule is None or valued_at not in SNAPSHOT_PRICES:
        return None
    prices = BarPrices(read.book, valued_at)
    if not rule.prices_from:
        for part, rows in zip(read.parts, ordered, strict=True):
            prices.add_rows(part.kind, rows, read.bar_seconds)
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
