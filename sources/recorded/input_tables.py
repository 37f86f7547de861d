"""Files in blocks of columns: Parquet, CSV, zipped and gzipped CSV; bad cells marked, not hidden.

Belongs here: opening, headers, line numbers, text to numbers and instants. Does not belong here:
what a column means.

A row is numbered as a person finds it: the line of a CSV file (a header row is line 1), the row
of a Parquet file counted from 1.
"""

import codecs
import csv
import datetime as dt
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv as pa_csv

from sources.bounds import (
    Bounded,
    check_cells,
    check_plain_columns,
    check_rows,
    check_unfolded,
    open_parquet,
    read_first_line,
)
from sources.errors import InputRejected
from sources.user_models import nearest

# The published type information of pyarrow does not let one call's answer go into the next.
pc: Any = pyarrow.compute
Cells: TypeAlias = Any

SUFFIXES = (".parquet", ".csv", ".csv.gz", ".zip")
# Text of one block; a block's text is dropped once its numbers are taken.
_BLOCK_BYTES = 8 << 20
_BLOCK_ROWS = 1 << 17
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NOT_A_NUMBER = ("nan", "+nan", "-nan", "inf", "+inf", "-inf", "infinity")

# What can be wrong with one cell; 0 is nothing.
MISSING, UNREADABLE, NOT_FINITE = 1, 2, 3
NUMBER_FAULTS = {UNREADABLE: "not a number", NOT_FINITE: "NaN or infinite"}

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
FaultArray = npt.NDArray[np.uint8]


def table_suffix(path: Path) -> str:
    """Return which of ``SUFFIXES`` a file's name ends in, in small letters; '' for none."""
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def table_stem(path: Path) -> str:
    """Return a file's name without its suffix.

    Examples
    --------
    >>> table_stem(Path("BTCUSDT-5m-2026-06.csv.gz")), table_stem(Path("BTCUSDT-5m-2026-06.ZIP"))
    ('BTCUSDT-5m-2026-06', 'BTCUSDT-5m-2026-06')
    """
    return path.name[: len(path.name) - len(table_suffix(path))]


@dataclass(slots=True)
class BadLine:
    """A line of a CSV file with too few or too many cells.

    Parameters
    ----------
    number : int
        Line number.
    text : str
        The line.
    reason : str
        What is wrong with it.
    """

    number: int
    text: str
    reason: str


@dataclass(slots=True)
class Block:
    """Some rows of a file.

    Parameters
    ----------
    rows : ndarray of int64, shape (n_rows,)
        Row numbers.
    table : pyarrow.RecordBatch
        The columns asked for.
    bad_lines : list of BadLine
        Lines up to the end of the block, and after the one before, that are no rows.
    """

    rows: IntArray
    table: pa.RecordBatch
    bad_lines: list[BadLine]
    _numbers: dict[str, tuple[FloatArray, FaultArray]] = field(default_factory=dict)

    def texts(self, column: str) -> Cells:
        """Return the cells of a column as text; NULL where there is nothing."""
        return _as_text(self.table[column])

    def numbers(self, column: str) -> tuple[FloatArray, FaultArray]:
        """Return a column as numbers.

        Returns
        -------
        values : ndarray of float64, shape (n_rows,)
            NaN where the fault is not 0.
        faults : ndarray of uint8, shape (n_rows,)
            0, MISSING, UNREADABLE or NOT_FINITE.
        """
        if column not in self._numbers:
            self._numbers[column] = _as_numbers(self.table[column])
        return self._numbers[column]

    def instants(
        self, column: str, microseconds_per_unit: float | None
    ) -> tuple[IntArray, FaultArray]:
        """Return a column as instants.

        Parameters
        ----------
        column : str
            Its name.
        microseconds_per_unit : float or None
            Of numbers since 1970; None for timestamps and ISO text, which is UTC where it
            names no offset.

        Returns
        -------
        values : ndarray of int64, shape (n_rows,)
            Microseconds since 1970; 0 where the fault is not 0.
        faults : ndarray of uint8, shape (n_rows,)
            0, MISSING or UNREADABLE.
        """
        if microseconds_per_unit is None:
            return _as_instants(self.table[column])
        numbers, faults = self.numbers(column)
        scaled = np.where(faults == 0, numbers * microseconds_per_unit, 0.0)
        # Beyond this lies no year a datetime can hold.
        is_far = np.abs(scaled) > 2.5e17
        values = np.rint(np.where(is_far, 0.0, scaled)).astype(np.int64)
        return values, np.where(is_far | (faults == NOT_FINITE), UNREADABLE, faults).astype(
            np.uint8
        )


