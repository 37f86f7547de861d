"""Columns of text, numbers or stamps as they are in a file, into arrays; bad cells are marked.

Belongs here: single cells. Does not belong here: files, what a column means.
"""

import datetime as dt
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

# The published type information of pyarrow does not let one call's answer go into the next.
pc: Any = pyarrow.compute
Cells: TypeAlias = Any

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
FaultArray = npt.NDArray[np.uint8]

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NOT_A_NUMBER = ("nan", "+nan", "-nan", "inf", "+inf", "-inf", "infinity")

# What can be wrong with one cell; 0 is nothing.
MISSING, UNREADABLE, NOT_FINITE = 1, 2, 3
NUMBER_FAULTS = {UNREADABLE: "not a number", NOT_FINITE: "NaN or infinite"}

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# Beyond this lies no year a datetime can hold.
_LARGEST_MICROSECONDS = 2.5e17


def as_text(cells: Cells) -> Cells:
    """Return a column as text; NULL where there is nothing."""
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


def as_numbers(cells: Cells) -> tuple[FloatArray, FaultArray]:
    """Return a column as numbers.

    Returns
    -------
    values : ndarray of float64, shape (n_rows,)
        NaN where the fault is not 0.
    faults : ndarray of uint8, shape (n_rows,)
        0, MISSING, UNREADABLE or NOT_FINITE.
    """
    unreadable = None
    if _is_textual(cells.type):
        cells = as_text(cells)
        try:
            numbers = pc.cast(cells, pa.float64())
        except pa.ArrowInvalid:
            cells = pc.utf8_trim_whitespace(cells)
            is_empty = pc.equal(cells, "")
            cells = pc.if_else(is_empty, None, cells)
            is_number = pc.or_(
                pc.match_substring_regex(cells, NUMBER),
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


def as_instants(cells: Cells, microseconds_per_unit: float | None) -> tuple[IntArray, FaultArray]:
    """Return a column as instants.

    Parameters
    ----------
    cells : pyarrow.Array
        The column.
    microseconds_per_unit : float or None
        Of numbers since 1970; None for timestamps and ISO text, which is UTC where it names no
        offset.

    Returns
    -------
    values : ndarray of int64, shape (n_rows,)
        Microseconds since 1970; 0 where the fault is not 0.
    faults : ndarray of uint8, shape (n_rows,)
        0, MISSING or UNREADABLE.
    """
    if microseconds_per_unit is None:
        return _stamps_as_instants(cells)
    numbers, faults = as_numbers(cells)
    scaled = np.where(faults == 0, numbers * microseconds_per_unit, 0.0)
    is_far = np.abs(scaled) > _LARGEST_MICROSECONDS
    values = np.rint(np.where(is_far, 0.0, scaled)).astype(np.int64)
    is_unreadable = is_far | (faults == NOT_FINITE)
    return values, np.where(is_unreadable, UNREADABLE, faults).astype(np.uint8)


def _stamps_as_instants(cells: Cells) -> tuple[IntArray, FaultArray]:
    kind = cells.type
    unreadable = None
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        # A zone is only for display; the stored value is UTC.
        zone = kind.tz if pa.types.is_timestamp(kind) else None
        instants = pc.cast(pc.cast(cells, pa.timestamp("us", zone), safe=False), pa.int64())
    elif _is_textual(kind):
        cells = as_text(cells)
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
