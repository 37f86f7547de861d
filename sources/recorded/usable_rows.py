"""Rows of a file, block by block, into usable figures and quarantined rows with the reason.

Belongs here: what one row alone shows. Does not belong here: what needs the other rows of the file
(duplicates, order, prices of other rows), the records made of the figures.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sources.checks import LONGEST_RECEIVED
from sources.errors import InputRejected
from sources.recorded.cells import (
    MISSING,
    NUMBER_FAULTS,
    UNREADABLE,
    Cells,
    FaultArray,
    FloatArray,
    IntArray,
    as_instants,
    pc,
)
from sources.recorded.input_tables import Block, Member, table_stem
from sources.recorded.instrument_book import (
    MISSING_SYMBOL,
    NO_SERIES,
    SYMBOL_FAULTS,
    UNKNOWN_SYMBOL,
    InstrumentBook,
)
from sources.recorded.kinds import Part, flag_unusable, list_parts
from sources.recorded.mapping import Mapping
from sources.recorded.mapping_sections import TIME_UNITS, parse_bar
from sources.recorded.name_patterns import QUOTES
from sources.recorded.part_rows import BoolArray, PartRows, TimeBounds
from sources.records import INSTANT, make_batch
from sources.user_models import near_hint
from sources.venue_names import venue_name

_NO_INSTANT = "no instant: is the time unit right?"
_TOO_EARLY = "before 2016: is the time unit right?"
_OFF_GRID = "not on the grid of bars"
# Where this many rows all break one of these, it is the mapping that is wrong, not the rows.
_MANY_ROWS = 1000
# The first perpetual contract opened in 2016; an earlier instant means another unit of time.
_EARLIEST = int(dt.datetime(2016, 1, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000


class _Faults:
    """The first reason why each row of a block is unusable."""

    def __init__(self, n_rows: int) -> None:
        self.codes: npt.NDArray[np.int32] = np.zeros(n_rows, dtype=np.int32)
        self.reasons: list[tuple[str, str]] = [("", "")]

    def flag(self, mask: BoolArray, cell: str, reason: str) -> None:
        is_first = mask & (self.codes == 0)
        if is_first.any():
            self.reasons.append((cell, reason))
            self.codes[is_first] = len(self.reasons) - 1


@dataclass(frozen=True, slots=True)
class _View:
    """One set of columns: all of a file's, or those of one instrument in a wide file.

    Parameters
    ----------
    symbol : dict of str to str, or None
        What the symbol's placeholders hold; None where a column holds the symbol.
    column_of : Callable
        From what the mapping calls a column to its name in the file.
    parts : tuple of (int, Part)
        The parts whose columns are there.
    """

    symbol: dict[str, str] | None
    column_of: Callable[[str], str]
    parts: tuple[tuple[int, Part], ...]


@dataclass(frozen=True, slots=True)
class _TimedBlock:
    """A block of a view with what all its parts share; arrays of shape (n_rows,).

    Parameters
    ----------
    block : Block
        The rows.
    column_of : Callable
        As in `_View`.
    series : ndarray of int64
        Position in the `InstrumentBook`, or a key of ``SYMBOL_FAULTS``.
    label : ndarray of int64
        What the time column holds [microseconds since 1970].
    time_faults : ndarray of uint8
        As `as_instants` returns them.
    is_read : ndarray of bool
        False where the mapping's `where` leaves the row out.
    """

    block: Block
    column_of: Callable[[str], str]
    series: IntArray
    label: IntArray
    time_faults: FaultArray
    is_read: BoolArray


class UsableRows:
    """The figures of one input file.

    Parameters
    ----------
    path : Path
        The file; its name may hold the instrument and the length of a bar.
    mapping : Mapping
        What its columns are.
    bounds : TimeBounds
        Outside the span wanted, unusable rows are dropped.

    Attributes
    ----------
    book : InstrumentBook
        The instruments found.
    parts : tuple of Part
        The records a row may give.
    members : list of str
        Names of the tables read.
    pieces : list of list of PartRows
        Usable rows by part.
    quarantined : list of pyarrow.Table
        Quarantine records.
    n_left_out : int
        Rows that the mapping's `where` leaves out.
    """

    def __init__(self, path: Path, mapping: Mapping, bounds: TimeBounds) -> None:
        self.mapping = mapping
        self.bounds = bounds
        self.book = InstrumentBook(mapping)
        self.parts = list_parts(mapping)
        self.members: list[str] = []
        self.pieces: list[list[PartRows]] = [[] for _ in self.parts]
        self.quarantined: list[pa.Table] = []
        self.n_left_out = 0
        self._file_parts = self._read_file_name(path)
        bar_seconds = mapping.bar_seconds or parse_bar(self._file_parts.get("bar", "0s"))
        self.bar_seconds = bar_seconds

    def _read_file_name(self, path: Path) -> dict[str, str]:
        pattern = self.mapping.file_name
        if pattern is None:
            return {}
        found = pattern.match(table_stem(path))
        if found is None:
            has_quote = "quote" in pattern.placeholders
            quotes = f", where {{quote}} is one of {', '.join(QUOTES)}" if has_quote else ""
            raise InputRejected(
                f"{path.name}: the name does not name the instrument: mapping "
                f"'{self.mapping.name}' expects '{pattern.text}' (and the suffix)"
                f"{quotes}. Rename the file, or name the instrument in a mapping of your own"
            )
        return found

    def add(self, member: Member) -> None:
        """Read the rows of one table.

        Raises
        ------
        InputRejected
            If a column is missing or the table is torn.
        """
        self.members.append(member.name)
        views = self._list_views(member)
        wanted = dict.fromkeys(self.mapping.row_columns)
        for view in views:
            for _, part in view.parts:
                wanted |= dict.fromkeys(view.column_of(name) for name in part.cells.values())
        member.require(tuple(wanted))
        for block in member.blocks(tuple(wanted)):
            self._quarantine_bad_lines(block)
            if len(block.rows):
                self._take_block(block, views)

    def _list_views(self, member: Member) -> list[_View]:
        pattern = self.mapping.instrument.wide_pattern
        everything = tuple(enumerate(self.parts))
        if pattern is None:
            from_name = None if self.mapping.instrument.column else self._file_parts
            return [_View(from_name, str, everything)]
        fields: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        for column in member.columns:
            found = pattern.match(column)
            if found is not None:
                name = found.pop("field")
                fields.setdefault(tuple(found.items()), {})[name] = column
        known = frozenset().union(*(part.named for part in self.parts))
        if not any(known & set(names) for names in fields.values()):
            raise InputRejected(
                f"{member.name}: no column is spelled '{pattern.text}' with {{field}} one of "
                f"{', '.join(sorted(known))}"
                f"{near_hint(pattern.text, member.columns)}. Correct 'column_name' in the mapping"
            )
        views = []
        for parts, columns in fields.items():
            symbol = dict(parts)
            given = [(i, part) for i, part in everything if part.named & set(columns)]
            for _, part in given:
                if not part.named <= set(columns):
                    raise InputRejected(
                        f"{member.name}: {''.join(symbol.values())} has columns for "
                        f"{', '.join(sorted(part.named & set(columns)))} but none for "
                        f"{', '.join(sorted(part.named - set(columns)))}; leave it out of the "
                        "mapping, or of the file"
                    )
            views.append(_View(symbol, columns.__getitem__, tuple(given)))
        return views

    def _take_block(self, block: Block, views: Sequence[_View]) -> None:
        time = self.mapping.time
        label, time_faults = as_instants(block.table[time.column], TIME_UNITS.get(time.unit))
        if time.round_to_seconds is not None:
            step = time.round_to_seconds * 1_000_000
            label = (label + step // 2) // step * step
        is_read = np.ones(len(label), dtype=np.bool_)
        for column, allowed in self.mapping.where.items():
            is_allowed = pc.is_in(block.texts(column), pa.array(allowed, pa.string()))
            is_read &= is_allowed.to_numpy(zero_copy_only=False)
        self.n_left_out += int((~is_read).sum())
        for view in views:
            series = self._series_of(block, view.symbol)
            timed = _TimedBlock(block, view.column_of, series, label, time_faults, is_read)
            for position, part in view.parts:
                self._take_part(timed, position, part)

    def _take_part(self, timed: _TimedBlock, position: int, part: Part) -> None:
        """Keep the usable rows of a part, and quarantine the others."""
        block = timed.block
        cells = {cell: block.numbers(timed.column_of(name)) for cell, name in part.cells.items()}
        values = {cell: numbers for cell, (numbers, _) in cells.items()}
        is_observed = timed.is_read & np.logical_or.reduce(
            [cells[cell][1] != MISSING for cell in sorted(part.required)]
        )
        at = timed.label + part.shift_seconds * 1_000_000
        if part.is_bar and self.mapping.time.is_bar_end:
            at = at - self.bar_seconds * 1_000_000
        faults = self._find_faults(timed, part, at, cells)
        member = np.full(len(at), len(self.members) - 1, dtype=np.int64)
        rows = PartRows(timed.series, at, member, block.rows, values)
        self.pieces[position].append(rows.take(is_observed & (faults.codes == 0)))
        is_bad = is_observed & (faults.codes > 0)
        self._refuse_wrong_mapping(is_bad, faults)
        if is_bad.any():
            is_bad &= (timed.time_faults != 0) | self.bounds.contain(at)
            self._quarantine_unusable(timed, part, np.flatnonzero(is_bad), faults)

    def _find_faults(
        self,
        timed: _TimedBlock,
        part: Part,
        at: IntArray,
        cells: dict[str, tuple[FloatArray, FaultArray]],
    ) -> _Faults:
        """Return what is wrong with each row, given its instant and cells."""
        faults = _Faults(len(at))
        flag = faults.flag
        flag(timed.time_faults == MISSING, "time", "missing")
        flag(timed.time_faults == UNREADABLE, "time", _NO_INSTANT)
        flag(timed.label < _EARLIEST, "time", _TOO_EARLY)
        for code, reason in SYMBOL_FAULTS.items():
            flag(timed.series == code, "symbol", reason)
        for cell, (_, found) in cells.items():
            for fault, reason in NUMBER_FAULTS.items():
                flag(found == fault, cell, reason)
            if cell in part.required:
                flag(found == MISSING, cell, "missing")
        flag_unusable(part, {cell: numbers for cell, (numbers, _) in cells.items()}, flag)
        if part.is_bar:
            bar = self.bar_seconds * 1_000_000
            flag(at % bar != 0, "time", _OFF_GRID)
            flag(at >= self.bounds.ingested_at, "time", "in the future")
            flag(at + bar > self.bounds.ingested_at, "time", "bar not finished")
        else:
            flag(at > self.bounds.ingested_at, "time", "in the future")
        return faults

    def _refuse_wrong_mapping(self, is_bad: BoolArray, faults: _Faults) -> None:
        """Refuse a table whose many first rows all have a time that the mapping misreads."""
        if len(is_bad) < _MANY_ROWS or not is_bad.all():
            return
        codes = np.unique(faults.codes)
        _, reason = faults.reasons[codes[0]]
        if len(codes) == 1 and reason in (_NO_INSTANT, _TOO_EARLY, _OFF_GRID):
            raise InputRejected(
                f"{self.members[-1]}: none of {len(is_bad)} rows has a usable time in column "
                f"'{self.mapping.time.column}': {reason}. Correct mapping '{self.mapping.name}'"
            )

    def _series_of(self, block: Block, symbol: dict[str, str] | None) -> IntArray:
        """Return the series code of each row of a block."""
        rule = self.mapping.instrument
        n_rows = len(block.rows)
        if self.mapping.sentiment is not None:
            return np.full(n_rows, NO_SERIES, dtype=np.int64)
        venue_codes, venues = _encode(block, self.mapping.venue_column, self.mapping.venue)
        pattern = rule.column_pattern
        if symbol is None and pattern is not None:
            symbol_codes, texts = _encode(block, rule.column, None)
            symbols = [None if text is None else pattern.match(text) for text in texts]
        else:
            symbol_codes, texts, symbols = np.zeros(n_rows, dtype=np.int64), [""], [symbol]
        pairs = venue_codes * len(texts) + symbol_codes
        codes = np.full(len(venues) * len(texts), UNKNOWN_SYMBOL, dtype=np.int64)
        for pair in np.unique(pairs):
            venue, position = venues[pair // len(texts)], pair % len(texts)
            if venue is None or texts[position] is None:
                codes[pair] = MISSING_SYMBOL
            else:
                codes[pair] = self.book.code_of(venue_name(venue), symbols[position])
        return np.asarray(codes[pairs], dtype=np.int64)

    def _quarantine_bad_lines(self, block: Block) -> None:
        lines = [line for line in block.bad_lines if line.text.strip()]
        if not lines:
            return
        member = np.full(len(lines), len(self.members) - 1, dtype=np.int64)
        for kind in dict.fromkeys(part.kind for part in self.parts):
            self._quarantine(
                kind,
                series=np.full(len(lines), UNKNOWN_SYMBOL, dtype=np.int64),
                member=member,
                row=np.array([line.number for line in lines], dtype=np.int64),
                columns=None,
                reasons=[line.reason for line in lines],
                received=pa.array([line.text for line in lines], pa.string()),
            )

    def _quarantine_unusable(
        self, timed: _TimedBlock, part: Part, which: npt.NDArray[np.intp], faults: _Faults
    ) -> None:
        columns = {cell: timed.column_of(name) for cell, name in part.cells.items()}
        shown = dict.fromkeys((*self.mapping.row_columns, *columns.values()))
        named = {
            "time": self.mapping.time.column,
            "symbol": self.mapping.instrument.column or self.mapping.venue_column,
            **columns,
        }
        found = [faults.reasons[code] for code in faults.codes[which]]
        block = timed.block
        self._quarantine(
            part.kind,
            series=timed.series[which],
            member=np.full(len(which), len(self.members) - 1, dtype=np.int64),
            row=block.rows[which],
            columns=[named[cell] for cell, _ in found],
            reasons=[reason for _, reason in found],
            received=_show({name: pc.take(block.texts(name), which) for name in shown}),
        )

    def quarantine_rows(self, part: Part, rows: PartRows, cell: str, reason: str) -> None:
        """Quarantine rows whose cells were all read, for what the whole file shows."""
        rows = rows.take(self.bounds.contain(rows.at))
        if not len(rows):
            return
        column = {"time": self.mapping.time.column, **part.cells}[cell]
        instants = pa.array(rows.at).view(pa.timestamp("us"))
        cells = {part.cells[name]: pa.array(values) for name, values in rows.values.items()}
        self._quarantine(
            part.kind,
            series=rows.series,
            member=rows.member,
            row=rows.row,
            columns=column,
            reasons=reason,
            received=_show({"at": pc.strftime(instants, "%Y-%m-%dT%H:%M:%SZ"), **cells}),
        )

    def _quarantine(
        self,
        kind: str,
        *,
        series: IntArray,
        member: IntArray,
        row: IntArray,
        columns: list[str | None] | str | None,
        reasons: list[str] | str,
        received: Cells,
    ) -> None:
        """Quarantine rows; a single column or reason is that of all."""
        is_known = series >= 0
        # The position after the last is for rows whose instrument is not known.
        position = np.where(is_known, series, len(self.book.instruments))
        venues = [*(one.venue for one in self.book.instruments), self.mapping.venue]
        instruments = [*(one.instrument for one in self.book.instruments), None]
        self.quarantined.append(
            make_batch(
                "quarantine",
                len(row),
                {
                    "kind": kind,
                    "venue": pa.array(venues, pa.string()).take(position),
                    "instrument": pa.array(instruments, pa.string()).take(position),
                    "input_name": pa.array(self.members).take(member),
                    "row_number": row,
                    "column_name": columns,
                    "reason": reasons,
                    "received": pc.utf8_slice_codeunits(received, 0, LONGEST_RECEIVED),
                    "source": self.mapping.source,
                    "ingested_at": pa.scalar(self.bounds.ingested_at).cast(INSTANT),
                },
            ).table
        )


def _show(cells: dict[str, Cells]) -> Cells:
    """Return one text per row, ``column=cell, column=cell``."""
    named = [
        pc.binary_join_element_wise(f"{name}=", pc.fill_null(pc.cast(cell, pa.string()), ""), "")
        for name, cell in cells.items()
    ]
    return pc.binary_join_element_wise(*named, ", ")


def _encode(
    block: Block, column: str | None, constant: str | None
) -> tuple[IntArray, list[str | None]]:
    """Return a position per row and the texts at the positions: of a column, or a constant."""
    if column is None:
        return np.zeros(len(block.rows), dtype=np.int64), [constant]
    encoded = pc.dictionary_encode(block.texts(column), null_encoding="encode")
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary.to_pylist()
