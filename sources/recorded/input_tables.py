"""Files in blocks of columns: Parquet, CSV, zipped and gzipped CSV.

Belongs here: opening, headers, line numbers. Does not belong here: single cells
(`sources.recorded.cells`), what a column means.

A row is numbered as a person finds it: the line of a CSV file (a header row is line 1), the row
of a Parquet file counted from 1.
"""

import codecs
import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
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
from sources.recorded.cells import (
    NUMBER,
    Cells,
    FaultArray,
    FloatArray,
    IntArray,
    as_numbers,
    as_text,
)
from sources.user_models import near_hint

SUFFIXES = (".parquet", ".csv", ".csv.gz", ".zip")
# Text of one block; a block's text is dropped once its numbers are taken.
_BLOCK_BYTES = 8 << 20
_BLOCK_ROWS = 1 << 17


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
        The wanted columns.
    bad_lines : list of BadLine
        Lines up to the end of the block, and after the one before, that are no rows.
    """

    rows: IntArray
    table: pa.RecordBatch
    bad_lines: list[BadLine]
    _numbers: dict[str, tuple[FloatArray, FaultArray]] = field(default_factory=dict)

    def texts(self, column: str) -> Cells:
        """Return the cells of a column as text; NULL where there is nothing."""
        return as_text(self.table[column])

    def numbers(self, column: str) -> tuple[FloatArray, FaultArray]:
        """Return a column as numbers with their faults, as `as_numbers` does."""
        if column not in self._numbers:
            self._numbers[column] = as_numbers(self.table[column])
        return self._numbers[column]


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
                    f"{self.name}: column '{column}' is missing"
                    f"{near_hint(column, self.columns)} (found: {', '.join(self.columns[:20])}"
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
            # pyarrow cannot report an invalid line whose bytes are not UTF-8.
            readable = cast(IO[bytes], codecs.EncodedFile(file, "utf-8", errors="replace"))
            yield from _csv_blocks(readable, columns, wanted, has_header)

    return Member(path, name, columns, blocks)


def _looks_like_data(cells: Sequence[str]) -> bool:
    """Return whether a first line holds values: no column is named like a number."""
    return any(re.match(NUMBER, cell) for cell in cells)


def _csv_blocks(
    file: IO[bytes], columns: Sequence[str], wanted: Sequence[str], has_header: bool
) -> Iterator[Block]:
    bad_lines: list[BadLine] = []

    def skip_line(row: pa_csv.InvalidRow) -> Literal["skip"]:
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
                invalid_row_handler=skip_line, ignore_empty_lines=False
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