@dataclass(frozen=True, slots=True)
class Member:
    """A table inside an input file: the file itself, or one CSV file of a zip.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        For messages: the file's name, with the member's after '!' where there are several.
    columns : tuple of str
        Column names.
    """

    path: Path
    name: str
    columns: tuple[str, ...]
    _blocks: Callable[[Sequence[str]], Iterator[Block]]

    def blocks(self, wanted: Sequence[str]) -> Iterator[Block]:
        """Yield the wanted columns block by block."""
        with _reading(self.path):
            row_count = 0
            for block in self._blocks(wanted):
                row_count += len(block.rows)
                check_rows(self.name, row_count)
                yield block

    def require(self, needed: Sequence[str]) -> None:
        """Refuse a file in which a needed column is missing (naming the nearest) or there twice."""
        hint = "Rename it in the mapping, or take the mapping that fits this file"
        if _looks_like_data(self.columns):
            hint = "The file has no header row: list its columns under 'columns' in the mapping"
        for column in needed:
            if self.columns.count(column) > 1:
                raise InputRejected(
                    f"{self.name}: column '{column}' is there {self.columns.count(column)} times; "
                    "rename all but the right one"
                )
            if column not in self.columns:
                raise InputRejected(
                    f"{self.name}: column '{column}' is missing; nearest is "
                    f"'{nearest(column, self.columns)}' (found: {', '.join(self.columns[:20])}"
                    f"{', ...' if len(self.columns) > 20 else ''}). "
                    f"{hint}"
                )


