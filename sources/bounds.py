"""Limits on the size of input files: a few megabytes can be crafted that unpack to gigabytes.

Belongs here: limits that hold for every file. Does not belong here: what files mean.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from sources.errors import InputRejected

LARGEST_RATIO = 50
"""Unpacked over packed. Market data packs to a fifth or a tenth."""

FREE_BYTES = 64_000_000
"""Unpacked size below which the ratio does not count."""

LARGEST_BYTES = 500_000_000
"""Text of one table, packed or not: an import holds its rows in almost three times that memory.

Five years of one-minute bars of one contract are 200 MB.
"""

LARGEST_ROWS = 3_000_000
"""Rows of one table: five years of one-minute bars. An import holds them, 350 B each."""

_CELL_BYTES = 8
LARGEST_CELL_BYTES = 10_000
LARGEST_LINE_BYTES = 1_000_000


def unfolded_limit(packed_bytes: int) -> int:
    """Return how many bytes a packed file may unfold to.

    Examples
    --------
    >>> unfolded_limit(4_000_000), unfolded_limit(1_000)
    (200000000, 64000000)
    """
    return min(max(FREE_BYTES, LARGEST_RATIO * packed_bytes), LARGEST_BYTES)


def check_unfolded(name: str, packed_bytes: int, unfolded_bytes: int) -> None:
    """Refuse an input that unpacks to more than the limit.

    Parameters
    ----------
    name : str
        Names the input in the message.
    packed_bytes, unfolded_bytes : int
        Its size, and the unpacked size it declares or has reached.

    Raises
    ------
    InputRejected
        It is above the limit.
    """
    limit = unfolded_limit(packed_bytes)
    if unfolded_bytes > limit:
        raise InputRejected(
            f"{name}: {packed_bytes:,} bytes unfold to {unfolded_bytes:,} or more, at most "
            f"{limit:,} are read; is it market data? Then split it into smaller files"
        )


def check_rows(name: str, row_count: int) -> None:
    """Refuse a table of more rows than memory holds.

    Raises
    ------
    InputRejected
        It has too many.
    """
    if row_count > LARGEST_ROWS:
        raise InputRejected(
            f"{name}: more than {LARGEST_ROWS:,} rows, which an import holds in memory at once; "
            "split it into smaller files"
        )


class Bounded(io.RawIOBase):
    """An unpacking stream that stops at its limit, whatever size was declared.

    Parameters
    ----------
    stream : file
        Opened for reading bytes; closed with this.
    name : str
        Names the input in messages.
    packed_bytes : int
        Its stored size.
    """

    def __init__(self, stream: IO[bytes], name: str, packed_bytes: int) -> None:
        super().__init__()
        self._stream = stream
        self._name = name
        self._packed_bytes = packed_bytes
        self._read_bytes = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  (whatever holds bytes)
        """Read into a buffer and return how many bytes."""
        piece = self._stream.read(len(buffer))
        self._read_bytes += len(piece)
        check_unfolded(self._name, self._packed_bytes, self._read_bytes)
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """Close the stream below."""
        self._stream.close()
        super().close()


def read_first_line(file: IO[bytes], name: str) -> bytes:
    """Return the first line; one longer than any header is refused."""
    line = file.readline(LARGEST_LINE_BYTES)
    if len(line) >= LARGEST_LINE_BYTES:
        raise InputRejected(f"{name}: the first line is longer than a header can be; is it CSV?")
    return line


def open_parquet(source: Path | IO[bytes], name: str, packed_bytes: int) -> pq.ParquetFile:
    """Return a Parquet file whose declared size is within bounds; text stays dictionaries.

    Parameters
    ----------
    source : Path or file
        Where it is.
    name : str
        Names it in messages.
    packed_bytes : int
        Its size.

    Raises
    ------
    InputRejected
        It unpacks to more than the limit.
    """
    file = pq.ParquetFile(source)
    groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
    # Encoded sizes leave out what repeats, which is spread over its rows all the same.
    spread_bytes = file.metadata.num_rows * file.metadata.num_columns * _CELL_BYTES
    encoded_bytes = sum(group.total_byte_size for group in groups)
    check_unfolded(name, packed_bytes, max(encoded_bytes, spread_bytes))
    textual = [
        field.name
        for field in file.schema_arrow
        if str(field.type) in ("string", "large_string", "binary", "large_binary")
    ]
    if not textual:
        return file
    file.close()
    if not isinstance(source, Path):
        source.seek(0)
    # One long text repeated by reference is small in the file and huge as an array.
    return pq.ParquetFile(source, read_dictionary=textual)


def check_cells(batch: pa.RecordBatch, name: str) -> None:
    """Refuse text longer than anything in market data, before it is spread over its rows."""
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if not pa.types.is_dictionary(field.type):
            continue
        values = column.dictionary
        longest = pa.compute.max(pa.compute.binary_length(values)).as_py() or 0
        if longest > LARGEST_CELL_BYTES:
            raise InputRejected(
                f"{name}: column '{field.name}' holds text of {longest:,} bytes, at most "
                f"{LARGEST_CELL_BYTES:,} are read; give the column that is meant"
            )


def check_plain_columns(schema: pa.Schema, names: Sequence[str], name: str) -> None:
    """Refuse lists, structs and maps where a number, a text or an instant belongs."""
    for column in names:
        if column in schema.names and pa.types.is_nested(schema.field(column).type):
            raise InputRejected(
                f"{name}: column '{column}' holds {schema.field(column).type} in each row, one "
                "number, text or instant is expected; give the flat column"
            )