def open_members(path: Path, assumed_columns: Sequence[str] = ()) -> tuple[Member, ...]:
    """Return the tables of an input file.

    Parameters
    ----------
    path : Path
        A file that ends in one of ``SUFFIXES``, in letters of either case.
    assumed_columns : sequence of str
        Column names of a CSV file whose first line is no header.

    Raises
    ------
    InputRejected
        If the file cannot be read: torn, of another form, a zip without CSV. Reading the blocks
        of a member raises it too.
    """
    suffix = table_suffix(path)
    if not suffix:
        raise InputRejected(
            f"{path.name}: files ending in '{path.suffix}' cannot be imported; "
            f"expected {', '.join(SUFFIXES)}"
        )
    with _reading(path):
        if suffix == ".parquet":
            members = [_parquet_member(path)]
        elif suffix == ".csv":
            check_unfolded(path.name, path.stat().st_size, path.stat().st_size)
            members = [_csv_member(path, path.name, lambda: path.open("rb"), assumed_columns)]
        elif suffix == ".csv.gz":
            members = [_csv_member(path, path.name, lambda: _open_gzip(path), assumed_columns)]
        else:
            members = _zip_members(path, assumed_columns)
    return tuple(members)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what readers raise over a broken file into a refusal of the file."""
    try:
        yield
    except FileNotFoundError as exc:
        raise InputRejected(f"{path}: there is no such file") from exc
    except (pa.ArrowException, zipfile.BadZipFile, zlib.error, EOFError, OSError) as exc:
        raise InputRejected(
            f"{path.name}: the file is torn or no {table_suffix(path)[1:]} ({exc}); "
            "fetch it again whole and import it once more, nothing of it was taken"
        ) from exc
    except (RuntimeError, NotImplementedError) as exc:
        # zipfile's answers to encryption and to unknown compression.
        raise InputRejected(f"{path.name}: the zip cannot be unpacked ({exc})") from exc


def _open_gzip(path: Path) -> IO[bytes]:
    unpacking: IO[bytes] = gzip.GzipFile(path)  # type: ignore[assignment]
    return io.BufferedReader(Bounded(unpacking, path.name, path.stat().st_size))


def _open_zipped(path: Path, inner: str) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    packed_bytes = archive.getinfo(inner).compress_size
    return io.BufferedReader(Bounded(archive.open(inner), f"{path.name}!{inner}", packed_bytes))


def _parquet_member(path: Path) -> Member:
    packed_bytes = path.stat().st_size
    with open_parquet(path, path.name, packed_bytes) as file:
        columns = tuple(file.schema_arrow.names)

    def blocks(wanted: Sequence[str]) -> Iterator[Block]:
        with open_parquet(path, path.name, packed_bytes) as file:
            check_plain_columns(file.schema_arrow, wanted, path.name)
            start = 1
            for batch in file.iter_batches(batch_size=_BLOCK_ROWS, columns=list(wanted)):
                check_cells(batch, path.name)
                rows = np.arange(start, start + batch.num_rows, dtype=np.int64)
                start += batch.num_rows
                yield Block(rows, batch, [])

    return Member(path, path.name, columns, blocks)


def _zip_members(path: Path, assumed_columns: Sequence[str]) -> list[Member]:
    with zipfile.ZipFile(path) as archive:
        everything = archive.namelist()
        for member in archive.infolist():
            check_unfolded(f"{path.name}!{member.filename}", member.compress_size, member.file_size)
    # macOS adds files of its own under __MACOSX that only look like the real ones.
    names = [
        name
        for name in everything
        if name.lower().endswith(".csv") and not name.startswith("__MACOSX/")
    ]
    if not names:
        raise InputRejected(
            f"{path.name}: the zip holds no CSV file "
            f"(found: {', '.join(everything[:5]) or 'nothing'}); fetch the file that does"
        )
    return [
        _csv_member(
            path,
            path.name if len(names) == 1 else f"{path.name}!{name}",
            lambda inner=name: _open_zipped(path, inner),  # type: ignore[misc]
            assumed_columns,
        )
        for name in names
    ]


def _csv_member(
    path: Path, name: str, open_file: Callable[[], IO[bytes]], assumed_columns: Sequence[str]
) -> Member:
    with open_file() as file:
        first_line = read_first_line(file, name).decode("utf-8-sig", errors="replace")
    if not first_line.strip():
        raise InputRejected(f"{name}: the file is empty; fetch it again")
    cells = tuple(cell.strip() for cell in next(csv.reader(io.StringIO(first_line))))
    has_header = not assumed_columns or not _looks_like_data(cells)
    if not has_header and len(cells) != len(assumed_columns):
        raise InputRejected(
            f"{name}: no header row, and {len(cells)} columns where the mapping's 'columns' lists "
            f"{len(assumed_columns)} ({', '.join(assumed_columns)}); correct the list"
        )
    columns = cells if has_header else tuple(assumed_columns)

    def blocks(wanted: Sequence[str]) -> Iterator[Block]:
        with open_file() as file:
            # pyarrow cannot hand over a line that is set aside if its bytes are not UTF-8.
            readable = cast(IO[bytes], codecs.EncodedFile(file, "utf-8", errors="replace"))
            yield from _csv_blocks(readable, columns, wanted, has_header)

    return Member(path, name, columns, blocks)


def _looks_like_data(cells: Sequence[str]) -> bool:
    """Return whether a first line holds values: no column is named like a number."""
    return any(re.match(_NUMBER, cell) for cell in cells)


def _csv_blocks(
    file: IO[bytes], columns: Sequence[str], wanted: Sequence[str], has_header: bool
) -> Iterator[Block]:
    bad_lines: list[BadLine] = []

    def set_aside(row: pa_csv.InvalidRow) -> Literal["skip"]:
        reason = f"{row.actual_columns} cells where the file has {row.expected_columns} columns"
        bad_lines.append(BadLine(row.number or 0, row.text, reason))
        return "skip"

    try:
        reader = pa_csv.open_csv(
            file,
            # One thread, so that line numbers are known.
            read_options=pa_csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK_BYTES,
                column_names=list(columns),
                skip_rows=int(has_header),
            ),
            parse_options=pa_csv.ParseOptions(
                invalid_row_handler=set_aside, ignore_empty_lines=False
            ),
            convert_options=pa_csv.ConvertOptions(
                include_columns=list(wanted),
                column_types={column: pa.binary() for column in wanted},
            ),
        )
    except pa.ArrowInvalid as exc:
        if "Empty CSV file" in str(exc):
            return
        raise
    next_line = 1 + has_header
    for batch in reader:
        # Bad lines may already be known of beyond this block; those wait for theirs.
        candidates = np.arange(next_line, next_line + batch.num_rows + len(bad_lines))
        bad_numbers = np.array([line.number for line in bad_lines], dtype=np.int64)
        rows = candidates[~np.isin(candidates, bad_numbers)][: batch.num_rows]
        next_line = int(rows[-1]) + 1 if len(rows) else next_line
        here, bad_lines[:] = (
            [line for line in bad_lines if line.number < next_line],
            [line for line in bad_lines if line.number >= next_line],
        )
        yield Block(rows.astype(np.int64), batch, here)
    if bad_lines:
        yield Block(np.empty(0, np.int64), batch_of_nothing(wanted), list(bad_lines))


def batch_of_nothing(columns: Sequence[str]) -> pa.RecordBatch:
    """Return no rows of the columns."""
    return pa.RecordBatch.from_pydict({column: pa.array([], pa.string()) for column in columns})


def _as_text(cells: Cells) -> Cells:
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_binary(cells.type) or pa.types.is_large_binary(cells.type):
        # Broken bytes are kept recognisable instead of failing the whole file.
        try:
            cells = pc.cast(cells, pa.string())
        except pa.ArrowInvalid:
            decoded = [
                cell if cell is None else cell.decode("utf-8", errors="replace")
                for cell in cells.to_pylist()
            ]
            cells = pa.array(decoded, pa.string())
    elif not pa.types.is_string(cells.type):
        cells = pc.cast(cells, pa.string())
    return pc.if_else(pc.equal(cells, ""), None, cells)


def _is_textual(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_dictionary(kind)
    )


def _as_numbers(cells: Cells) -> tuple[FloatArray, FaultArray]:
    unreadable = None
    if _is_textual(cells.type):
        cells = _as_text(cells)
        try:
            numbers = pc.cast(cells, pa.float64())
        except pa.ArrowInvalid:
            cells = pc.utf8_trim_whitespace(cells)
            is_empty = pc.equal(cells, "")
            cells = pc.if_else(is_empty, None, cells)
            is_number = pc.or_(
                pc.match_substring_regex(cells, _NUMBER),
                pc.is_in(pc.utf8_lower(cells), pa.array(_NOT_A_NUMBER)),
            )
            unreadable = pc.invert(pc.fill_null(is_number, True))
            numbers = pc.cast(pc.if_else(unreadable, None, cells), pa.float64())
    elif pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type):
        numbers = pc.cast(cells, pa.float64(), safe=False)
    elif pa.types.is_decimal(cells.type):
        numbers = pc.cast(cells, pa.float64())
    else:
        unreadable = pc.is_valid(cells)
        numbers = pa.nulls(len(cells), pa.float64())
    values = numbers.to_numpy(zero_copy_only=False)
    faults = np.where(np.isfinite(values), 0, NOT_FINITE).astype(np.uint8)
    faults[_flags(pc.is_null(numbers))] = MISSING
    if unreadable is not None:
        faults[_flags(unreadable)] = UNREADABLE
    if faults.any():
        values = np.where(faults == 0, values, np.nan)
    return values, faults


def _as_instants(cells: Cells) -> tuple[IntArray, FaultArray]:
    kind = cells.type
    unreadable = None
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        # A zone only says how to show an instant; what is stored is UTC.
        zone = kind.tz if pa.types.is_timestamp(kind) else None
        instants = pc.cast(pc.cast(cells, pa.timestamp("us", zone), safe=False), pa.int64())
    elif _is_textual(kind):
        cells = _as_text(cells)
        try:
            instants = pc.cast(pc.cast(cells, pa.timestamp("us")), pa.int64())
        except pa.ArrowInvalid:
            read = [None if cell is None else _read_instant(cell) for cell in cells.to_pylist()]
            instants = pa.array(read, pa.int64())
            unreadable = pc.and_(pc.is_valid(cells), pc.is_null(instants))
    else:
        unreadable = pc.is_valid(cells)
        instants = pa.nulls(len(cells), pa.int64())
    faults = np.where(_flags(pc.is_null(instants)), MISSING, 0).astype(np.uint8)
    if unreadable is not None:
        faults[_flags(unreadable)] = UNREADABLE
    values = pc.fill_null(instants, 0).to_numpy(zero_copy_only=False)
    return values.astype(np.int64), faults


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _read_instant(text: str) -> int | None:
    """Return the microseconds since 1970 of ISO text with or without an offset, else None."""
    try:
        instant = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=dt.UTC)
    return (instant - _EPOCH) // dt.timedelta(microseconds=1)


def _flags(condition: Cells) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.fill_null(condition, False).to_numpy(zero_copy_only=False), dtype=np.bool_)
